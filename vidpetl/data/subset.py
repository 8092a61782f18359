"""A part of a source: k examples of each class, or a share of all.

Which examples these are depends on their ids and a seed alone: they are the
same on every machine, a larger part holds every smaller one of the same seed,
and a new file moves at most the last ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from vidpetl import ranges
from vidpetl.data import examples, splits

# Options that every source has.
OPTIONS = {'shots': None, 'share': None, 'seed': 0}


def take(
  source: examples.Source,
  shots: ranges.Count | None = None,
  share: ranges.Part | None = None,
  seed: ranges.Natural = 0,
) -> examples.Source:
  """Returns a part of a source.

  Args:
    source: the whole.
    shots: examples of each class. Where an example shows several classes, it
      is taken if one of them has not as many yet.
    share: of the examples of each class, at least one; of all examples, where
      they have no class or several.
    seed: other seeds draw other examples.

  Returns:
    The source itself if neither is given; else its part, in its own order,
    which says in `info.notes` what it is.

  Raises:
    ValueError: if both are given, for a number that is none, and for shots of a
      source without classes.
  """
  if shots is None and share is None:
    return source
  rows = choose(source, shots, share, seed)
  what = f'shots={shots}' if share is None else f'share={share:g}'
  note = (
    f'{len(rows)} of {len(source)} examples of the split {source.info.split!r} '
    f'are used: {what}, seed={seed}'
  )
  part = source.take(rows)
  notes = (*source.info.notes, note, *_scarce(source, shots))
  part.info = dataclasses.replace(part.info, notes=notes)
  return part


def choose(
  source: examples.Source,
  shots: int | None,
  share: float | None,
  seed: int,
) -> np.ndarray:
  """Returns the examples of a part, int [m], ascending; see `take`."""
  if shots is not None and share is not None:
    raise ValueError(f'shots={shots} and share={share}: give one of them')
  order = shuffled(source.ids, seed)
  shown = _classes(source)
  if shots is not None:
    if type(shots) is not int or shots < 1:
      raise ValueError(f'shots={shots!r}: examples of each class, from 1')
    if shown is None:
      raise ValueError(
        f'shots={shots}: {source.info.name} has no classes to take examples '
        'of; share=0.1 takes a tenth of all'
      )
    return _shots(order, shown, shots)
  if not isinstance(share, float | int) or not 0 < share <= 1:
    raise ValueError(f'share={share!r}: a number above 0, up to 1')
  return _share(order, shown, share)


def shuffled(ids: Sequence[str], seed: int) -> np.ndarray:
  """Returns an order of examples that depends on ids and seed, int [n]."""
  words = [splits.digest(f'{seed}/{name}') for name in ids]
  return np.array(sorted(range(len(words)), key=words.__getitem__), np.int64)


def _classes(source: examples.Source) -> list[np.ndarray] | None:
  """Returns the classes of each example, or None where there are none."""
  if not source.info.num_classes:
    return None
  rows, classes = source.shown()
  ends = np.searchsorted(rows, np.arange(1, len(source)))
  return [np.unique(shown) for shown in np.split(classes, ends)]


def _shots(
  order: np.ndarray, shown: list[np.ndarray], shots: int
) -> np.ndarray:
  counts: dict[int, int] = {}
  taken = []
  for i in order.tolist():
    classes = shown[i].tolist()
    if any(counts.get(c, 0) < shots for c in classes):
      taken.append(i)
      for c in classes:
        counts[c] = counts.get(c, 0) + 1
  return np.sort(np.array(taken, np.int64))


def _share(
  order: np.ndarray, shown: list[np.ndarray] | None, share: float
) -> np.ndarray:
  groups = np.zeros(len(order), np.int64)
  if shown is not None and all(len(classes) == 1 for classes in shown):
    groups = np.concatenate(shown)
  taken = []
  for group in np.unique(groups):
    members = order[groups[order] == group]
    taken.append(members[: max(1, round(share * len(members)))])
  return np.sort(np.concatenate(taken))


def _scarce(source: examples.Source, shots: int | None) -> list[str]:
  """Returns a note on classes that have fewer examples than are wanted."""
  if shots is None:
    return []
  _, classes = source.shown()
  counts = np.bincount(classes, minlength=source.info.num_classes)
  scarce = [
    f'{source.info.classes.get(c, c)} {counts[c]}'
    for c in np.flatnonzero(counts < shots).tolist()
    if counts[c]
  ]
  if not scarce:
    return []
  more = f' and {len(scarce) - 5} more' if len(scarce) > 5 else ''
  return [
    f'classes with fewer than shots={shots} examples: '
    f'{", ".join(scarce[:5])}{more}'
  ]
