"""Unpickling of numpy arrays and nothing else.

A pickle can run any code when it is loaded, and person boxes are files from
the internet. This reader knows the handful of constructors that arrays need.
"""

from __future__ import annotations

import collections
import pickle

import numpy as np

from vidpetl.data.annotations import text


def _encode(value: str, encoding: str) -> bytes:
  """Stands for `_codecs.encode`, with which protocol 2 writes bytes."""
  if encoding != 'latin1':
    raise pickle.UnpicklingError(f'bytes in encoding {encoding!r}')
  return value.encode('latin1')


# What arrays and containers are made by, by module and name.
ARRAYS = {
  ('_codecs', 'encode'): _encode,
  ('numpy', 'ndarray'): np.ndarray,
  ('numpy', 'dtype'): np.dtype,
  ('collections', 'OrderedDict'): collections.OrderedDict,
}
for _package in ('numpy.core', 'numpy._core'):  # numpy 1.x and 2.x
  ARRAYS |= {
    (
      f'{_package}.multiarray',
      '_reconstruct',
    ): np._core.multiarray._reconstruct,
    (f'{_package}.multiarray', 'scalar'): np._core.multiarray.scalar,
    (f'{_package}.numeric', '_frombuffer'): np._core.numeric._frombuffer,
  }
for _type in (dict, list, tuple, set, frozenset, bytes, bytearray):
  ARRAYS['builtins', _type.__name__] = _type
  ARRAYS['__builtin__', _type.__name__] = _type  # as Python 2 names it


class _Unpickler(pickle.Unpickler):
  def find_class(self, module, name):
    try:
      return ARRAYS[module, name]
    except KeyError:
      raise pickle.UnpicklingError(f'it asks for {module}.{name}') from None


def load(path: str):
  """Loads a pickle of builtin containers and numpy arrays.

  Args:
    path: of the file, by Python 2 or 3 and numpy 1 or 2.

  Returns:
    The object.

  Raises:
    text.AnnotationError: naming the first thing the pickle asks for that is
      neither a container nor an array; nothing of it has been called.
  """
  with open(path, 'rb') as file:
    try:
      return _Unpickler(file, encoding='latin1').load()
    except Exception as error:  # a damaged pickle raises nearly anything
      raise text.fail(
        path,
        None,
        f'refused to unpickle ({type(error).__name__}: {error})',
        'only dicts, lists, numbers, strings and numpy arrays',
      ) from None
