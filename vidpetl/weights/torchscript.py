"""Reading the tensors of a TorchScript archive, and nothing else of it.

Such an archive is a program with its data; what PyTorch has to load one treats
it as a program. Here its objects become dicts of their attributes, none of its
code is looked at, and PyTorch is not needed.
"""

from __future__ import annotations

import collections
import pickle
import zipfile
from typing import Any

import ml_dtypes
import numpy as np

from vidpetl.weights.errors import WeightsError

_DTYPES = {
  'FloatStorage': np.float32,
  'HalfStorage': np.float16,
  'BFloat16Storage': ml_dtypes.bfloat16,
  'DoubleStorage': np.float64,
  'LongStorage': np.int64,
  'IntStorage': np.int32,
  'ShortStorage': np.int16,
  'CharStorage': np.int8,
  'ByteStorage': np.uint8,
  'BoolStorage': np.bool_,
}


class _Object(dict):
  """An object of the program: its attributes by name."""

  def __setstate__(self, state: Any) -> None:
    if isinstance(state, dict):
      self.update(state)


def _rebuild(storage, offset, shape, strides, *_) -> np.ndarray:
  """Returns a tensor as it lies in its storage."""
  size = storage.itemsize
  # Out of the storage's bounds, this raises.
  return np.ndarray(
    shape, storage.dtype, storage, offset * size, [s * size for s in strides]
  )


_ADMITTED = {
  ('torch._utils', '_rebuild_tensor_v2'): _rebuild,
  ('torch._utils', '_rebuild_parameter'): lambda data, *_: data,
  ('collections', 'OrderedDict'): collections.OrderedDict,
  # Lists, whose elements' type was kept beside them.
  **{
    ('torch.jit._pickle', name): lambda items: items
    for name in (
      'build_intlist',
      'build_doublelist',
      'build_boollist',
      'build_tensorlist',
    )
  },
  ('torch.jit._pickle', 'restore_type_tag'): lambda value, _: value,
}


class _Unpickler(pickle.Unpickler):
  def __init__(self, file, storage):
    super().__init__(file)
    self._storage = storage

  def find_class(self, module: str, name: str) -> Any:
    if module.split('.')[0] == '__torch__':
      return _Object
    if module == 'torch' and name in _DTYPES:
      return np.dtype(_DTYPES[name])
    if (module, name) not in _ADMITTED:
      raise pickle.UnpicklingError(f'it asks for {module}.{name}')
    return _ADMITTED[module, name]

  def persistent_load(self, key: tuple) -> np.ndarray:
    _, dtype, name, _, _ = key
    return self._storage(name, dtype)


def read(path: str) -> dict[str, np.ndarray]:
  """Returns parameters and buffers by name, 'visual.conv1.weight'.

  Args:
    path: of the archive.

  Raises:
    WeightsError: if it holds what no TorchScript archive needs.
  """
  stored = {}
  with zipfile.ZipFile(path) as archive:
    names = archive.namelist()
    root = next(n for n in names if n.endswith('/data.pkl'))[: -len('data.pkl')]

    def storage(name: str, dtype: np.dtype) -> np.ndarray:
      if name not in stored:
        data = archive.read(f'{root}data/{name}')
        stored[name] = np.frombuffer(data, dtype)
      return stored[name]

    with archive.open(f'{root}data.pkl') as file:
      try:
        module = _Unpickler(file, storage).load()
      except pickle.UnpicklingError as error:
        raise WeightsError(
          f'{path} is no TorchScript archive of a model ({error}); nothing of '
          'it was run'
        ) from None
  return dict(_tensors(module, ''))


def _tensors(value: Any, name: str) -> Any:
  """Yields (name, array) of all tensors among an object's attributes."""
  if isinstance(value, np.ndarray):
    yield name, value
  elif isinstance(value, dict):
    for key, inside in value.items():
      yield from _tensors(inside, f'{name}.{key}' if name else str(key))
