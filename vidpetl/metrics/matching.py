"""Which detections are right: overlap, the cap of an image, and claims.

Ties are resolved as `vidpetl.metrics.frame_map` says, so that the outcome does
not depend on the order of the rows.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from vidpetl.metrics import columns

IOU_THRESHOLD = 0.5


@dataclasses.dataclass(frozen=True)
class Truth:
  """Ground truth under evaluation, in the order in which ties are resolved."""

  image: np.ndarray
  boxes: np.ndarray
  class_id: np.ndarray


def pairwise_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  """Intersection over union of boxes x1, y1, x2, y2, [n, 4] with [n, 4]."""
  low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
  width, height = np.maximum(high - low, 0.0).T
  intersection = height * width
  area_a, area_b = (
    (box[:, 3] - box[:, 1]) * (box[:, 2] - box[:, 0]) for box in (a, b)
  )
  return intersection / (area_a + area_b - intersection)


def within_cap(
  rows: columns.Rows, boxes: np.ndarray, cap: int | None
) -> np.ndarray:
  """Returns which rows (bool [n]) are among the best `cap` of their image."""
  if cap is None or len(rows) == 0:
    return np.ones(len(rows), bool)
  least, torn = _last_within(rows, cap)
  own = least[rows.image]
  keep = rows.score >= own
  if not torn.any():
    return keep
  tied = np.flatnonzero(torn[rows.image] & (rows.score == own))
  better = rows.image[rows.score > own]
  places = cap - np.bincount(better, minlength=len(least))
  keep[tied] = False
  x1, y1, x2, y2 = -boxes[rows.box[tied]].T
  tied = tied[
    np.lexsort((x2, y2, x1, y1, -rows.class_id[tied], rows.image[tied]))
  ]
  counts = np.bincount(rows.image[tied], minlength=len(least))
  rank = np.arange(len(tied)) - (np.cumsum(counts) - counts)[rows.image[tied]]
  keep[tied[rank < places[rows.image[tied]]]] = True
  return keep


def _last_within(rows: columns.Rows, cap: int) -> tuple[np.ndarray, np.ndarray]:
  """Returns the lowest score that counts, and whether others tie with it.

  Images of equally many rows are selected from together, without sorting.

  Args:
    rows: in any order.
    cap: that count per image.

  Returns:
    float [images], -inf if all rows count; bool [images].
  """
  image, score = rows.image, rows.score
  if (image[1:] < image[:-1]).any():
    order = np.argsort(image, kind='stable')
    image, score = image[order], score[order]
  counts = np.bincount(image)
  starts = np.cumsum(counts) - counts
  least = np.full(len(counts), -np.inf, score.dtype)
  torn = np.zeros(len(counts), bool)
  for count in np.unique(counts[counts > cap]):
    of = np.flatnonzero(counts == count)
    own = score[starts[of, None] + np.arange(count)]
    own.partition((count - cap - 1, count - cap), axis=1)
    least[of] = own[:, count - cap]
    torn[of] = own[:, count - cap - 1] == least[of]
  return least, torn


def match(
  rows: columns.Rows, boxes: np.ndarray, truth: Truth, by_score: bool
) -> np.ndarray:
  """Returns which rows (bool [n]) are true positives."""
  right = np.zeros(len(rows), bool)
  if len(rows) == 0 or len(truth.image) == 0:
    return right
  stride = int(max(truth.class_id.max(), rows.class_id.max())) + 1
  keys, first, count = np.unique(
    truth.image.astype(np.int64) * stride + truth.class_id,
    return_index=True,
    return_counts=True,
  )
  wanted = rows.image.astype(np.int64) * stride + rows.class_id
  slot = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
  row = np.flatnonzero(keys[slot] == wanted)
  if len(row) == 0:
    return right
  slot = slot[row]
  # One pair per detection and ground truth of its image and class.
  count = count[slot]
  begin = np.cumsum(count) - count
  pair_truth = np.arange(count.sum()) + np.repeat(first[slot] - begin, count)
  pair_row = np.repeat(np.arange(len(row)), count)
  iou = pairwise_iou(boxes[rows.box[row[pair_row]]], truth.boxes[pair_truth])
  best = np.maximum.reduceat(iou, begin)
  at_best = np.flatnonzero(iou == best[pair_row])
  _, leading = np.unique(pair_row[at_best], return_index=True)
  claimed = pair_truth[at_best[leading]]
  claims = best >= IOU_THRESHOLD
  row, claimed = row[claims], claimed[claims]
  # `row` rises, and lexsort is stable: what is left is the order of listing.
  keys = (-rows.score[row], claimed) if by_score else (claimed,)
  order = np.lexsort(keys)
  winner = np.append(True, np.diff(claimed[order]) != 0)[: len(order)]
  right[row[order[winner]]] = True
  return right
