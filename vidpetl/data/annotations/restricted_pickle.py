"""Unpickling of numpy arrays and nothing else.

A pickle can run any code when it is loaded, and person boxes are files from
the internet. This reader knows the handful of constructors that arrays need,
and none of them makes more of a file than it holds.
"""

from __future__ import annotations

import collections
import math
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from vidpetl import bounds
from vidpetl.data import opening
from vidpetl.data.annotations import pickle_scan, text

# What constructors may copy: so many times the file, or so many bytes.
_TIMES, _LEAST = 16, 1 << 26
# Bytes that a part of a container takes.
_LISTED, _HASHED = 8, 64
_SIZED = (bytes, bytearray, str, list, tuple, dict, set, frozenset)


class Array(np.ndarray):
  """An array that is given its numbers after it was made, as pickles do."""

  def __setstate__(self, state: tuple) -> None:
    *_, shape, dtype, _, data = state
    if any(size < 0 for size in shape):
      raise pickle.UnpicklingError(f'an array of shape {shape}')
    each = 1 if dtype.hasobject else max(1, dtype.itemsize)
    if math.prod(shape) * each != len(data):
      raise pickle.UnpicklingError(
        f'an array of shape {shape} and {dtype} in {len(data):,} bytes'
      )
    super().__setstate__(state)


def _reconstruct(*_: Any) -> Array:
  """Stands for what makes an empty array, of whatever class."""
  return np._core.multiarray._reconstruct(Array, (0,), b'b')


def _scalar(dtype: np.dtype, data: Any) -> Any:
  """Stands for what makes a number, which always has its bytes."""
  if dtype.hasobject or len(data) != dtype.itemsize:
    raise pickle.UnpicklingError(f'a {dtype} in {data!r:.40}')
  return np._core.multiarray.scalar(dtype, data)


def _encode(value: str, encoding: str) -> bytes:
  """Stands for `_codecs.encode`, with which protocol 2 writes bytes."""
  if encoding != 'latin1':
    raise pickle.UnpicklingError(f'bytes in encoding {encoding!r}')
  return value.encode('latin1')


def _of_parts(make: Callable) -> Callable:
  """Returns a constructor that is given parts, not how many zeros."""

  def made(*args: Any) -> Any:
    if args and not isinstance(args[0], _SIZED):
      raise pickle.UnpicklingError(f'{make.__name__} of {args[0]!r:.40}')
    return make(*args)

  return made


def _tuple(parts: Any = ()) -> tuple:
  """Stands for `tuple`, whose parts are none: they could repeat each other."""
  made = _of_parts(tuple)(parts)
  if any(isinstance(part, tuple) for part in made):
    raise pickle.UnpicklingError('a tuple made of tuples')
  return made


# What arrays and containers are made by, by module and name.
ARRAYS = {
  ('_codecs', 'encode'): _encode,
  ('numpy', 'ndarray'): 'ndarray',  # is given to `_reconstruct` alone
  ('numpy', 'dtype'): np.dtype,
  ('collections', 'OrderedDict'): _of_parts(collections.OrderedDict),
}
for _package in ('numpy.core', 'numpy._core'):  # numpy 1.x and 2.x
  ARRAYS |= {
    (f'{_package}.multiarray', '_reconstruct'): _reconstruct,
    (f'{_package}.multiarray', 'scalar'): _scalar,
    (f'{_package}.numeric', '_frombuffer'): np._core.numeric._frombuffer,
  }
for _type in (dict, list, set, frozenset, bytes, bytearray):
  ARRAYS['builtins', _type.__name__] = _of_parts(_type)
  ARRAYS['__builtin__', _type.__name__] = _of_parts(_type)  # in Python 2
ARRAYS['builtins', 'tuple'] = ARRAYS['__builtin__', 'tuple'] = _tuple


def _each(value: Any) -> int:
  if isinstance(value, (dict, set, frozenset)):
    return _HASHED
  return _LISTED if isinstance(value, (list, tuple)) else 1


class Allowance:
  """What the constructors of a pickle may copy, which can say a thing twice."""

  def __init__(self, size: int):
    """Allows what a file needs, with bytes `size`."""
    self._left = max(_LEAST, _TIMES * size)

  def take(self, *values: Any) -> None:
    """Counts values that are copied.

    Raises:
      pickle.UnpicklingError: if they are too many.
    """
    for value in values:
      if isinstance(value, _SIZED):
        self.spend(len(value) * _each(value))

  def spend(self, size: int) -> None:
    """Counts bytes; raises as `take` does."""
    self._left -= size
    if self._left < 0:
      raise pickle.UnpicklingError('it repeats more than a file of data does')

  def counted(self, make: Any) -> Any:
    """Returns a constructor whose arguments are counted."""
    if isinstance(make, type) or not callable(make):
      return make

    def made(*args: Any) -> Any:
      self.take(*args)
      return make(*args)

    return made


class _Unpickler(pickle.Unpickler):
  def __init__(self, file: Any, size: int):
    super().__init__(file, encoding='latin1')
    allowance = Allowance(size)
    self._known: Mapping[tuple[str, str], Any] = {
      name: allowance.counted(make) for name, make in ARRAYS.items()
    }

  def find_class(self, module: str, name: str) -> Any:
    try:
      return self._known[module, name]
    except KeyError:
      raise pickle.UnpicklingError(f'it asks for {module}.{name}') from None


def load(path: str) -> Any:
  """Loads a pickle of builtin containers and numpy arrays.

  Args:
    path: of the file, by Python 2 or 3 and numpy 1 or 2.

  Returns:
    The object.

  Raises:
    text.AnnotationError: naming the first thing the pickle asks for that is
      neither a container nor an array; nothing of it has been called.
  """
  with opening.binary(path, 'text') as file:
    data = file.read()
    file.seek(0)
    try:
      pickle_scan.check(data)
      value = _Unpickler(file, len(data)).load()
      _require_finite(value)
      return value
    except bounds.BoundError as error:
      raise text.fail(path, None, str(error), 'a pickle of data') from None
    except Exception as error:  # a damaged pickle raises nearly anything
      raise text.fail(
        path,
        None,
        f'refused to unpickle ({type(error).__name__}: {error})',
        'only dicts, lists, numbers, strings and numpy arrays',
      ) from None


def _require_finite(value: Any) -> None:
  """Refuses lists that hold themselves, or repeat each other endlessly."""
  parts = _parts(value, {})
  bounds.require('repeated', parts, f'it has {parts:,} parts')


def _parts(value: Any, done: dict[int, float]) -> float:
  """Returns how many values there are, were each written out."""
  if isinstance(value, np.ndarray) and value.dtype.hasobject:
    held = value  # has to live, as its list has an id
    value = done.setdefault(-id(held), [held, held.reshape(-1).tolist()])[1]
  if not isinstance(value, (dict, list, tuple, set, frozenset)):
    return 1
  if id(value) not in done:
    done[id(value)] = math.inf  # while it is counted: who meets it is inside
    inside = [*value, *value.values()] if isinstance(value, dict) else value
    done[id(value)] = 1 + sum(_parts(part, done) for part in inside)
  return done[id(value)]
