"""Annotations that are pickled dicts, and splits that are lists of their keys.

Errors name the file, the record by its key, and the field.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Collection, Hashable
from typing import Any

import numpy as np

from vidpetl.data.annotations import restricted_pickle, text


def read(path: str, kind: type | tuple[type, ...], expected: str) -> Any:
  """Reads a pickle whose top level is a `kind` that is not empty.

  Bytes in it are texts, and arrays of texts or objects are lists: so Python 2
  and numpy write them.

  Args:
    path: of the file.
    kind: dict or list, or several types of which it must be one.
    expected: the format in words, for errors.

  Raises:
    text.AnnotationError: otherwise, or if it holds more than data.
  """
  value = _plain(restricted_pickle.load(path))
  if not isinstance(value, kind) or not len(value):
    problem = f'a pickled {type(value).__name__}'
    if isinstance(value, kind):
      problem = 'nothing in it'
    raise text.fail(path, None, problem, expected)
  return value


def _plain(value: Any) -> Any:
  """Returns a value with texts for bytes and lists for arrays of them."""
  if isinstance(value, bytes):
    return value.decode('latin1')
  if isinstance(value, np.ndarray):
    text_like = value.dtype.kind in 'OSU'
    value = value.tolist() if text_like else value.view(np.ndarray)
  if isinstance(value, dict):
    return {_plain(key): _plain(item) for key, item in value.items()}
  if isinstance(value, (list, tuple)):
    return type(value)(map(_plain, value))
  return value


def read_split(path: str, records: Collection[Hashable]) -> list[Hashable]:
  """Reads a list of keys.

  Args:
    path: of the list.
    records: keys that there are.

  Raises:
    text.AnnotationError: naming the first key that is unknown or repeated.
  """
  expected = 'a list of keys of the annotations, each once'
  seen = {}
  for key in _keys(path, expected):
    if not isinstance(key, Hashable) or key not in records:
      raise text.fail(path, None, f'{key!r} is in no annotation', expected)
    if key in seen:
      raise text.fail(path, None, f'{key!r} is there twice', expected)
    seen[key] = True
  return list(seen)


def _keys(path: str, expected: str) -> list[Any]:
  """Returns what a list holds; the rows of an array of numbers are tuples."""
  value = read(path, (list, tuple, np.ndarray), expected)
  if isinstance(value, np.ndarray):
    value = list(map(tuple, np.atleast_2d(value).tolist()))
  return list(value)


def pair(
  path: str, key: Any, first: Callable[[Any], Any], expected: str
) -> tuple[Any, int]:
  """Returns a record's key, (video, number).

  Args:
    path: of the file.
    key: as it stands there.
    first: type of the video's name.
    expected: the format in words, for errors.

  Raises:
    text.AnnotationError: unless it is one.
  """
  try:
    video, number_in_video = key
    return first(video), int(number_in_video)
  except (TypeError, ValueError):
    raise text.fail(path, None, f'the key {key!r}', expected) from None


def require_apart(
  paths: tuple[str, str], train: list[Hashable], test: list[Hashable]
) -> None:
  """Refuses two splits that share a record.

  Raises:
    text.AnnotationError: naming the first one.
  """
  known = set(train)
  for key in test:
    if key in known:
      problem = f'{key!r} is in {paths[0]} as well'
      raise text.fail(paths[1], None, problem, 'splits without overlap')


def number(
  value: Any,
  path: str,
  key: Hashable,
  field: str,
  low: float = -np.inf,
  high: float = np.inf,
) -> float:
  """Returns a field of a record, or the number in its text, as a float.

  Raises:
    text.AnnotationError: unless it is a finite number of `low` to `high`.
  """
  real = _real(value)
  if np.isfinite(real) and low <= real <= high:
    return real
  span = f' of {low:g} to {high:g}'
  if np.isinf(high):
    span = '' if np.isinf(low) else f', {low:g} or more'
  raise text.fail(
    path, None, f'{key!r}: {field} is {value!r}', f'a number{span}'
  )


def _real(value: Any) -> float:
  """Returns a number, or that in a text; nan if it is none."""
  if isinstance(value, bool) or not isinstance(value, (numbers.Real, str)):
    return np.nan
  try:
    return float(value)
  except ValueError:
    return np.nan
