"""Frames as detectors take them, and boxes back on the frame."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
import PIL.Image

# What networks were trained on: of ImageNet, by channel.
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Grey around a frame that keeps its shape.
_GREY = 114


@dataclasses.dataclass(frozen=True)
class Placed:
  """Where a frame lies in a network's input.

  Attributes:
    height: of the input, in pixels.
    width: of the input.
    frame: [4], the frame's corners x1, y1, x2, y2 in it.
  """

  height: int
  width: int
  frame: tuple[int, int, int, int]

  def fractions(self, boxes: np.ndarray) -> np.ndarray:
    """Takes boxes [n, 4] from pixels of the input to fractions of the frame."""
    x1, y1, x2, y2 = self.frame
    return (boxes - (x1, y1, x1, y1)) / np.tile((x2 - x1, y2 - y1), 2)


@dataclasses.dataclass(frozen=True)
class Pixels:
  """How frames become inputs.

  Attributes:
    fit: 'stretch' changes the frame's shape to the input's; 'corner' and
      'centre' keep it, with grey below and to the right, or around it.
    bgr: whether blue comes first.
    unit: whether 0..255 becomes 0..1.
    normal: mean and standard deviation by channel, of 0..1; None for none.
  """

  fit: Literal['stretch', 'corner', 'centre'] = 'stretch'
  bgr: bool = False
  unit: bool = True
  normal: tuple[tuple[float, ...], tuple[float, ...]] | None = None

  def prepare(
    self, frame: np.ndarray, size: tuple[int, int]
  ) -> tuple[np.ndarray, Placed]:
    """Makes an input of a frame.

    Args:
      frame: uint8 [h, w, 3] RGB.
      size: height and width of the input.

    Returns:
      float32 [1, 3, height, width], and where the frame lies in it.
    """
    placed = self._place(frame.shape[:2], size)
    x1, y1, x2, y2 = placed.frame
    # Its kernel widens when it shrinks, as in training by torchvision.
    image = PIL.Image.fromarray(frame).resize(
      (x2 - x1, y2 - y1), PIL.Image.Resampling.BILINEAR
    )
    canvas = np.full((*size, 3), _GREY, np.float32)
    canvas[y1:y2, x1:x2] = np.asarray(image)
    if self.bgr:
      canvas = canvas[..., ::-1]
    if self.unit:
      canvas /= 255
    if self.normal is not None:
      mean, deviation = self.normal
      canvas = (canvas - np.float32(mean)) / np.float32(deviation)
    return np.ascontiguousarray(canvas.transpose(2, 0, 1)[None]), placed

  def _place(self, have: tuple[int, int], size: tuple[int, int]) -> Placed:
    height, width = size
    if self.fit == 'stretch':
      return Placed(height, width, (0, 0, width, height))
    factor = min(height / have[0], width / have[1])
    h, w = (max(1, int(side * factor)) for side in have)
    top, left = 0, 0
    if self.fit == 'centre':
      top, left = (height - h) // 2, (width - w) // 2
    return Placed(height, width, (left, top, left + w, top + h))
