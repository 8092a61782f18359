"""Reading PyTorch's files without PyTorch, and without running them.

They are pickles whose tensors' numbers lie beside them: in a zip archive, or
behind the pickle in files of before PyTorch 1.6. A TorchScript archive is the
former, of a program with its data; none of its code is looked at.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
from collections.abc import Callable
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

from vidpetl.data import opening
from vidpetl.weights import archives, unpickling
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.tree import Leaf, Unread

# The number that the first of an old file's pickles is.
_MAGIC = (0x1950A86A20F9469CFC6C).to_bytes(10, 'little')

_STORAGES = {
  'Float': np.float32,
  'Half': np.float16,
  'BFloat16': ml_dtypes.bfloat16,
  'Double': np.float64,
  'Long': np.int64,
  'Int': np.int32,
  'Short': np.int16,
  'Char': np.int8,
  'Byte': np.uint8,
  'Bool': np.bool_,
  'ComplexFloat': np.complex64,
  'ComplexDouble': np.complex128,
  'Untyped': np.uint8,
  # What quantised tensors are of.
  'QInt8': np.int8,
  'QUInt8': np.uint8,
  'QInt32': np.int32,
}
# Types of tensors that numpy has, by their names in PyTorch.
_DTYPES = {
  np.dtype(dtype).name: np.dtype(dtype)
  for dtype in (
    *_STORAGES.values(),
    np.uint16,
    np.uint32,
    np.uint64,
    ml_dtypes.float8_e4m3fn,
    ml_dtypes.float8_e5m2,
  )
}


class _Dtype(str):
  """A type of PyTorch's by its name."""


def _rebuild(
  storage: np.ndarray, offset: int, shape: tuple, strides: tuple, *_
) -> Leaf:
  """Returns a tensor as it lies in its storage.

  One that has a number in several places, by strides of 0, may be of any size.
  """
  size = storage.itemsize
  # Out of the storage's bounds, this raises; it takes no memory.
  tensor = np.ndarray(
    shape, storage.dtype, storage, offset * size, [s * size for s in strides]
  )
  if tensor.size > storage.size:
    return Unread('expanded', tuple(shape))
  return tensor


def _rebuild_typed(storage, offset, shape, strides, _, __, dtype, *___) -> Leaf:
  """Stands for `_rebuild_tensor_v3`, whose storage is bytes."""
  if dtype not in _DTYPES:
    return Unread(getattr(dtype, 'called', str(dtype)), tuple(shape))
  return _rebuild(storage.view(_DTYPES[dtype]), offset, shape, strides)


def _unread(kind: str, at: int) -> Callable[..., Unread]:
  """Returns what stands for a tensor that is not read.

  Args:
    kind: of tensor.
    at: which of its arguments is the shape.
  """
  return lambda *args: Unread(kind, tuple(args[at]))


def _again(function: Callable, _, args: tuple, *__) -> Any:
  """Stands for what rebuilds a tensor of a class of its own."""
  return function(*args)


# What tensors are made by, by module and name.
KNOWN = {
  **{
    (module, f'{name}Storage'): np.dtype(dtype)
    for module in ('torch', 'torch.cuda', 'torch.storage')
    for name, dtype in _STORAGES.items()
  },
  **{('torch', name): _Dtype(name) for name in _DTYPES},
  ('torch', 'Size'): tuple,
  ('torch._utils', '_rebuild_tensor'): _rebuild,
  ('torch._utils', '_rebuild_tensor_v2'): _rebuild,
  ('torch._utils', '_rebuild_tensor_v3'): _rebuild_typed,
  ('torch._utils', '_rebuild_parameter'): lambda data, *_: data,
  ('torch._utils', '_rebuild_parameter_with_state'): lambda data, *_: data,
  ('torch._tensor', '_rebuild_from_type_v2'): _again,
  ('torch._tensor', '_rebuild_from_type'): _again,
  ('torch._utils', '_rebuild_device_tensor_from_numpy'): lambda data, *_: data,
  ('torch._utils', '_rebuild_qtensor'): _unread('quantised', 2),
  ('torch._utils', '_rebuild_sparse_tensor'): lambda _, data: Unread(
    'sparse', tuple(data[2])
  ),
  ('torch._utils', '_rebuild_meta_tensor_no_storage'): _unread('meta', 1),
  ('torch.storage', '_load_from_bytes'): lambda data: _old(io.BytesIO(data)),
  # Lists, whose elements' type was kept beside them.
  **{
    ('torch.jit._pickle', f'build_{kind}list'): lambda items: items
    for kind in ('int', 'double', 'bool', 'tensor')
  },
  ('torch.jit._pickle', 'restore_type_tag'): lambda value, _: value,
}


def read_zip(path: str) -> Any:
  """Returns what a PyTorch file or a TorchScript archive holds.

  Storages that the archive has as they are, which is the rule, are mapped: they
  are in memory while they are used, and may leave it.

  Args:
    path: of the archive.

  Raises:
    EOFError: if a tensor's numbers are not all there.
    WeightsError: if it was written on a machine of the other byte order.
    zipfile.BadZipFile: if a part is not as it was written.
  """
  stored = {}
  with archives.Archive(path) as archive:
    names = archive.names
    root = next(n for n in names if n.endswith('/data.pkl'))[: -len('data.pkl')]
    if f'{root}byteorder' in names:
      _require_little(path, archive.read(f'{root}byteorder') == b'little')

    def storage(key: tuple) -> np.ndarray:
      _, dtype, name, _, count = key
      if name not in stored:
        data = archive.mapped(f'{root}data/{name}')
        if len(data) < count * dtype.itemsize:
          raise EOFError(f'{len(data)} bytes of storage {name}')
        stored[name] = np.ndarray((count,), dtype, data)
      return stored[name]

    file = io.BytesIO(archive.read(f'{root}data.pkl'))
    return unpickling.load(file, KNOWN, storage)


def is_old(head: bytes) -> bool:
  """Whether a file that begins so is PyTorch's of before 1.6."""
  return _MAGIC in head[:32]


def read_old(path: str) -> Any:
  """Returns what a PyTorch file of before 1.6 holds.

  Args:
    path: of the file.

  Raises:
    EOFError: if a tensor's numbers are not all there.
    WeightsError: if it was written on a machine of the other byte order.
  """
  with opening.binary(path) as file:
    return unpickling.plain(_old(file, path))


def _old(file: BinaryIO, path: str = '') -> Any:
  """Reads such a file: a number, a version, a machine, a pickle, storages."""
  load = lambda *options: unpickling.load_one(file, *options)
  load(), load()
  _require_little(path, load().get('little_endian', True))
  stored = {}
  left = [_length(file)]

  def storage(key: tuple) -> np.ndarray:
    if key[0] != 'storage':  # A module, with its source.
      return key[1]
    _, dtype, name, _, count, *view = key
    if name not in stored:
      size = count * dtype.itemsize
      if not 0 <= size <= left[0]:
        raise EOFError(f'{count} numbers of storage {name}')
      left[0] -= size
      stored[name] = np.empty(count, dtype)
    if not view or not view[0]:
      return stored[name]
    _, start, size = view[0]
    return stored[name][start : start + size]

  value = load(KNOWN, storage)
  for name in load():
    (count,) = struct.unpack('<q', _exactly(file, 8))
    _fill(file, stored.get(name, np.empty(0, np.uint8)), count)
  return value


def _length(file: BinaryIO) -> int:
  here = file.tell()
  length = file.seek(0, io.SEEK_END)
  file.seek(here)
  return length


def _fill(file: BinaryIO, storage: np.ndarray, count: int) -> None:
  """Reads a storage's numbers, of which there are `count`."""
  if count != storage.size:
    raise pickle.UnpicklingError(f'{count} numbers for {storage.size}')
  into = memoryview(storage.view(np.uint8))
  while into:
    got = file.readinto(into)
    if not got:
      raise EOFError(f'{math.prod(into.shape)} bytes of a storage')
    into = into[got:]


def _exactly(file: BinaryIO, count: int) -> bytes:
  data = file.read(count)
  if len(data) < count:
    raise EOFError(f'{count - len(data)} bytes')
  return data


def _require_little(path: str, little: bool) -> None:
  if not little:
    raise WeightsError(
      f'{path} is of a machine whose numbers have their bytes the other way '
      'round; load it and save it as safetensors'
    )
