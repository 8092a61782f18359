"""What an evaluation says of each example, as columns; and how it gets there.

A column is any iterable of cells, so that millions of rows need not be there at
once. Cells are numbers of Python or numpy, or texts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

# Classes that a csv file lists of each example; the arrays hold them all.
BEST = 5
_BETWEEN = '; '  # classes of one cell

Columns = Mapping[str, Iterable[Any]]


@dataclasses.dataclass(frozen=True)
class Predictions:
  """What is left of an evaluation.

  Attributes:
    columns: of a csv file, by name, all of one length.
    more: columns of further files, by what their names end in: 'votes'.
    arrays: what is too much for a table, by name.
    header: whether csv files begin with the names of their columns; those that
      AVA's evaluators read do not.
  """

  columns: Columns
  more: Mapping[str, Columns] = dataclasses.field(default_factory=dict)
  arrays: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
  header: bool = True


class Rows:
  """What came back of each example, gathered over an evaluation.

  Batches come in any order, from any host; columns are in that of the source.
  """

  def __init__(self):
    self._parts: list[Mapping[str, np.ndarray]] = []

  def add(self, rows: Mapping[str, np.ndarray]) -> None:
    """Adds arrays [n, ...] of n examples, with their 'index' in the source."""
    self._parts.append(rows)

  def __bool__(self) -> bool:
    return bool(self._parts)

  def names(self) -> tuple[str, ...]:
    """Returns what its columns are called."""
    return tuple(self._parts[0]) if self._parts else ()

  def __getitem__(self, name: str) -> np.ndarray:
    """Returns a column [n, ...]."""
    order = np.argsort(self._concatenated('index'), kind='stable')
    return self._concatenated(name)[order]

  def _concatenated(self, name: str) -> np.ndarray:
    return np.concatenate([np.asarray(part[name]) for part in self._parts])

  def ids(self, source: Sequence[Any]) -> list[str]:
    """Returns the examples' ids."""
    if not self:
      return []
    return [source[i].id for i in self['index'].tolist()]


def name_of(classes: Mapping[int, str], i: int) -> str:
  """Returns what class `i` is called, whether it has a name or not."""
  return classes.get(i, f'class {i}')


def named(classes: Mapping[int, str], count: int) -> list[str]:
  """Returns the names of `count` classes, in order."""
  return [name_of(classes, i) for i in range(count)]


def several(names: Iterable[str]) -> str:
  """Returns the names of any number of classes in one cell."""
  return _BETWEEN.join(names)


def best(
  scores: np.ndarray, shown: np.ndarray, names: Sequence[str]
) -> dict[str, Iterable[Any]]:
  """Returns columns top1, score1, top2, … of the best classes.

  Args:
    scores: [n, c], by which classes are ranked; of equal ones the class with
      the smaller index comes first, as in `accuracy.TopK`.
    shown: [n, c], what stands beside the classes.
    names: of the c classes.
  """
  order = np.argsort(-scores, axis=1, kind='stable')[:, :BEST]
  columns: dict[str, Iterable[Any]] = {}
  for place, picked in enumerate(order.T, 1):
    columns[f'top{place}'] = [names[i] for i in picked]
    columns[f'score{place}'] = shown[np.arange(len(shown)), picked]
  return columns
