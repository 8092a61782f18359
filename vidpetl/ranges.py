"""What values a field may have, declared where the field is.

    rank: ranges.Count = 8
    final: ranges.Share = 0.0
    mode: Annotated[str, ranges.OneOf(MODES)] = 'parallel'

A type hint says all there is to say: the type, and in `Annotated` the range.
Numbers fit into 32 bits, whatever the hint says beside that, and so are finite.
`vidpetl.options` holds values against hints.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import numbers
import re
import types
import typing
from collections.abc import Iterable
from typing import Annotated, Any, Protocol

import numpy as np

_WHOLE, _REAL = 2**31, float(np.finfo(np.float32).max)


class Range(Protocol):
  """What a value must satisfy beside its type."""

  def has(self, value: Any) -> bool:
    """Returns whether a value of the type does."""

  def __str__(self) -> str:
    """Says it in words that follow those of the type."""


@dataclasses.dataclass(frozen=True)
class Between:
  """Numbers from `low` to `high`, with those at the ends that are `closed`."""

  low: float = -math.inf
  high: float = math.inf
  closed: str = '[]'

  def has(self, value: float) -> bool:
    above = value >= self.low if self.closed[0] == '[' else value > self.low
    below = value <= self.high if self.closed[1] == ']' else value < self.high
    return above and below

  def __str__(self) -> str:
    low = f'{"at least" if self.closed[0] == "[" else "above"} {self.low:g}'
    high = f'{"at most" if self.closed[1] == "]" else "below"} {self.high:g}'
    if self.high == math.inf:
      return low
    return high if self.low == -math.inf else f'{low} and {high}'


class OneOf:
  """The values that there are."""

  def __init__(self, known: Iterable[Any]):
    self._known = tuple(known)

  def has(self, value: Any) -> bool:
    return value in self._known

  def __str__(self) -> str:
    return f'one of {", ".join(map(repr, self._known))}'


@dataclasses.dataclass(frozen=True)
class Rising:
  """Numbers of which none is less than the one before it; or more, `strict`."""

  strict: bool = False

  def has(self, values: Iterable[float]) -> bool:
    pairs = zip(values, list(values)[1:])
    return all(a < b or (a == b and not self.strict) for a, b in pairs)

  def __str__(self) -> str:
    return 'increasing' if self.strict else 'the smaller one first'


class Filled:
  """What is not empty."""

  def has(self, value: Any) -> bool:
    return len(value) > 0

  def __str__(self) -> str:
    return 'not empty'


class Regex:
  """Patterns that `re` compiles."""

  def has(self, value: str) -> bool:
    try:
      re.compile(value)
    except re.error:
      return False
    return True

  def __str__(self) -> str:
    return 'a regular expression'


class Odd:
  """Odd numbers."""

  def has(self, value: int) -> bool:
    return value % 2 == 1

  def __str__(self) -> str:
    return 'odd'


class Some:
  """Some letters of a word, each once."""

  def __init__(self, of: str):
    self._of = of

  def has(self, value: str) -> bool:
    return 0 < len(value) == len(set(value)) and set(value) <= set(self._of)

  def __str__(self) -> str:
    return f'some of the letters of {self._of!r}'


class Word:
  """Names: they become parts of paths, and of those of parameters."""

  def has(self, value: str) -> bool:
    return bool(re.fullmatch(r'[\w-]+', value))

  def __str__(self) -> str:
    return "a name of letters, digits, '_' and '-'"


Count = Annotated[int, Between(1)]
Natural = Annotated[int, Between(0)]
Number = Annotated[float, Between(0)]
Positive = Annotated[float, Between(0, closed='(]')]
Share = Annotated[float, Between(0, 1)]
# Rates of dropout: at 1 nothing would be left.
Rate = Annotated[float, Between(0, 1, '[)')]
# What remains of a running mean.
Momentum = Rate
# Shares of what there is, of which there must be some.
Part = Annotated[float, Between(0, 1, '(]')]
Text = Annotated[str, Filled()]
Name = Annotated[str, Word()]
Pattern = Annotated[str, Regex()]
# Shares that are held out of what there is.
Held = Rate
Counts = Annotated[tuple[Count, ...], Filled()]
Size = tuple[Count, Count, Count]


def fits(value: Any, hint: Any) -> bool:
  """Returns whether a value is what a type hint says, with its range.

  Args:
    value: of a field.
    hint: int, float, bool, str, None, unions, tuples, sequences and mappings of
      these, `Annotated` or not. Any other type takes all values.
  """
  if isinstance(hint, tuple):
    return any(fits(value, each) for each in hint)
  if hint in _TYPES:
    return _TYPES[hint][1](value)
  origin, of = typing.get_origin(hint), typing.get_args(hint)
  if origin is Annotated:
    return fits(value, of[0]) and all(r.has(value) for r in of[1:])
  if origin in (typing.Union, types.UnionType):
    return fits(value, of)
  if origin is tuple:
    return _is_list(value) and _fit(value, of)
  if origin is collections.abc.Sequence:
    return _is_list(value) and all(fits(each, of[0]) for each in value)
  if origin in (dict, collections.abc.Mapping):
    return hasattr(value, 'items') and all(
      fits(k, of[0]) and fits(v, of[1]) for k, v in value.items()
    )
  return True


def _is_list(value: Any) -> bool:
  return isinstance(value, list | tuple)


def _fit(values: Iterable[Any], hints: tuple[Any, ...]) -> bool:
  values = tuple(values)
  if hints[-1:] == (Ellipsis,):
    hints = (hints[0],) * len(values)
  return len(values) == len(hints) and all(map(fits, values, hints))


def misfit(path: str, value: Any, hint: Any) -> tuple[str, Any, Any]:
  """Returns path, value and hint of what does not fit, as deep as it lies.

  Args:
    path: of the value.
    value: which does not fit.
    hint: which it does not fit.
  """
  plain = typing.get_args(hint)[0] if is_annotated(hint) else hint
  origin, of = typing.get_origin(plain), typing.get_args(plain)
  items: Iterable[tuple[str, Any]] = ()
  if origin is collections.abc.Mapping and hasattr(value, 'items'):
    items = [(f'{path}.{name}', each) for name, each in value.items()]
  elif origin is collections.abc.Sequence and _is_list(value):
    items = [(f'{path}[{i}]', each) for i, each in enumerate(value)]
  for at, each in items:
    if not fits(each, of[-1]):
      return misfit(at, each, of[-1])
  return path, value, hint


def is_annotated(hint: Any) -> bool:
  return typing.get_origin(hint) is Annotated


def in_words(hint: Any) -> str:
  """Returns what a type hint says, in words, as those of `fits`."""
  if hint in _TYPES:
    return _TYPES[hint][0]
  origin, of = typing.get_origin(hint), typing.get_args(hint)
  if origin is Annotated:
    told = [str(each) for each in of[1:]]
    # Of choices, words and patterns the range says all.
    is_all = isinstance(of[1], OneOf | Some | Word | Regex)
    return ', '.join(told if is_all else [in_words(of[0]), *told])
  if origin in (typing.Union, types.UnionType):
    return ', or '.join(map(in_words, of))
  if origin is tuple and of[-1:] != (Ellipsis,):
    return f'({"; ".join(map(in_words, of))})'
  if origin in (tuple, collections.abc.Sequence):
    return f'a list, each {in_words(of[0])}'
  if origin in (dict, collections.abc.Mapping):
    what = '' if of[1] is Any else f', each {in_words(of[1])}'
    return f'a dict of fields{what}'
  return getattr(hint, '__name__', str(hint))


def plain(value: Any) -> Any:
  """Returns a value with Python's own numbers and lists for numpy's."""
  if isinstance(value, np.generic | np.ndarray):
    return value.tolist()
  if isinstance(value, list | tuple):
    return type(value)(map(plain, value))
  if isinstance(value, dict):
    return {name: plain(each) for name, each in value.items()}
  return value


def _is_bool(value: Any) -> bool:
  return isinstance(value, bool | np.bool_)


def _is_int(value: Any) -> bool:
  whole = isinstance(value, numbers.Integral) and not _is_bool(value)
  return whole and -_WHOLE <= value < _WHOLE


def _is_float(value: Any) -> bool:
  return (
    isinstance(value, numbers.Real)
    and not _is_bool(value)
    and abs(value) <= _REAL
  )


# Type -> what it is called, and whether a value is of it.
_TYPES = {
  int: ('a whole number', _is_int),
  float: ('a number', _is_float),
  bool: ('true or false', _is_bool),
  str: ('a text', lambda value: isinstance(value, str)),
  type(None): ('None', lambda value: value is None),
  None: ('None', lambda value: value is None),
}
