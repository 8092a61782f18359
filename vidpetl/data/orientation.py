"""Frames as players show them: upright, not mirrored, of square pixels.

A file may say by a display matrix how its pictures are to be turned and
mirrored: phones do, and front cameras, and EXIF data of jpegs, which FFmpeg
turns into such a matrix. It may also say that its pixels are not square. The
height of the stored picture then stays, and its width follows.
"""

from __future__ import annotations

import fractions
import struct
from typing import NamedTuple

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type


def _unnamed(cls, value: int) -> Type:
  member = object.__new__(cls)
  member._name_, member._value_ = f'UNNAMED_{value}', value
  return member


# PyAV reads no side data of a frame at all if one has a type that it has no
# name for, such as EXIF.
Type._missing_ = classmethod(_unnamed)

# Shapes of pixels beyond this are damage.
_MOST_STRETCH = 8


class Orientation(NamedTuple):
  """How a stored picture becomes the one shown.

  Attributes:
    transposed: whether rows become columns, which is done first.
    flipped: whether then the order of rows is reversed.
    mirrored: whether then the order of columns is reversed.
  """

  transposed: bool = False
  flipped: bool = False
  mirrored: bool = False

  def apply(self, pixels: np.ndarray) -> np.ndarray:
    """Returns a view [h', w', ...] of pixels [h, w, ...]."""
    if self.transposed:
      pixels = pixels.swapaxes(0, 1)
    rows, columns = (-1 if turned else 1 for turned in self[1:])
    return pixels[::rows, ::columns]


def of(frame: av.VideoFrame) -> Orientation:
  """Returns how a frame is to be shown, to the nearest quarter of a turn."""
  # `frame.side_data` keeps its container, which keeps the frame: both would
  # stay in memory until the garbage collector comes by, hundreds of frames.
  data = SideDataContainer(frame).get(Type.DISPLAYMATRIX)
  if data is None or len(bytes(data)) != 36:
    return Orientation()
  # A point (x, y) is shown at (a x + c y, b x + d y); y points downward.
  a, b, _, c, d, *_ = struct.unpack('=9i', bytes(data))
  if abs(a) + abs(d) >= abs(b) + abs(c):
    return Orientation(False, d < 0, a < 0)
  return Orientation(True, b < 0, c < 0)


def shown_size(
  frame: av.VideoFrame,
  aspect: fractions.Fraction | None,
  turned: Orientation | None = None,
) -> tuple[int, int]:
  """Returns the height and width of a frame as it is shown.

  Args:
    frame: as stored.
    aspect: width of a stored pixel by its height; None if it is not known.
    turned: what `of` gave of the frame, if it was asked.
  """
  height, width = frame.height, frame.width
  if aspect and 1 / _MOST_STRETCH <= aspect <= _MOST_STRETCH:
    width = max(1, round(width * aspect))
  turned = of(frame) if turned is None else turned
  return (width, height) if turned.transposed else (height, width)
