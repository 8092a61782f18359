"""What runs are compared by: a config's plain values, flat.

Names are those of flags: 'optimizer.learning_rate' is set by
`--config.optimizer.learning_rate`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Fields that change no result: of logging, of machines, and of files.
_OF_NO_RESULT = {
  'checkpoint',
  'compile_cache',
  'data',
  'eval_checkpoint',
  'init',
  'input',
  'log_every',
  'mesh',
  'mode',
  'page',
  'sharding',
  'trainable',
  'writers',
}
# Longest text, in characters, that a column of a table holds.
_LONGEST = 40

Value = bool | int | float | str


def of(
  config: Mapping[str, Any], told: Mapping[str, str], **derived: Value
) -> dict[str, Value]:
  """Returns the values that runs are compared by.

  Args:
    config: of the run, complete, as nested dicts.
    told: what its command line says of it: config, arguments, setting.
    **derived: what follows from the config.

  Returns:
    Name -> value. Left out are paths, what is not set, long texts, fields that
    change no result, and arguments that only set a field of their name.
  """
  fields = {k: v for k, v in config.items() if k not in _OF_NO_RESULT}
  leaves = dict(_leaves(fields, ''))
  set_by = {(name.rpartition('.')[2], str(v)) for name, v in leaves.items()}
  more = dict(item for item in told.items() if item not in set_by)
  found = {**more, **derived, **leaves}
  return {name: value for name, value in found.items() if _is_plain(value)}


def _leaves(tree: Any, name: str) -> Iterator[tuple[str, Any]]:
  if isinstance(tree, Mapping):
    for key, value in tree.items():
      yield from _leaves(value, f'{name}.{key}' if name else key)
  elif isinstance(tree, list | tuple):
    if any(isinstance(value, Mapping) for value in tree):
      for i, value in enumerate(tree):
        yield from _leaves(value, f'{name}[{i}]')
    else:
      yield name, ', '.join(map(str, tree))
  else:
    yield name, tree


def _is_plain(value: Any) -> bool:
  if isinstance(value, str):
    return 0 < len(value) <= _LONGEST and '/' not in value
  return isinstance(value, bool | int | float)
