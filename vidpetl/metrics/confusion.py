"""What is taken for what: counts of classes, recall and precision of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def counts(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
  """Returns how many examples of each class are taken for each, int [c, c].

  Args:
    labels: int [n].
    scores: [n, c]; the class with the highest is what an example is taken for,
      of equal ones that with the smaller index. An example with a score that
      is nan is taken for nothing, and not counted.

  Returns:
    Rows are true classes, columns those that they are taken for.
  """
  c = scores.shape[1]
  known = ~np.isnan(scores).any(axis=1)
  taken = scores[known].argmax(axis=1)
  pairs = labels[known].astype(np.int64) * c + taken
  return np.bincount(pairs, minlength=c * c).reshape(c, c)


def per_class(
  found: np.ndarray, truth: np.ndarray, names: Sequence[str]
) -> list[dict[str, Any]]:
  """Returns what is known of each class.

  Args:
    found: counts [c, c].
    truth: examples of each class, [c].
    names: of the c classes.

  Returns:
    Rows of 'index', 'class', 'truth', 'predicted', the number of what is taken
    for it, 'recall', the share of it that is found, and 'precision', the share
    of what is taken for it that is right; nan where there is none.
  """
  right, predicted = found.diagonal(), found.sum(0)
  return [
    {
      'index': i,
      'class': name,
      'truth': int(truth[i]),
      'predicted': int(predicted[i]),
      'recall': _share(right[i], truth[i]),
      'precision': _share(right[i], predicted[i]),
    }
    for i, name in enumerate(names)
  ]


def most_confused(found: np.ndarray, count: int) -> np.ndarray:
  """Returns the classes that are in the most frequent confusions, int [k].

  Args:
    found: counts [c, c].
    count: of classes; the pairs with the most examples decide, and of equal
      ones those with the smaller indices.

  Returns:
    At most `count` classes, in their order; fewer if no others are confused.
  """
  wrong = found * (1 - np.eye(len(found), dtype=found.dtype))
  order = np.argsort(-wrong, axis=None, kind='stable')
  chosen: dict[int, None] = {}
  for place in order:
    row, column = divmod(int(place), len(found))
    new = {row, column} - chosen.keys()
    if not wrong[row, column] or len(chosen) + len(new) > count:
      break
    chosen |= dict.fromkeys(new)
  return np.array(sorted(chosen), int)


def _share(part: int, whole: int) -> float:
  return float(part / whole) if whole else float('nan')
