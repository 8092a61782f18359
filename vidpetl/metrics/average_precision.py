"""Average precision of a class over examples."""

from __future__ import annotations

import numpy as np


def average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
  """Returns AP = sum_n (R_n - R_{n-1}) P_n.

  P_n and R_n are precision and recall at the n-th threshold, the scores in
  descending order; examples of equal score pass together. This is
  scikit-learn's `average_precision_score`, without interpolation.

  Args:
    scores: float [n].
    truth: bool [n].

  Returns:
    In [0, 1]; nan if nothing is true.

  Raises:
    ValueError: for a score that is nan.
  """
  scores, truth = np.asarray(scores), np.asarray(truth, bool)
  if np.isnan(scores).any():
    raise ValueError('average precision needs scores that are numbers, not nan')
  if not truth.any():
    return float('nan')
  order = np.argsort(-scores, kind='stable')
  passed = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
  right = np.cumsum(truth[order])[passed]
  precision = right / (passed + 1)
  return float((np.diff(right, prepend=0) * precision).sum() / truth.sum())
