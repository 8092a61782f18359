"""Unpickling without running anything of the file.

A pickle names classes and functions, and says how to call them. Those that
containers and arrays need are known here. Any other becomes an `Inert`
placeholder, which keeps what it was given and does nothing; so the weights of a
training file are reached whatever else lies beside them.
"""

from __future__ import annotations

import contextlib
import io
import mmap
import pickle
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

from vidpetl.data.annotations import pickle_scan, restricted_pickle
from vidpetl.weights.tree import Unread


class Inert(dict):
  """Stands for an object of a class, or the result of a function, not known.

  Attributes:
    called: 'module.name' of the class or function.
    count: counts values that are copied into objects; see
      `restricted_pickle.Allowance`.
  """

  called = ''
  count: Callable[..., None] = staticmethod(lambda *_: None)

  def __new__(cls, *args, **kwargs):
    self = super().__new__(cls)
    cls.count(*args)
    self.update(kwargs)
    for number, value in enumerate(args):
      # What dicts of other names are made from is what they hold.
      self.update(value if isinstance(value, Mapping) else {number: value})
    return self

  def __init__(self, *args, **kwargs):
    pass

  def __call__(self, *args, **kwargs) -> Inert:
    return type(self)(*args, **kwargs)

  def __setstate__(self, state: Any) -> None:
    # Slots come as (attributes, slots).
    self.count(*(state if isinstance(state, tuple) else (state,)))
    for part in state if isinstance(state, tuple) else (state,):
      if isinstance(part, Mapping):
        self.update(part)
      elif part is not None:
        self[f'state {len(self)}'] = part

  def __hash__(self) -> int:
    return id(self)

  def __eq__(self, other: object) -> bool:
    return self is other

  def append(self, value: Any) -> None:
    self[len(self)] = value

  def extend(self, values: list[Any]) -> None:
    for value in values:
      self.append(value)

  add = append


# Bytes of a class.
_CLASS = 2000


def _of_jax(make: Callable, args: tuple, state: Any, _: Any) -> np.ndarray:
  """Stands for what rebuilds an array of JAX's."""
  array = make(*args)
  array.__setstate__(state)
  return array


def _text(value: Any = '', *encoding: Any) -> str:
  """Stands for `str`, which would write out whatever a list repeats."""
  if not isinstance(value, (str, bytes)):
    raise pickle.UnpicklingError(f'a text of a {type(value).__name__}')
  return str(value, *encoding)


def _dict_of(kind: Any = None, *_: Any) -> dict:
  """Stands for `defaultdict`, whose kind of values is of no use here."""
  del kind
  return {}


_KNOWN = {
  **restricted_pickle.ARRAYS,
  **{
    (module, kind.__name__): kind
    for module in ('builtins', '__builtin__')
    for kind in (int, float, complex, bool)
  },
  ('builtins', 'str'): _text,
  ('__builtin__', 'str'): _text,
  ('collections', 'defaultdict'): _dict_of,
  ('jax._src.array', '_reconstruct_array'): _of_jax,
}


class Unpickler(pickle.Unpickler):
  """Reads a pickle by whatever version of Python and numpy.

  Args:
    file: at the pickle's beginning.
    size: bytes that the pickle may have, those behind it in the file too.
    known: further constructors, by (module, name).
    storage: returns what a persistent id of PyTorch's stands for.
  """

  def __init__(
    self,
    file: BinaryIO,
    size: int,
    known: Mapping[tuple[str, str], Any] | None = None,
    storage: Callable[[tuple], Any] | None = None,
  ):
    # What Python 2 called text may be any bytes.
    super().__init__(file, encoding='latin1')
    allowance = restricted_pickle.Allowance(size)
    self._allowance = allowance
    self._placeholders: dict[str, type[Inert]] = {}
    self._known = {
      name: allowance.counted(make)
      for name, make in (_KNOWN | dict(known or {})).items()
    }
    self._storage = storage

  def find_class(self, module: str, name: str) -> Any:
    if (module, name) in self._known:
      return self._known[module, name]
    if module.partition('.')[0] == 'ml_dtypes' and name in _DTYPES:
      return _DTYPES[name]
    return self._placeholder(f'{module}.{name}')

  def _placeholder(self, called: str) -> type[Inert]:
    if called not in self._placeholders:
      self._allowance.spend(_CLASS)
      fields = {'called': called, 'count': staticmethod(self._allowance.take)}
      self._placeholders[called] = type('Inert', (Inert,), fields)
    return self._placeholders[called]

  def persistent_load(self, key: Any) -> Any:
    if self._storage is None:
      raise pickle.UnpicklingError('it asks for data outside of it')
    return self._storage(key)


_DTYPES = {'bfloat16': ml_dtypes.bfloat16}


def load(file: BinaryIO, *known_and_storage: Any) -> Any:
  """Returns nested dicts and lists of a pickle; see `Unpickler`, `plain`."""
  return plain(load_one(file, *known_and_storage))


def load_one(file: BinaryIO, *known_and_storage: Any) -> Any:
  """Returns what a pickle holds, and leaves the file behind it.

  Args:
    file: at the pickle's beginning; on a disk, or in memory.
    *known_and_storage: see `Unpickler`.

  Raises:
    pickle.UnpicklingError: if it is made to do harm, or damaged.
    EOFError: if its end is missing.
  """
  start = file.tell()
  with _viewed(file) as view:
    pickle_scan.check(view, start)
    left = len(view) - start
  return Unpickler(file, left, *known_and_storage).load()


@contextlib.contextmanager
def _viewed(file: BinaryIO) -> Iterator[memoryview]:
  """Gives the bytes of a file without reading all of it."""
  if isinstance(file, io.BytesIO):
    with file.getbuffer() as view:
      yield view
    return
  with (
    mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    memoryview(mapped) as view,
  ):
    yield view


def plain(value: Any) -> Any:
  """Returns nested dicts and lists of what was unpickled.

  Modules of PyTorch become dicts of their parameters and buffers, by the names
  of `state_dict`.
  """
  return _plain(value, {})


def _plain(value: Any, done: dict[int, Any]) -> Any:
  if isinstance(value, restricted_pickle.Array):
    value = value.view(np.ndarray)
  if isinstance(value, np.ndarray) and value.dtype.hasobject:
    value = value.reshape(-1).tolist()
  if not isinstance(value, (dict, list, tuple, set, frozenset)):
    return value
  if id(value) not in done:
    # There before it is filled, as it may hold itself. The value is kept, so
    # that no other gets its id.
    new = {} if isinstance(value, dict) else []
    done[id(value)] = new, value
    if isinstance(value, Inert) and _is_module(value):
      new.update(_tensors(value, ''))
    elif isinstance(value, dict):
      new.update({str(k): _plain(v, done) for k, v in value.items()})
    else:
      new += [_plain(item, done) for item in value]
  return done[id(value)][0]


def _is_module(value: Inert) -> bool:
  return _is_program(value) or {'_modules', '_parameters'} <= value.keys()


def _is_program(value: Inert) -> bool:
  return value.called.split('.')[0] == '__torch__'


def _tensors(module: Any, name: str) -> Iterator[tuple[str, Any]]:
  """Yields (name, array) of a module's parameters and buffers.

  A program of TorchScript's has them among its other attributes.
  """
  if isinstance(module, (np.ndarray, Unread)):
    yield name, module
  elif isinstance(module, Inert) and not _is_program(module):
    passing = module.get('_non_persistent_buffers_set') or ()
    for part in ('_parameters', '_buffers', '_modules'):
      for key, value in (module.get(part) or {}).items():
        if part != '_buffers' or key not in passing:
          yield from _tensors(value, _join(name, key))
  elif isinstance(module, dict):
    for key, value in module.items():
      yield from _tensors(value, _join(name, key))


def _join(name: str, key: Any) -> str:
  return f'{name}.{key}' if name else str(key)
