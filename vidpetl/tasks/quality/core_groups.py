"""Groups of score differences: the leaves of CoRe's tree (Yu et al. 2021).

Positive differences fall into half of the leaves, between edges
0 = e_0 <= e_1 <= … <= e_n = reach such that each interval holds as many of the
training data's; negative ones into their mirror images. Leaves are ordered from
[-reach, -e_(n-1)] to [e_(n-1), reach].
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import jax
import jax.numpy as jnp
import numpy as np


def differences(labels: np.ndarray, kinds: Sequence[Hashable]) -> np.ndarray:
  """Returns |y_i - y_j| of all pairs i < j of one kind, float64 [pairs].

  Args:
    labels: y [n].
    kinds: [n], what the two of a pair have in common.
  """
  labels = np.asarray(labels, np.float64)
  _, kind = np.unique(np.asarray(kinds), return_inverse=True)
  parts = [np.zeros(0)]
  for number in range(kind.max(initial=-1) + 1):
    own = labels[kind == number]
    i, j = np.triu_indices(len(own), 1)
    parts.append(np.abs(own[i] - own[j]))
  return np.concatenate(parts)


def edges(found: np.ndarray, intervals: int, reach: float) -> tuple[float, ...]:
  """Returns the n + 1 edges of n positive intervals.

  e_i is number floor(i (m - 1) / n) of the m differences in order, counted
  from 0, so that the intervals hold as many each; but e_0 = 0 and e_n = reach.
  Where many differences are equal, intervals may be empty: [a, a).

  Args:
    found: m differences, at least one.
    intervals: n.
    reach: more than any difference.
  """
  found = np.sort(found)
  at = np.arange(1, intervals) * (len(found) - 1) // intervals
  return (0.0, *(float(found[i]) for i in at), float(reach))


def leaf(difference: jax.Array, edge: Sequence[float]) -> jax.Array:
  """Returns the leaf of each difference, int32 [...].

  One >= 0 belongs to [l, r), one < 0 to (l, r]. One that is out of reach, which
  those of the training data are not, to the outermost leaf of its sign.
  """
  n = len(edge) - 1
  bins = jnp.searchsorted(jnp.array(edge), jnp.abs(difference), side='right')
  place = jnp.clip(bins - 1, 0, n - 1)
  return jnp.where(difference >= 0, n + place, n - 1 - place)


def bounds(edge: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
  """Returns l and r of each leaf, float32 [leaves] both."""
  edge = np.asarray(edge, np.float32)
  left = np.concatenate([-edge[:0:-1], edge[:-1]])
  right = np.concatenate([-edge[-2::-1], edge[1:]])
  return left, right


def places(difference: jax.Array, edge: Sequence[float]) -> jax.Array:
  """Returns (y - l) / (r - l) for every leaf: [...] -> [..., leaves].

  It is in [0, 1] in the leaf that the difference belongs to. Leaves without
  extent hold none.
  """
  left, right = bounds(edge)
  width = np.where(right > left, right - left, 1.0)
  return (difference[..., None] - left) / width
