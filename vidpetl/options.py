"""The one checker of options: each mistake is named with what there is.

What values an option may have is said by its type hint; see `vidpetl.ranges`.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from vidpetl import ranges


def one_of(owner: str, name: str, value: Any, known: Iterable[Any]) -> None:
  """Raises ValueError, naming the option, where `value` is not `known`."""
  if value not in (known := tuple(known)):
    there = ', '.join(map(repr, known)) + nearest(value, known)
    raise ValueError(f'{owner}: {name} {value!r} is none of {there}')


def nearest(name: Any, known: Iterable[Any]) -> str:
  """Returns the question whether another name was meant, '' if none is near."""
  found = difflib.get_close_matches(str(name), map(str, known), 1, 0.7)
  return f'. Did you mean {found[0]}?' if found and name not in found else ''


@functools.cache
def hints(function: Callable[..., Any]) -> Mapping[str, Any]:
  """Returns the type hints of a function's or class's options, with ranges."""
  return typing.get_type_hints(function, include_extras=True)


def hold(
  values: Mapping[str, Any], known: Mapping[str, Any], owner: str
) -> None:
  """Holds values against type hints and their ranges.

  Args:
    values: by name. Those without a hint may be anything.
    known: the hints, by name.
    owner: whose they are: 'config.optimizer', or in words.

  Raises:
    ValueError: naming the field, its value and what it may be.
  """
  for name, value in values.items():
    if name in known and not ranges.fits(value, known[name]):
      path, value, hint = ranges.misfit(_whole(owner, name), value, known[name])
      raise ValueError(f'{path}={value!r}: it must be {ranges.in_words(hint)}')


def _whole(owner: str, name: str) -> str:
  if not owner:
    return name
  is_path = owner.startswith('config') and ' ' not in owner
  return f'{owner}.{name}' if is_path else f'{owner}: {name}'


def hold_fields(made: Any, owner: str, *but: str) -> None:
  """Holds the fields of a dataclass against their hints, but for some.

  Numbers that are arguments of a program are held where they are given to it.
  """
  fields = {f.name: getattr(made, f.name) for f in dataclasses.fields(made)}
  values = {
    name: value
    for name, value in fields.items()
    if name not in but and not hasattr(value, 'aval')
  }
  hold(values, hints(type(made)), owner)


# Asked for each clip of each config; it takes half a millisecond.
_signature = functools.cache(inspect.signature)


def fields(function: Callable[..., Any]) -> dict[str, Any]:
  """Returns the options of a function or class, with their defaults.

  Options without a default have `inspect.Parameter.empty`. What flax gives its
  modules, 'name' and 'parent', is no option.
  """
  return {
    p.name: p.default
    for p in _signature(function).parameters.values()
    if p.kind is not p.VAR_KEYWORD and p.name not in ('parent',)
  }


def check(
  function: Callable[..., Any], values: Mapping[str, Any], owner: str
) -> None:
  """Holds options against those that a function takes.

  Raises:
    ValueError: naming each option that it does not take, or lacks, and all
      that it takes; or one whose value is out of its range.
  """
  known = fields(function)
  takes_any = any(
    p.kind is p.VAR_KEYWORD for p in _signature(function).parameters.values()
  )
  unknown = [] if takes_any else sorted(set(values) - set(known))
  missing = [
    name
    for name, default in known.items()
    if default is inspect.Parameter.empty and name not in values
  ]
  _refuse(owner, 'has no field', unknown, known)
  _refuse(owner, 'needs', missing, known)
  hold(values, hints(_unwrapped(function)), owner)


def _unwrapped(function: Callable[..., Any]) -> Callable[..., Any]:
  """Returns what `functools.partial` has wrapped."""
  partial = isinstance(function, functools.partial)
  return function.func if partial else function


def _refuse(
  owner: str, problem: str, names: Iterable[str], known: Iterable[str]
) -> None:
  """Raises ValueError, with the fields there are, if there is a name."""
  if names := tuple(names):
    there = ', '.join(known) or 'none'
    meant = nearest(names[0], known)
    raise ValueError(
      f'{owner} {problem} {", ".join(names)}; its fields are {there}{meant}'
    )


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
