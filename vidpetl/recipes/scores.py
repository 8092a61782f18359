"""What a quality head takes from the scores of one's own performances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vidpetl import mistakes
from vidpetl.data import sources

# Of the training scores' range, on both sides: a test score may lie outside.
MARGIN = 0.1
_AWAY = 0.1  # of a score, which is more than rounding

Table = Mapping[str, np.ndarray]


def table(source: Mapping[str, Any]) -> Table:
  """Returns the labels of a source of performances, as columns."""
  return sources.open_source(source).info.table


def span(values: np.ndarray) -> tuple[float, float]:
  """Returns a range in which scores and those to come are.

  Args:
    values: scores of the training data, of any shape; nan is unknown.

  Raises:
    ValueError: if all of them are the same.
  """
  low, high = float(np.nanmin(values)), float(np.nanmax(values))
  if low == high:
    raise ValueError(
      f'all scores of the training data are {low:g}: there is nothing to learn'
    )
  margin = MARGIN * (high - low)
  return low - margin, high + margin


def of_head(head: str, usual: Mapping[str, Any], own: Table) -> dict[str, Any]:
  """Returns a head's options for one's own performances.

  Args:
    head: 'usdl', 'musdl', 'core' or 'tsa'.
    usual: its options for a public dataset, which stay where they can.
    own: labels of the training data.

  Raises:
    ValueError: for 'musdl' without scores of judges.
  """
  options = dict(usual)
  if head == 'usdl':
    options['low'], options['high'] = span(own['scores'])
  elif head == 'musdl':
    judges = own['judge_scores'].shape[1]
    if not judges:
      raise ValueError('head=musdl needs the columns judge_1, judge_2, …')
    options['low'], options['high'] = span(own['judge_scores'])
    if judges != options.get('judges'):
      options.update(judges=judges, keep=0)
    options['difficulty'] = has_difficulties(own)
    _note_other_sums(own, options.get('keep', 0), options['difficulty'])
  elif head == 'core':
    known = has_difficulties(own) and options.get('divide_by_difficulty', False)
    labels = own['scores'] / own['difficulties'] if known else own['scores']
    low, high = span(labels)
    options.update(divide_by_difficulty=known, score_range=high - low)
  return options


def _note_other_sums(own: Table, keep: int, difficulty: bool) -> None:
  """Tells of scores that are not what MUSDL makes of the judges'."""
  judged = np.sort(own['judge_scores'], axis=1)
  out = (judged.shape[1] - keep) // 2 if keep else 0
  total = judged[:, out : judged.shape[1] - out].sum(1)
  if difficulty:
    total = total * own['difficulties']
  away = np.abs(total - own['scores']) / np.abs(total)
  if np.isfinite(away).any() and np.nanmedian(away) > _AWAY:
    mistakes.note(
      "The column score is not the sum of the judges' scores"
      f'{" times the difficulty" * difficulty}, which is predicted: ranks '
      'are comparable, distances (l2) are not.'
    )


def exemplar(usual: str, own: Table) -> str:
  """Returns what a performance and its exemplar have in common.

  Args:
    usual: for a public dataset: 'difficulty', 'action' or 'any'.
    own: labels of the training data.

  Returns:
    `usual`, or 'any' where a performance has no other of its kind.
  """
  if usual == 'difficulty' and has_difficulties(own):
    kinds = own['difficulties']
  elif usual == 'action' and all(own['actions']):
    kinds = own['actions']
  else:
    return 'any'
  _, counts = np.unique(np.asarray(kinds, str), return_counts=True)
  return usual if counts.min() > 1 else 'any'


def has_difficulties(own: Table) -> bool:
  """Returns whether the difficulty of each performance is known."""
  return bool(np.isfinite(own['difficulties']).all())
