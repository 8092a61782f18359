"""Scores, and the range that a head can say."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vidpetl.data.survey import findings
from vidpetl.data.survey import subject as subject_lib

# Shares of a head's range that scores fill.
_SLIVER, _HALF = 0.1, 0.5


def find(subject: subject_lib.Subject) -> Iterator[findings.Finding]:
  """Looks at the scores of performances."""
  scores = {
    name: _scores(part, subject.recipe) for name, part in subject.parts.items()
  }
  train = scores[subject_lib.TRAIN]
  train = train[np.isfinite(train)]
  if not train.size:
    return
  low, high = train.min(), train.max()
  if low == high:
    text = f'all training scores are {low:g}: there is nothing to learn'
    yield findings.of(findings.WRONG, 'scores_equal', text, [])
    return
  text = f'training scores lie between {low:g} and {high:g}'
  yield findings.of(findings.INFO, 'scores', text, [])
  yield from _unordered(scores.get(subject_lib.VAL))
  limits = subject.recipe.scores if subject.recipe else None
  if limits:
    yield from _sliver(limits, (low, high))
  for name, part in subject.parts.items():
    yield from _outside(name, part, scores[name], limits, (low, high))


def _unordered(val: np.ndarray | None) -> Iterator[findings.Finding]:
  """Scores of a test that have no order."""
  known = np.zeros(0) if val is None else val[np.isfinite(val)]
  if known.size and known.min() == known.max():
    text = (
      f'{findings.plural(known.size, "val score is", "val scores are")} '
      f'{known.min():g}: a rank correlation is not defined'
    )
    yield findings.of(findings.WRONG, 'scores_equal', text, [])


def _scores(part, recipe) -> np.ndarray:
  """Returns the scores that a head says, [n, ...]."""
  judges = recipe is not None and recipe.judges
  table = part.info.table
  return table.get('judge_scores' if judges else 'scores', np.zeros(0))


def _sliver(limits, found) -> Iterator[findings.Finding]:
  share = (found[1] - found[0]) / (limits[1] - limits[0])
  if share < _HALF:
    text = (
      f'training scores fill {findings.percent(share)} of the range of the '
      f'head, {limits[0]:g} to {limits[1]:g}, so its bins are wide: give low= '
      f'and high=, such as low={found[0]:g},high={found[1]:g}'
    )
    level = findings.WRONG if share < _SLIVER else findings.NOTE
    yield findings.of(level, 'scores_fill_little', text, [])


def _outside(name, part, scores, limits, seen) -> Iterator[findings.Finding]:
  """Scores that a head cannot say; in val, those unlike any in training."""
  low, high = limits or seen
  rows = scores.reshape(len(scores), -1)
  beyond = np.flatnonzero(((rows < low) | (rows > high)).any(axis=1))
  if not len(beyond):
    return
  found = [f'{part.ids[i]}: {np.ravel(scores[i])}'.replace('[', '').replace(
    ']', ''
  ) for i in beyond]  # fmt: skip
  text = (
    f'{findings.plural(len(found), f"{name} score lies", f"{name} scores lie")}'
    f' outside of {low:g} to {high:g}, '
    + ('which is all that the head can say' if limits else 'as none in train')
  )
  level = findings.WRONG if limits else findings.NOTE
  yield findings.of(level, 'scores_outside', text, found)
