"""Typed arguments of a config file: `--config=configs/x.py:demo,variant=L`.

A backslash before a comma makes it a part of a value: `data=before\\, after`.
`~/` is the home folder, which a shell knows only where a word begins with it.
"""

from __future__ import annotations

import os
import re
from typing import Any

import ml_collections
from etils import epath

from vidpetl import options

_BOOLEANS = {'true': True, '1': True, 'false': False, '0': False}


def parse(argument: str | None, **defaults: Any) -> ml_collections.ConfigDict:
  """Parses 'key=value,flag,...' by the types of the defaults.

  Args:
    argument: what stands behind the colon of `--config=file.py:argument`;
      a bare name sets a boolean to True.
    **defaults: every allowed argument with its default: bool, int, float, str
      or a tuple of these (given as 'a+b'); in a tuple of tuples, the inner ones
      are given as '3x1x1'. A float whose name ends in 'scale' may be the
      word 'learned'.

  Returns:
    A locked ConfigDict with one field per default.

  Raises:
    ValueError: for an unknown argument or a value of another type.
  """
  result = dict(defaults)
  for item in _items(argument):
    key, has_value, value = item.partition('=')
    if key not in defaults:
      raise ValueError(
        f'Unknown config argument {key!r} (a comma that is part of a value '
        'is written \\,); there are: '
        + ', '.join(f'{k}={v!r}' for k, v in defaults.items())
        + options.nearest(key, defaults)
      )
    result[key] = _convert(key, value if has_value else 'true', defaults[key])
  return ml_collections.ConfigDict(result).lock()


def value(argument: str | None, key: str, default: str) -> str:
  """Returns one argument, for configs whose other arguments depend on it."""
  return texts(argument).get(key, default)


def texts(argument: str | None) -> dict[str, str]:
  """Returns all arguments as they are given; '' for one without a value."""
  items = (item.partition('=') for item in _items(argument))
  return {name: text for name, _, text in items}


def _items(argument: str | None) -> list[str]:
  """Returns what stands between commas that no backslash precedes."""
  items = re.split(r'(?<!\\),', argument or '')
  return [item.replace('\\,', ',') for item in items if item]


def _convert(key: str, text: str, default: Any, between: str = '+x') -> Any:
  if isinstance(default, tuple):
    like, items = (*default, '')[0], filter(None, text.split(between[0]))
    return tuple(_convert(key, item, like, between[1:]) for item in items)
  if isinstance(default, str):
    if not text.startswith('~/'):
      return text
    return os.fspath(epath.Path(text).expanduser())
  # Factors of techniques: `vidpetl.petl.scales`.
  may_be_learned = isinstance(default, float) and key.endswith('scale')
  if may_be_learned and text == 'learned':
    return text
  try:
    if isinstance(default, bool):
      return _BOOLEANS[text.lower()]
    return type(default)(text)
  except (KeyError, ValueError):
    kind = type(default).__name__ + " or 'learned'" * may_be_learned
    raise ValueError(
      f'Config argument {key}={text!r} is not a {kind} (default {default!r}).'
    ) from None
