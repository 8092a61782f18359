"""What a file of weights holds, whoever wrote it: nested dicts, with leaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from vidpetl.weights.errors import WeightsError


@dataclasses.dataclass(frozen=True)
class Unread:
  """An array whose numbers are of a type that is not read.

  Attributes:
    dtype: as its file calls it.
    shape: of the array.
  """

  dtype: str
  shape: tuple[int, ...]


# An array, or what stands for one.
Leaf = np.ndarray | Unread


def nest(flat: Mapping[str, Any], separator: str) -> dict[str, Any]:
  """Returns nested dicts of names that have separators.

  Raises:
    WeightsError: if a name is another's folder.
  """
  tree = {}
  for name, value in flat.items():
    *folders, last = name.split(separator)
    place = tree
    for folder in folders:
      place = place.setdefault(folder, {})
      if not isinstance(place, dict):
        raise WeightsError(f'{folder!r} of {name!r} is an array as well')
    if last in place:
      raise WeightsError(f'{name!r} is the name of two things')
    place[last] = value
  return tree


def leaves(tree: Any) -> dict[str, Any]:
  """Returns what is no dict or list, by 'a/b/name'.

  Entries of lists are called by their number. A dict or list that is met again,
  as in a circle, is not entered again.

  Raises:
    WeightsError: if two arrays have the same name.
  """
  found, seen = {}, set()

  def walk(value: Any, name: str) -> None:
    inside = _items(value)
    if inside is None:
      if name in found and (is_array(value) or is_array(found[name])):
        raise WeightsError(f'two arrays are called {name!r}')
      found[name] = value
    elif id(value) not in seen:
      seen.add(id(value))
      for key, item in inside:
        walk(item, f'{name}/{key}' if name else str(key))

  walk(tree, '')
  return found


def is_array(value: Any) -> bool:
  """Whether a leaf is an array or a number of numpy's, or stands for one."""
  return isinstance(value, (np.ndarray, np.generic, Unread))


def _items(value: Any) -> list[tuple[Any, Any]] | None:
  if isinstance(value, Mapping):
    return list(value.items())
  if isinstance(value, (list, tuple)):
    return list(enumerate(value))
  return None
