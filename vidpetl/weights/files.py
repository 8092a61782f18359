"""Reading files of weights, whoever wrote them, without running code.

What a file is follows from its first bytes, not from its name. It becomes
nested dicts and lists with numpy arrays at their leaves, beside whatever else
was saved.
"""

from __future__ import annotations

import dataclasses
import io
import math
import pickle
import re
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO

import ml_dtypes  # noqa: F401 (registers types that numpy has not)
import numpy as np
import safetensors
from etils import epath, epy

from vidpetl import stand_ins
from vidpetl.data import opening
from vidpetl.parameters import mapped, sums
from vidpetl.weights import archives, folders, pytorch, tree, unpickling
from vidpetl.weights.errors import WeightsError

with epy.lazy_imports():  # Of one kind of file.
  from flax import serialization

# How msgpack begins a map of up to 15 entries, or of more, and a name in it.
_MAP = re.compile(
  rb'([\x81-\x8f]|\xde..|\xdf....)[\xa0-\xbf\xd9-\xdb]', re.DOTALL
)
# How pickles of the first two protocols begin, which have no mark: a dict, a
# list, or the class of one.
_FIRST_PICKLES = re.compile(rb'\([dl](p\d+)?\n|[}\]]q[\0\1]|c[\w.]+\n\w+\n')
# Files that hold no weights, or hold them otherwise: how they begin.
_OTHERS = {
  b'\x89HDF': 'an HDF5 file, of Keras perhaps, which is not read',
  b'GGUF': 'a GGUF file, whose weights are quantised; take those of '
  'safetensors or PyTorch',
  b'\x1f\x8b': 'packed by gzip; unpack it first',
  b'BZh': 'packed by bzip2; unpack it first',
  b'\xfd7zXZ': 'packed by xz; unpack it first',
  b'7z\xbc\xaf': 'a 7z archive; unpack it first',
  b'Rar!': 'a RAR archive; unpack it first',
}
_TAR = 257, b'ustar'
# What readers say of a file that ends too early.
_CUT = re.compile('truncated|incomplete|ran out of input|unpack.*short', re.I)


@dataclasses.dataclass(frozen=True)
class Kind:
  """What a file is.

  Attributes:
    words: for it.
    read: returns what is in a file of that kind, by its path.
  """

  words: str
  read: Callable[[str], Any]


def read(path: str) -> Any:
  """Reads a file, a folder with one, or files with an index.

  Args:
    path: a safetensors, numpy, PyTorch (`.pth`, `.pt`, `.bin`, `.ckpt`),
      TorchScript, pickle or msgpack file; an index of several; a folder as
      Hugging Face has it, with one such file, or a checkpoint of orbax or
      TensorFlow.

  Returns:
    Nested dicts and lists, whose arrays are numpy's or `tree.Unread`.

  Raises:
    WeightsError: if there is no such file, or it is none of these or damaged.
  """
  source = folders.resolve(path, _is_read)
  if source.read:
    return guarded(source.path, Kind(source.words, source.read))
  parts = [guarded(part, sniff(part)) for part in source.files]
  if len(parts) == 1:
    return parts[0]
  return folders.joined(source, parts)


def kind(path: str) -> str:
  """Returns what a file or folder is, in words.

  Raises:
    WeightsError: as `read` does.
  """
  source = folders.resolve(path, _is_read)
  return source.words or sniff(source.files[0]).words


def _is_read(path: str) -> bool:
  try:
    sniff(path)
  except (WeightsError, OSError):
    return False
  return True


def guarded(path: str, what: Kind) -> Any:
  """Reads a file of a kind.

  Raises:
    WeightsError: that names the file, whatever goes wrong.
  """
  try:
    return what.read(path)
  except (WeightsError, sums.DamagedError):
    raise
  except Exception as error:  # Every library has its own for damaged files.
    said = str(error).strip().split('\n')[0]
    why = (
      'is cut off: an incomplete download?'
      if _is_cut(error)
      else (
        'cannot be read: it is damaged, or of a version that is not known here'
      )
    )
    raise WeightsError(
      f'{_sized(path)} begins as {what.words}, but {why} '
      f'({type(error).__name__}: {said})'
    ) from None


def _is_cut(error: Exception) -> bool:
  """Whether an error is that bytes are missing at a file's end."""
  if isinstance(error, EOFError):
    return True
  kinds = (pickle.UnpicklingError, ValueError, safetensors.SafetensorError)
  return isinstance(error, kinds) and bool(_CUT.search(str(error)))


def _sized(path: str) -> str:
  length = epath.Path(path).stat().length
  return f'{path} ({length:,} bytes)'


def sniff(path: str) -> Kind:
  """Returns what a file is.

  Raises:
    WeightsError: if it is none of weights; the error says what it is instead.
  """
  with opening.binary(path) as file:
    head = file.read(stand_ins.HEAD)
  if head.startswith(b'PK\x03\x04'):
    return _sniff_zip(path)
  if head[8:9] == b'{' and int.from_bytes(head[:8], 'little') < 2**31:
    return Kind('a safetensors file', _safetensors)
  if head.startswith(b'\x93NUMPY'):
    return Kind('a numpy file', _npy)
  if pytorch.is_old(head):
    return Kind('a PyTorch file of the old format', pytorch.read_old)
  marked = head[:1] == b'\x80' and head[1:2] in b'\x02\x03\x04\x05'
  if marked or _FIRST_PICKLES.match(head):
    return Kind('a pickle', _pickle)
  if _MAP.match(head):
    return Kind('a Flax (msgpack) file', _msgpack)
  raise WeightsError(f'{path} {_instead(head)}')


def _instead(head: bytes) -> str:
  """Returns the end of a sentence about a file that is none of weights."""
  if said := stand_ins.instead(head):
    return said
  for start, words in _OTHERS.items():
    if head.startswith(start):
      return f'is {words}'
  at, mark = _TAR
  if head[at:].startswith(mark):
    return 'is a tar archive; unpack it first'
  return (
    f'begins with {head[:8]!r}, which is no safetensors, numpy, PyTorch, '
    'TorchScript, pickle or Flax (msgpack) file'
  )


def _sniff_zip(path: str) -> Kind:
  try:
    with zipfile.ZipFile(path) as archive:
      names = archive.namelist()
  except Exception as error:  # Damaged lists raise nearly anything.
    raise WeightsError(
      f'{_sized(path)} begins as an archive, but has no sound end: an '
      f'incomplete download? ({error})'
    ) from None
  if any(name.endswith('.npy') for name in names):
    return Kind('an .npz file', _npz)
  inside = {name.partition('/')[2] for name in names}
  if 'data.pkl' in inside:
    program = 'constants.pkl' in inside
    words = 'a TorchScript file' if program else 'a PyTorch file'
    return Kind(words, pytorch.read_zip)
  raise WeightsError(
    f'{path} is an archive of {names[:3]}…, and no PyTorch file; is it to be '
    'unpacked first?'
  )


def _safetensors(path: str) -> dict[str, tree.Leaf]:
  with safetensors.safe_open(path, 'numpy', backend='pread') as file:
    arrays = mapped.safetensors(path)
    for name in file.keys() - arrays.keys():
      part = file.get_slice(name)
      arrays[name] = tree.Unread(part.get_dtype(), tuple(part.get_shape()))
    metadata = file.metadata() or {}
  sums.check(path, arrays, metadata)
  return arrays


def _npz(path: str) -> dict[str, Any]:
  """Returns the arrays of 'a/b/c' as nested dicts."""
  flat = {}
  with archives.Archive(path) as archive:
    for name in archive.names:
      with archive.open(name) as file:
        flat[name.removesuffix('.npy')] = _array(file, archive.size(name))
  return tree.nest(flat, '/')


def _npy(path: str) -> Any:
  with opening.binary(path) as file:
    return _array(file, epath.Path(path).stat().length)


def _array(file: BinaryIO, size: int) -> Any:
  """Reads numpy's format.

  Objects are what their pickle holds, of which nothing is run; one alone, such
  as a dict of arrays, is itself.
  """
  version = np.lib.format.read_magic(file)
  header = np.lib.format.read_array_header_2_0
  if version == (1, 0):
    header = np.lib.format.read_array_header_1_0
  shape, _, dtype = header(file)
  if not dtype.hasobject:
    # Before memory is taken for it.
    missing = math.prod(shape) * max(1, dtype.itemsize) - size + file.tell()
    if missing > 0:
      raise EOFError(f'{missing:,} bytes of an array')
    file.seek(0)
    array = np.lib.format.read_array(file, allow_pickle=False)
    if file.read(1):  # A member's check sum is compared at its end.
      raise ValueError('it goes on behind its array')
    return array
  value = unpickling.load(io.BytesIO(file.read()))
  return value[0] if isinstance(value, list) and len(value) == 1 else value


def _pickle(path: str) -> Any:
  with opening.binary(path) as file:
    return unpickling.load(file, pytorch.KNOWN)


def _msgpack(path: str) -> Any:
  return serialization.msgpack_restore(opening.content(path))
