"""Fields of a config from the command line: --config.optimizer.learning_rate=1.

A field may be one that the config file does not mention: it is completed first
(see `complete`). What is set may bring further fields along, such as those of
another sampling, which may then be set as well. A field of the config itself
that others refer to, as sources do to `data`, moves them along.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Mapping
from typing import Any

import ml_collections
from absl import flags

from vidpetl.experiment import complete as complete_lib
from vidpetl.recipes import config_flag

ConfigDict = ml_collections.ConfigDict

_BOOLEANS = {'true': True, '1': True, 'false': False, '0': False}


def from_flags() -> ConfigDict:
  """Returns the config of the command line, with its fields replaced.

  Raises:
    ValueError: as `configure` does.
  """
  return configure(flags.FLAGS['config'].loaded, config_flag.fields())


def configure(config: ConfigDict, fields: Mapping[str, Any]) -> ConfigDict:
  """Returns a completed config with fields replaced.

  Args:
    config: of a config file.
    fields: path, e.g. 'tasks.ava.clip.frames' or 'petl[0].rank' -> value, or
      the text of one.

  Raises:
    ValueError: naming a field that there is not, with those there are; a value
      of another type; `data` where no source refers to it.
  """
  given = _resolved(config, fields)
  waiting = dict(fields)
  while waiting:
    whole = complete_lib.complete(given).to_dict()
    known = {p: v for p, v in waiting.items() if _has(whole, p)}
    if not known:
      path = next(iter(waiting))
      raise ValueError(_nowhere(whole, path))
    for path, value in known.items():
      now = _get(whole, path)
      if isinstance(value, str):
        value = convert(f'config.{path}', value, now)
      _set(given, path, value)
      del waiting[path]
  return complete_lib.complete(given)


def _resolved(config: ConfigDict, fields: Mapping[str, Any]) -> dict[str, Any]:
  """Returns a config as nested dicts, with what refers to `fields` moved."""
  before = config.copy_and_resolve_references().to_dict()
  moved = copy.deepcopy(config)
  for path in fields.keys() & before.keys():
    value, now = fields[path], before[path]
    if isinstance(value, str):
      value = convert(f'config.{path}', value, now)
    if not isinstance(now, dict):
      with moved.ignore_type(), moved.unlocked():
        moved[path] = value
  after = moved.copy_and_resolve_references().to_dict()
  if _differ(before, after) == ['data']:
    raise ValueError(
      f'config.data={after["data"]!r} would do nothing: no source of this '
      "config refers to it. Set a source's own field, such as "
      "config.tasks.<task>.train.path, or the config's argument (data=, raw=, "
      'prepared=).'
    )
  return after


def _differ(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
  """Returns the fields of which two configs have other values."""
  return [name for name, value in one.items() if value != other[name]]


def convert(name: str, text: str, now: Any) -> Any:
  """Returns the value that a text means for a field.

  Args:
    name: of the field, for the error.
    text: of the command line.
    now: value of the field, whose type the new one has. Any but a dict may
      also be None, to which its hint holds it.

  Raises:
    ValueError: if the text is no such value.
  """
  if text == 'None' and not isinstance(now, dict):
    return None
  if isinstance(now, str):
    return text
  try:
    if isinstance(now, bool):
      # Some may also be a number or a word, to which their hints hold them.
      return _BOOLEANS.get(text.lower(), _literal(text))
    if isinstance(now, int | float):
      return type(now)(text)
    value = _literal(text)
    if isinstance(now, tuple | list):
      return tuple(value) if isinstance(value, tuple | list) else (value,)
    if isinstance(now, dict) and not isinstance(value, dict):
      raise ValueError
    return value
  except (ValueError, KeyError):
    kind = 'dict' if isinstance(now, dict) else type(now).__name__
    raise ValueError(f'{name}={text!r} is not a {kind}, as {now!r} is.') from (
      None
    )


def _literal(text: str) -> Any:
  """Returns what Python makes of a text; the text itself if it is a word."""
  try:
    return ast.literal_eval(text)
  except (ValueError, SyntaxError):
    return text


def _keys(path: str) -> list[str | int]:
  """Returns 'petl[0].rank' as ['petl', 0, 'rank']."""
  keys: list[str | int] = []
  for name, number in re.findall(r'([^.\[\]]+)|\[(\d+)\]', path):
    keys.append(name if name else int(number))
  return keys


def _has(tree: Any, path: str) -> bool:
  try:
    _get(tree, path)
  except (KeyError, IndexError, TypeError):
    # Names of groups and weights are one's own.
    return path.startswith('mixture.weights.')
  return True


def _get(tree: Any, path: str) -> Any:
  for key in _keys(path):
    if path.startswith('mixture.weights.') and key not in tree:
      return 1.0
    tree = tree[key]
  return tree


def _set(tree: Any, path: str, value: Any) -> None:
  """Sets a field of nested dicts and tuples, in place."""
  *way, last = _keys(path)
  for i, key in enumerate(way):
    following = (*way, last)[i + 1]
    below = tree.get(key) if isinstance(tree, dict) else tree[key]
    if isinstance(following, int):
      below = [dict(entry) for entry in below]
    elif below is None or not isinstance(below, dict):
      below = {}
    tree[key] = below
    tree = below
  tree[last] = value


def _nowhere(tree: Any, path: str) -> str:
  """Returns the error for a path that leads nowhere."""
  owner = 'config'
  for key in _keys(path):
    if isinstance(tree, dict) and key in tree:
      tree, owner = tree[key], f'{owner}.{key}'
    elif isinstance(tree, tuple | list) and isinstance(key, int):
      if key >= len(tree):
        return f'{owner} has {len(tree)} entries; there is no [{key}].'
      tree, owner = tree[key], f'{owner}[{key}]'
    elif isinstance(tree, dict):
      return complete_lib.unknown(owner, str(key), tree)
    else:
      return f'{owner} is {tree!r}, and has no field {key!r}.'
  raise AssertionError(path)
