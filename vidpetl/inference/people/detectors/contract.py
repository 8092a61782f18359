"""What a way of detecting people is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from vidpetl.data.annotations import boxes as pairs
from vidpetl.inference.people.tracked import Detect

# Scores below this are not worth a suppression.
LEAST = 0.05
# Boxes that overlap this much are one person.
_SAME = 0.5


@dataclasses.dataclass(frozen=True)
class Detector:
  """A way.

  Attributes:
    title: what it takes, in a few words.
    takes: whether it is the one for what a user wrote: 'hog', a path.
    open: what the user wrote, and options by keywords -> `Detect`. Its hints
      say what the options are.
  """

  title: str
  takes: Callable[[str], bool]
  open: Callable[..., Detect]


def cleaned(
  boxes: np.ndarray, scores: np.ndarray, *, suppress: bool
) -> tuple[np.ndarray, np.ndarray]:
  """Returns boxes within the frame that have an area, best first.

  Args:
    boxes: [n, 4], fractions.
    scores: [n].
    suppress: whether boxes that overlap a better one are left out, which
      detectors that answer once for each person do not need.

  Returns:
    float32 boxes [m, 4] and scores [m].
  """
  boxes = np.clip(boxes, 0, 1)
  good = (boxes[:, :2] < boxes[:, 2:]).all(1) & (scores >= LEAST)
  order = np.flatnonzero(good)[np.argsort(-scores[good], kind='stable')]
  if suppress:
    order = order[_best(boxes[order])]
  return boxes[order].astype(np.float32), scores[order].astype(np.float32)


def _best(boxes: np.ndarray) -> np.ndarray:
  """Returns which of boxes [n, 4], best first, overlap none before them."""
  kept: list[int] = []
  left = np.arange(len(boxes))
  while len(left):
    first, left = left[0], left[1:]
    kept.append(int(first))
    left = left[pairs.iou(boxes[first], boxes[left]) <= _SAME]
  return np.array(kept, int)
