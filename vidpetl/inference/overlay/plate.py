"""Pictures with transparent parts, laid onto frames quickly.

What is drawn on many frames is drawn once, and laid onto each:

  frame' = (1 - opacity) frame + opacity colour

in whole numbers of 1/256.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from vidpetl.inference.overlay import palette

# Times as large that round corners are drawn, before they are shrunk.
_FINER = 4


class Plate:
  """A picture that is laid onto frames.

  Attributes:
    height: in pixels.
    width: in pixels.
  """

  def __init__(self, image: Image.Image):
    """Takes an image of mode RGBA."""
    pixels = np.asarray(image).astype(np.uint16)
    opacity = pixels[..., 3:] + (pixels[..., 3:] >> 7)  # of 256
    self._share = pixels[..., :3] * opacity
    # In all channels: what is multiplied then has one shape.
    self._left = np.repeat(256 - opacity, 3, axis=-1)
    self.height, self.width = pixels.shape[:2]

  def onto(self, frame: np.ndarray, x: int, y: int) -> None:
    """Draws it on a frame; what is beyond the frame is cut off.

    Args:
      frame: uint8 [h, w, 3].
      x: column of its left edge.
      y: row of its upper edge.
    """
    height, width = frame.shape[:2]
    rows = slice(max(0, -y), min(self.height, height - y))
    columns = slice(max(0, -x), min(self.width, width - x))
    if rows.start >= rows.stop or columns.start >= columns.stop:
      return
    behind = frame[
      y + rows.start : y + rows.stop, x + columns.start : x + columns.stop
    ]
    mixed = behind * self._left[rows, columns]
    mixed += self._share[rows, columns]
    mixed >>= 8
    behind[...] = mixed


def fill(
  frame: np.ndarray,
  box: tuple[int, int, int, int],
  colour: palette.Colour,
) -> None:
  """Fills a rectangle of a frame.

  Args:
    frame: uint8 [h, w, 3].
    box: x1, y1, x2, y2 in pixels; what is beyond the frame is cut off.
    colour: RGB.
  """
  x1, y1, x2, y2 = (max(0, edge) for edge in box)
  frame[y1:y2, x1:x2] = colour


def veil(width: int, height: int, radius: int) -> Image.Image:
  """Returns a dark plate with round corners, of mode RGBA, to be drawn on."""
  mask = Image.new('L', (width * _FINER, height * _FINER))
  ImageDraw.Draw(mask).rounded_rectangle(
    (0, 0, mask.width - 1, mask.height - 1),
    radius * _FINER,
    fill=math.floor(255 * palette.VEIL),
  )
  image = Image.new('RGBA', (width, height), palette.BLACK)
  image.putalpha(mask.resize(image.size, Image.Resampling.BOX))
  return image
