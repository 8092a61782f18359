"""Films written anew with painted frames."""

from __future__ import annotations

import contextlib
import fractions
import itertools
import math
import os
from collections.abc import Callable

import av
import numpy as np
from av.video import reformatter
from etils import epath

from vidpetl import durable
from vidpetl.data import consecutive, decode, faults, orientation, picture
from vidpetl.inference.overlay import containers
from vidpetl.inference.overlay import sound as sound_lib

# From a frame uint8 [h, w, 3] as it is shown, which it may draw on, and its
# time in seconds to the frame to be shown instead.
Painter = Callable[[np.ndarray, float], np.ndarray]

# Seconds from keyframe to keyframe: players seek to these.
_GOP = 2
# Matrices between RGB and YCbCr that swscale knows, by their numbers in files.
_MATRICES = (1, 4, 5, 6, 7, 9)
_BT709, _UNSPECIFIED = 1, 2


def write(
  source: epath.PathLike,
  out: epath.PathLike,
  paint: Painter,
  fps: float | None = None,
) -> int:
  """Writes a film anew, each frame painted.

  Frames come as players show them: upright, mirrored where the file says so, of
  square pixels. H.264 needs even sides: where one is odd, the last row or
  column is shown twice. Frames keep their times; the first is shown from second
  0 on where sound begins before it. All sounds are kept: as they are where the
  new file holds their codec, else encoded anew. The new file appears under its
  name when it is whole. Memory does not grow with the film.

  Args:
    source: a film, or a folder of frames.
    out: file to be written: .mp4, .mov, .mkv, or .webm (as VP9).
    paint: from a frame and its second on the film's clock to the new frame.
      It is called in the order of time, and anew from the start if the film's
      timestamps are found to lie.
    fps: of a folder of frames, 25 by default; a film knows its own.

  Returns:
    How many frames were written.

  Raises:
    ValueError: if `out` has another suffix, or is the source itself.
    decode.DecodeError: if the film is damaged. No file is left then.
  """
  source, out = os.fspath(source), epath.Path(out)
  container = containers.of(out)
  if out.resolve() == epath.Path(source).resolve():
    raise ValueError(f'{out} is the film itself: give another file to write.')
  out.parent.mkdir(parents=True, exist_ok=True)
  with durable.beside(out) as new, consecutive.opened(source, fps) as film:
    try:
      return _write(film, source, new, container, paint)
    except faults.LyingError:
      film.distrust()
      return _write(film, source, new, container, paint)


def _write(
  film: consecutive.Frames,
  source: str,
  path: epath.Path,
  container: containers.Container,
  paint: Painter,
) -> int:
  """Writes all frames and sounds of an open film, and counts the frames."""
  options = dict(container.options)
  if 'movflags' in options:
    options['video_track_timescale'] = str(film.grid.denominator)
  with contextlib.ExitStack() as stack:
    out = stack.enter_context(
      av.open(os.fspath(path), 'w', format=container.format, options=options)
    )
    frames = film.between(0.0, math.inf)
    first = next(frames, None)
    if first is None:
      raise decode.DecodeError(film.name, 'no frame can be decoded')
    pictures = _Pictures(out, container, film, first[1])
    sound = stack.enter_context(_sound(film, source, out, container))
    for time, frame in itertools.chain([first], frames):
      sound.until(time)
      pictures.add(time, frame, paint)
    pictures.finish()
    sound.finish()
    return pictures.count


def _sound(
  film: consecutive.Frames,
  source: str,
  out: av.container.OutputContainer,
  container: containers.Container,
) -> sound_lib.Sound | sound_lib.Silence:
  if isinstance(film, consecutive.Folder):
    return sound_lib.Silence()
  return sound_lib.Sound(film, source, out, container)


class _Pictures:
  """The pictures of a new file.

  Attributes:
    count: of those that were written.
  """

  def __init__(
    self,
    out: av.container.OutputContainer,
    container: containers.Container,
    film: consecutive.Frames,
    first: av.VideoFrame,
  ):
    """Adds a stream to a file, to which nothing was written yet."""
    self.count = 0
    self._out, self._film, self._last = out, film, -1
    self._size = orientation.shown_size(first, film.aspect)
    self._matrix = _matrix(first)
    rate = fractions.Fraction(film.fps).limit_denominator(1001)
    self._stream = out.add_stream(
      container.codec, rate=rate, options=dict(container.quality)
    )
    context = self._stream.codec_context
    context.height, context.width = (side + side % 2 for side in self._size)
    context.pix_fmt = 'yuv420p'
    context.time_base = film.grid
    context.gop_size = max(1, round(_GOP * film.fps))
    context.color_primaries = first.color_primaries
    context.color_trc = first.color_trc
    context.colorspace = self._matrix
    context.color_range = reformatter.ColorRange.MPEG

  def add(self, time: float, frame: av.VideoFrame, paint: Painter) -> None:
    """Paints and writes a frame, unless another is shown at the same tick."""
    # Before the first picture there is the first picture.
    ticks = round(time / self._film.grid) if self.count else 0
    if ticks <= self._last:
      return
    self._last = ticks
    shown = picture.Picture(frame, self._film.name, self._film.aspect)
    # A copy, as a view of the decoder's frame can't be drawn on.
    painted = paint(np.array(shown.rgb(*self._size), order='C'), max(0.0, time))
    if painted.shape != (*self._size, 3) or painted.dtype != np.uint8:
      raise ValueError(
        f'a painter returned {painted.dtype} {painted.shape} for a frame of '
        f'{self._size}'
      )
    new = self._encodable(painted)
    new.pts, new.time_base = ticks, self._film.grid
    self._out.mux(self._stream.encode(new))
    self.count += 1

  def _encodable(self, painted: np.ndarray) -> av.VideoFrame:
    """Returns a frame of even sides, in the film's own matrix."""
    height, width = self._size
    if height % 2 or width % 2:
      edges = ((0, height % 2), (0, width % 2), (0, 0))
      painted = np.pad(painted, edges, 'edge')
    frame = av.VideoFrame.from_numpy_buffer(
      np.ascontiguousarray(painted), format='rgb24'
    )
    matrix = 5 if self._matrix == _UNSPECIFIED else self._matrix
    return frame.reformat(
      format='yuv420p',
      dst_colorspace=matrix,
      dst_color_range=reformatter.ColorRange.MPEG,
    )

  def finish(self) -> None:
    """Writes what the encoder holds back, the last for as long as it lasts."""
    if packets := self._stream.encode(None):
      consecutive.hold(packets, round(self._film.duration / self._film.grid))
      self._out.mux(packets)


def _matrix(frame: av.VideoFrame) -> int:
  """Returns the matrix of the new pictures: the film's own, so colours stay.

  Players take what says nothing for what they are used to, and are to do so in
  the same way with both films. RGB and matrices of another kind become BT.709.
  """
  matrix = int(frame.colorspace)
  return matrix if matrix in (*_MATRICES, _UNSPECIFIED) else _BT709
