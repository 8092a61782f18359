"""How well predicted scores agree with judges': by rank, and by distance."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import scipy.stats

# A perfect correlation has an infinite z; one closer to 1 than this counts as
# if it were this far from it (z = 7.25).
_NEAREST = 1e-6


def spearman(predicted: np.ndarray, true: np.ndarray) -> float:
  """Returns Spearman's rank correlation rho, in [-1, 1].

      rho = sum (p - p') (q - q') / sqrt(sum (p - p')^2 sum (q - q')^2)

  over the ranks p and q, whose means are p' and q'. Equal scores share the
  mean of the ranks that they take up.

  Args:
    predicted: [n].
    true: [n].

  Returns:
    rho, or nan where it is not defined; `undefined` says why.
  """
  if undefined(predicted, true):
    return float('nan')
  return float(scipy.stats.spearmanr(predicted, true).statistic)


def undefined(predicted: np.ndarray, true: np.ndarray) -> str:
  """Returns why two lists of scores have no rank correlation, '' if they do."""
  if len(predicted) < 2:
    return f'{len(predicted)} scores have no order'
  for name, values in (('predicted', predicted), ('true', true)):
    if not np.isfinite(values).all():
      return f'some {name} scores are not finite'
    if np.ptp(values) == 0:
      return f'all {name} scores are the same'
  return ''


def fisher_z(correlations: Iterable[float]) -> float:
  """Returns the average of correlations, tanh(mean(atanh r)).

  One of 1 or -1, whose z is infinite, counts as if it were 1e-6 nearer to 0.
  The average of one that is nan, or of none, is nan.
  """
  r = np.array(list(correlations), np.float64)
  if not r.size:
    return float('nan')
  r = np.clip(r, _NEAREST - 1, 1 - _NEAREST)
  return float(np.tanh(np.arctanh(r).mean()))


def l2(predicted: np.ndarray, true: np.ndarray) -> float:
  """Returns mean((p - t)^2), in squared units of the scores."""
  return float(np.mean(np.subtract(predicted, true, dtype=np.float64) ** 2))


def relative_l2(predicted: np.ndarray, true: np.ndarray) -> float:
  """Returns R-l2 = mean(((p - t) / (max t - min t))^2) (Yu et al. 2021).

  Papers print it times 100. It is nan if all true scores are the same.
  """
  extent = float(np.ptp(true))
  return l2(predicted, true) / extent**2 if extent else float('nan')
