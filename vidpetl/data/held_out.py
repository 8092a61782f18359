"""Training examples that are held out, to choose by them instead of the test.

Which they are depends on ids alone: they are the same on every machine and for
every seed. Clips of one film stay together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence

import numpy as np

from vidpetl.data import examples, splits


def split(
  source: examples.Source, share: float
) -> tuple[examples.Source, examples.Source]:
  """Returns the part to train on, and the part that is held out.

  Args:
    source: of training.
    share: of the films of each class; of all films, where examples have no
      class or several.

  Raises:
    ValueError: for a share that is none, or that leaves nothing in a part.
  """
  if not 0 < share < 1:
    raise ValueError(f'config.validation={share} is not in [0, 1)')
  films = _films(source)
  inside = splits.by_share(films, _groups(source, films), share)
  if inside.all() or not inside.any():
    raise ValueError(
      f'config.validation={share:g} of {source.info.name}/{source.info.split} '
      f'leaves {(~inside).sum()} of its {len(source)} examples to train on, '
      f'and {inside.sum()} to choose by; they are of '
      f'{len(set(films))} films, which stay whole.'
    )
  train, held = (source.take(np.flatnonzero(p)) for p in (~inside, inside))
  note = (
    f'{len(held)} of {len(source)} examples of the split {source.info.split!r} '
    f'are held out: validation={share:g}'
  )
  train.info = dataclasses.replace(train.info, notes=(*train.info.notes, note))
  name = f'{held.info.split} (held out)'
  held.info = dataclasses.replace(held.info, split=name)
  return train, held


def _films(source: examples.Source) -> list[str]:
  """Returns what names each example's film: the first id of those of it."""
  keys = _places(source)
  first: dict[Hashable, str] = {}
  for key, name in zip(keys, source.ids, strict=True):
    first[key] = min(name, first.get(key, name))
  return [first[key] for key in keys]


def _places(source: examples.Source) -> Sequence[Hashable]:
  """Returns something for each example that those of its film share."""
  if hasattr(source, 'table'):  # Keyframes.
    return list(source.table.video_ids)
  if isinstance(source.video(0), str):
    return [source.video(i) for i in range(len(source))]
  return list(source.ids)


def _groups(source: examples.Source, films: Sequence[str]) -> list[int]:
  """Returns the class of each example's film, 0 where there is no such."""
  groups = dict.fromkeys(films, 0)
  rows, classes = source.shown() if source.info.num_classes else ([], [])
  if len(rows) == len(source) and np.array_equal(rows, np.arange(len(rows))):
    # The class of the first example of a film.
    groups = dict(zip(reversed(films), reversed(classes.tolist())))
  return [groups[film] for film in films]
