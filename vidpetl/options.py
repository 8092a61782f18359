"""The one checker of options: each mistake is named with what there is."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def one_of(owner: str, name: str, value: Any, known: Iterable[Any]) -> None:
  """Raises ValueError, naming the option, where `value` is not `known`."""
  if value not in (known := tuple(known)):
    there = ', '.join(map(repr, known))
    raise ValueError(f'{owner}: {name} {value!r} is none of {there}')


def positive(owner: str, **values: float) -> None:
  """Raises ValueError, naming the option, where a value is not above 0."""
  for name, value in values.items():
    if value <= 0:
      raise ValueError(f'{owner}: {name} must be at least 1, not {value}')


def fields(function: Callable[..., Any]) -> dict[str, Any]:
  """Returns the options of a function or class, with their defaults.

  Options without a default have `inspect.Parameter.empty`. What flax gives its
  modules, 'name' and 'parent', is no option.
  """
  return {
    p.name: p.default
    for p in inspect.signature(function).parameters.values()
    if p.kind is not p.VAR_KEYWORD and p.name not in ('parent',)
  }


def check(
  function: Callable[..., Any], values: Mapping[str, Any], owner: str
) -> None:
  """Holds options against those that a function takes.

  Raises:
    ValueError: naming each option that it does not take, or lacks, and all
      that it takes.
  """
  known = fields(function)
  takes_any = any(
    p.kind is p.VAR_KEYWORD
    for p in inspect.signature(function).parameters.values()
  )
  unknown = [] if takes_any else sorted(set(values) - set(known))
  missing = [
    name
    for name, default in known.items()
    if default is inspect.Parameter.empty and name not in values
  ]
  _refuse(owner, 'has no field', unknown, known)
  _refuse(owner, 'needs', missing, known)


def _refuse(
  owner: str, problem: str, names: Iterable[str], known: Iterable[str]
) -> None:
  """Raises ValueError, with the fields there are, if there is a name."""
  if names := ', '.join(names):
    there = ', '.join(known) or 'none'
    raise ValueError(f'{owner} {problem} {names}; its fields are {there}')


def call(
  function: Callable[..., Any], values: Mapping[str, Any], owner: str
) -> Any:
  """Calls a function with options that were checked; see `check`."""
  check(function, values, owner)
  return function(**values)


def parse(
  function: Callable[..., Any], texts: Mapping[str, str], owner: str
) -> dict[str, Any]:
  """Reads options as a command line writes them, by a function's type hints.

  Args:
    function: whose options they are.
    texts: of the options; several strings are parted by commas.
    owner: who has them, in errors.

  Raises:
    ValueError: naming an option that the function does not take, or whose text
      is no value of it.
  """
  known = fields(function)
  _refuse(owner, 'has no field', sorted(set(texts) - set(known)), known)
  hints = typing.get_type_hints(function)
  return {
    name: _value(hints[name], text, f'{owner}: {name}={text!r}')
    for name, text in texts.items()
  }


_SWITCHES = {'true': True, '1': True, 'false': False, '0': False}


def _value(hint: Any, text: str, what: str) -> Any:
  types = set(typing.get_args(hint)) or {hint}
  if str in types:
    return text
  if bool in types:
    if text.lower() not in _SWITCHES:
      raise ValueError(f'{what} is neither true nor false')
    return _SWITCHES[text.lower()]
  for kind in (int, float):
    if kind in types:
      try:
        return kind(text)
      except ValueError:
        raise ValueError(f'{what} is no {kind.__name__}') from None
  return tuple(text.split(','))
