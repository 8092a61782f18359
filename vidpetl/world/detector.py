"""A made-up person detector with plausible faults.

It misses some people, is a little off, now and then far off, and sees people
where there are none, mostly with low scores.
"""

from __future__ import annotations

import numpy as np

MISS_RATE = 0.06
# Standard deviation of an edge's error as a share of the box's side: of most
# boxes, and of the badly localised ones.
_ERROR, _BAD_ERROR, _BAD_SHARE = 0.011, 0.05, 0.05
# False positives per frame, and the share of them with a high score.
FALSE_RATE, _CONFIDENT_SHARE = 0.4, 0.06


def detect(
  rng: np.random.Generator, boxes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Detects people in a frame.

  Args:
    rng: of all faults.
    boxes: [n, 4] true boxes, x1, y1, x2, y2 as fractions of the frame.

  Returns:
    boxes: [m, 4], rounded to the three decimals of the files.
    scores: [m] in (0, 1), in falling order.
  """
  found = boxes[rng.uniform(size=len(boxes)) >= MISS_RATE]
  bad = rng.uniform(size=(len(found), 1)) < _BAD_SHARE
  error = np.where(bad, _BAD_ERROR, _ERROR)
  sides = np.tile(found[:, 2:] - found[:, :2], 2)
  found = found + sides * error * rng.normal(size=found.shape)
  scores = 1 - 0.2 * rng.beta(1, 4, len(found)) - 0.1 * bad[:, 0]
  false, false_scores = _phantoms(rng)
  detected = np.clip(np.concatenate([found, false]), 0, 1).round(3)
  scores = np.concatenate([scores, false_scores])
  order = np.argsort(-scores, kind='stable')
  return detected[order], scores[order]


def _phantoms(
  rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
  """People who are not there, as boxes [m, 4] and scores [m]."""
  count = rng.poisson(FALSE_RATE)
  size = rng.uniform([0.08, 0.2], [0.25, 0.7], (count, 2))
  corner = rng.uniform(size=(count, 2)) * (1 - size)
  confident = rng.uniform(size=count) < _CONFIDENT_SHARE
  scores = np.where(
    confident,
    rng.uniform(0.8, 0.95, count),
    rng.uniform(0.05, 0.6, count),
  )
  return np.concatenate([corner, corner + size], -1), scores


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  """Intersection over union of boxes [n, 4] and [m, 4], as [n, m]."""
  low = np.maximum(a[:, None, :2], b[None, :, :2])
  high = np.minimum(a[:, None, 2:], b[None, :, 2:])
  overlap = np.maximum(high - low, 0).prod(-1)
  area_a = (a[:, 2:] - a[:, :2]).prod(-1)
  area_b = (b[:, 2:] - b[:, :2]).prod(-1)
  return overlap / (area_a[:, None] + area_b[None] - overlap)
