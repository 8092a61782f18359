"""What trains: an ordered list of (path regex, group).

The first rule that a parameter's path matches names its group. The group
'frozen' gets no gradient and no optimizer state; any other is an entry of
`config.optimizer.groups`. Every parameter must match a rule, so that a typo
cannot freeze or thaw anything silently.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from etils import epy

with epy.lazy_imports():  # Files are read without it.
  import flax

FROZEN = 'frozen'
Rules = Sequence[tuple[str, str]]


def flatten(tree: Any) -> dict[str, Any]:
  """Returns {'a/b/c': leaf}."""
  return flax.traverse_util.flatten_dict(tree, sep='/')


def unflatten(flat: dict[str, Any]) -> dict[str, Any]:
  return flax.traverse_util.unflatten_dict(flat, sep='/')


def groups(params: Any, rules: Rules) -> dict[str, str]:
  """Returns the group of each parameter path.

  Args:
    params: nested dict of arrays or of their shapes.
    rules: (regex searched in 'a/b/c', group), first match wins.

  Raises:
    ValueError: listing the parameters that no rule matches, or rules that
      match no parameter.
  """
  found, used = {}, set()
  for path in flatten(params):
    for number, (pattern, group) in enumerate(rules):
      if re.search(pattern, path):
        found[path] = group
        used.add(number)
        break
  if missing := sorted(set(flatten(params)) - set(found)):
    raise ValueError(
      f'config.trainable has no rule for {missing}; end it with a rule such '
      "as ('.*', 'frozen')."
    )
  shadowed = [
    r for i, r in enumerate(rules) if i not in used and r[0] not in ('.*', '')
  ]
  if shadowed:
    raise ValueError(
      f'config.trainable rules {shadowed} are the first match of no parameter.'
    )
  return found


def partition(params: Any, group_of: dict[str, str]) -> tuple[dict, dict]:
  """Splits nested params into (trained, frozen), each nested again."""
  trained, frozen = {}, {}
  for path, leaf in flatten(params).items():
    (frozen if group_of[path] == FROZEN else trained)[path] = leaf
  return unflatten(trained), unflatten(frozen)


def merge(*trees: Any) -> dict[str, Any]:
  """Joins disjoint nested dicts."""
  flat = {}
  for tree in trees:
    flat |= flatten(tree)
  return unflatten(flat)
