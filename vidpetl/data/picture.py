"""Decoded frames as pixels: as they are shown, in the size that is wanted."""

from __future__ import annotations

import fractions
from collections.abc import Callable, Iterator

import av
import numpy as np
from av.video import reformatter

from vidpetl.data import faults, orientation

Size = tuple[int, int] | Callable[[int, int], tuple[int, int]]

# Sizes for which a converter keeps what it has prepared.
_SIZES = 8


class Converter:
  """Makes frames of one film RGB of a size: resampled and converted in a pass.

  What swscale prepares for a size is kept from frame to frame, a quarter of
  the time that it takes.
  """

  def __init__(self):
    self._prepared: dict[tuple, reformatter.VideoReformatter] = {}

  def rgb(
    self, frame: av.VideoFrame, height: int, width: int, interpolation: str
  ) -> av.VideoFrame:
    """Returns a frame as 'rgb24'; see `Picture.rgb`."""
    key = height, width, interpolation
    if key not in self._prepared:
      if len(self._prepared) == _SIZES:
        self._prepared.clear()
      self._prepared[key] = reformatter.VideoReformatter()
    return self._prepared[key].reformat(
      frame,
      width=width,
      height=height,
      format='rgb24',
      interpolation=reformatter.Interpolation[interpolation.upper()],
      threads=1,
    )


class Picture:
  """A decoded frame.

  Attributes:
    height: in square pixels, upright.
    width: in square pixels, upright.
  """

  def __init__(
    self,
    frame: av.VideoFrame,
    name: str,
    aspect: fractions.Fraction | None = None,
    converter: Converter | None = None,
  ):
    """Takes a frame.

    Args:
      frame: as stored.
      name: of the video, in errors.
      aspect: width of a pixel by its height; None if it is not known.
      converter: of the film's frames; one of its own by default.
    """
    self._frame, self._name = frame, name
    self._converter = converter or Converter()
    self._turned = orientation.of(frame)
    self.height, self.width = orientation.shown_size(
      frame, aspect, self._turned
    )

  def rgb(
    self, height: int, width: int, interpolation: str = 'bilinear'
  ) -> np.ndarray:
    """Returns the whole picture in a size, uint8 [height, width, 3], a view.

    Args:
      height: in pixels.
      width: in pixels.
      interpolation: 'bilinear' or 'bicubic', of swscale; their kernels widen
        where they shrink.

    Raises:
      faults.DecodeError: if it cannot be converted.
    """
    if self._turned.transposed:
      height, width = width, height
    with faults.blaming(self._name):
      converted = self._converter.rgb(self._frame, height, width, interpolation)
    plane = converted.planes[0]
    # Lines are padded to a width that suits the processor.
    lines = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    stored = lines[:height, : 3 * width].reshape(height, width, 3)
    return self._turned.apply(stored)


class Readable:
  """What can be read by time: a video, or a folder of frames."""

  def pictures(self, times: np.ndarray) -> Iterator[tuple[np.ndarray, Picture]]:
    """Yields each picture that is shown at one of the times, once.

    Before the first frame it is the first, after the last it is the last.

    Args:
      times: [t] seconds, in any order, with repetitions.

    Yields:
      Places among the times, int [n], and the picture shown there.

    Raises:
      ValueError: if there are no times.
      faults.DecodeError: if the video is damaged.
    """
    raise NotImplementedError

  def is_nearer_by_seek(self, reached: float, time: float) -> bool:
    """Whether less is decoded for `time` after a seek than by going on.

    Args:
      reached: second up to which pictures were read.
      time: later second.
    """
    del reached, time
    return False

  def read(self, times: np.ndarray, size: Size) -> np.ndarray:
    """Returns the picture shown at each time.

    Args:
      times: as of `pictures`.
      size: (height, width) of the result, or a function that gives it from
        the first picture's own height and width.

    Returns:
      uint8 [t, height, width, 3], RGB.

    Raises:
      ValueError: if there are no times.
      faults.DecodeError: if the video is damaged.
    """
    out = None
    for places, picture in self.pictures(times):
      if out is None:
        if callable(size):
          size = size(picture.height, picture.width)
        out = np.empty((len(times), *size, 3), np.uint8)
      rgb = picture.rgb(*size)
      for place in places:
        out[place] = rgb
    return out
