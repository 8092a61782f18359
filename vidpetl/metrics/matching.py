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
  keep = np.ones(len(rows), bool)
  if cap is None or len(rows) == 0:
    return keep
  order = np.lexsort((-rows.score, rows.image))
  image, score = rows.image[order], rows.score[order]
  counts = np.bincount(image)
  starts = np.cumsum(counts) - counts
  rank = np.arange(len(rows)) - starts[image]
  keep[order[rank >= cap]] = False
  # An image is torn if its last row within the cap ties with the next one.
  last = starts[counts > cap] + cap - 1
  torn = last[score[last] == score[last + 1]]
  if len(torn) == 0:
    return keep
  threshold = np.full(len(counts), np.nan)
  threshold[image[torn]] = score[torn]
  tied = np.flatnonzero(rows.score == threshold[rows.image])
  places = np.bincount(rows.image[tied[keep[tied]]], minlength=len(counts))
  keep[tied] = False
  x1, y1, x2, y2 = -boxes[rows.box[tied]].T
  tied = tied[
    np.lexsort((x2, y2, x1, y1, -rows.class_id[tied], rows.image[tied]))
  ]
  counts = np.bincount(rows.image[tied], minlength=len(counts))
  rank = np.arange(len(tied)) - (np.cumsum(counts) - counts)[rows.image[tied]]
  keep[tied[rank < places[rows.image[tied]]]] = True
  return keep


def match(
  rows: columns.Rows, boxes: np.ndarray, truth: Truth, by_score: bool
) -> np.ndarray:
  """Returns which rows (bool [n]) are true positives."""
  right = np.zeros(len(rows), bool)
  if len(rows) == 0 or len(truth.image) == 0:
    return right
  stride = int(max(truth.class_id.max(), rows.class_id.max())) + 1
  keys, first, count = np.unique(
    truth.image * stride + truth.class_id, return_index=True, return_counts=True
  )
  wanted = rows.image * stride + rows.class_id
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
