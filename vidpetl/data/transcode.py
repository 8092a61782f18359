"""Cutting and re-encoding one video, once, for quick random access.

The result is H.264 in mp4 with a keyframe every `gop` frames, so that a clip
that begins anywhere costs at most `gop` frames of decoding more. Timestamps are
kept relative to the beginning of the cut: what is shown at `t` of the result is
what was shown at `start + t` of the file, also before its first picture, and
for as long as its last one is held. Sound is dropped. Frames are turned and
mirrored as players show them, and their pixels become square.
"""

from __future__ import annotations

import collections
import dataclasses
import fractions
import io
import itertools
import math

import av
import numpy as np
from av.video import reformatter

from vidpetl.data import consecutive, decode, faults, orientation


@dataclasses.dataclass(frozen=True)
class Options:
  """How to encode.

  Attributes:
    short_side: pixels of the shorter side, never enlarged; None keeps it.
    gop: frames from keyframe to keyframe.
    crf: x264's quality; 18 is visually lossless, each 6 more halve the size.
    preset: x264's speed.
    copy: leave files as they are, byte for byte, that need neither cutting nor
      shrinking; their keyframes stay where they are. They are decoded all the
      same, to find the damaged ones.
  """

  short_side: int | None = None
  gop: int = 30
  crf: int = 20
  preset: str = 'veryfast'
  copy: bool = False

  def __post_init__(self):
    if self.short_side is not None and self.short_side < 2:
      raise ValueError(f'short_side={self.short_side} is below 2')
    if self.gop < 1:
      raise ValueError(f'gop={self.gop} is below 1')
    if not 0 <= self.crf <= 51:
      raise ValueError(f'crf={self.crf} is not in 0..51')


def transcode(
  path: str,
  options: Options,
  start: float = 0.0,
  end: float | None = None,
  fps: float | None = None,
) -> bytes:
  """Cuts and re-encodes a video, or encodes a folder of its frames.

  Args:
    path: of the video or folder.
    options: how.
    start: first second of the cut, on the file's clock.
    end: last second; None is the end of the file.
    fps: of a folder of frames, 25 by default; a file knows its own.

  Returns:
    The encoded cut.

  Raises:
    decode.DecodeError: if the file is empty or damaged, ends before its
      container says, or has no frame in the cut.
  """
  try:
    with consecutive.opened(path, fps) as video:
      try:
        return _transcode(video, options, start, end)
      except faults.LyingError:
        video.distrust()
        return _transcode(video, options, start, end)
  except decode.DecodeError:
    raise
  except Exception as error:  # damaged files raise nearly anything
    reason = f'{type(error).__name__}: {error}'
    raise decode.DecodeError(path, reason) from error


def _transcode(
  video: consecutive.Frames, options: Options, start: float, end: float | None
) -> bytes:
  """Cuts an open video; see `transcode`.

  Raises:
    faults.LyingError: if the video is to be distrusted.
  """
  frames = video.between(start, math.inf if end is None else end)
  first = next(frames, None)
  if first is None or start >= video.duration:
    raise decode.DecodeError(video.name, f'no frame from {start:.2f} s on')
  whole = start == 0 and end is None and isinstance(video, consecutive.Film)
  if options.copy and whole and _fits(_shown_size(first[1], video), options):
    collections.deque(frames, maxlen=0)  # All of it can be decoded.
    with open(video.name, 'rb') as file:
      return file.read()
  until = video.duration if end is None else min(end, video.duration)
  return _encode(first, frames, video, start, until, options)


def _shown_size(
  frame: av.VideoFrame, video: consecutive.Frames
) -> tuple[int, int]:
  return orientation.shown_size(frame, video.aspect)


def _fits(size: tuple[int, int], options: Options) -> bool:
  return options.short_side is None or min(size) <= options.short_side


def _upright(frame: av.VideoFrame) -> av.VideoFrame:
  """Turns and mirrors a frame as it is shown, which an encoder would not."""
  if orientation.of(frame) == orientation.Orientation():
    return frame
  pixels = orientation.of(frame).apply(frame.to_ndarray(format='rgb24'))
  return av.VideoFrame.from_ndarray(
    np.ascontiguousarray(pixels), format='rgb24'
  )


def _even_size(size: tuple[int, int], options: Options) -> tuple[int, int]:
  """Returns (width, height), even as 4:2:0 needs, at most as large."""
  scale = 1.0
  if not _fits(size, options):
    scale = options.short_side / min(size)
  even = lambda side: max(2, 2 * round(side * scale / 2))
  return even(size[1]), even(size[0])


def _encode(first, frames, video, start, until, options) -> bytes:
  """Encodes (time, frame) pairs, with times relative to `start`."""
  out, grid = io.BytesIO(), video.grid
  size = _even_size(_shown_size(first[1], video), options)
  timescale = {'video_track_timescale': str(grid.denominator)}
  with av.open(out, 'w', format='mp4', options=timescale) as container:
    stream, last, packets = None, -1, []
    for time, frame in itertools.chain([first], frames):
      # Before the first picture there is the first picture.
      ticks = 0 if stream is None else round((time - start) / grid)
      if ticks <= last:  # a repeated timestamp hides the frame before
        continue
      last = ticks
      frame = _upright(frame).reformat(
        *size,
        format='yuv420p',
        interpolation=reformatter.Interpolation.BICUBIC,
        threads=1,
      )
      if stream is None:
        stream = _add_stream(container, frame, video, options)
      frame.pts, frame.time_base = ticks, grid
      frame.pict_type = av.video.frame.PictureType.NONE
      packets += stream.encode(frame)
    packets += stream.encode()
    consecutive.hold(packets, round((until - start) / grid))
    container.mux(packets)
  return out.getvalue()


def _add_stream(container, frame, video, options):
  """Adds an H.264 stream that looks like `frame`, colours included."""
  rate = fractions.Fraction(video.fps).limit_denominator(1001)
  stream = container.add_stream(
    'libx264',
    rate=rate,
    options={
      'crf': str(options.crf),
      'preset': options.preset,
      'g': str(options.gop),
      'sc_threshold': '0',
      # With it, small frames do not come out the same every time.
      'x264-params': 'mbtree=0',
    },
  )
  context = stream.codec_context
  context.width, context.height = frame.width, frame.height
  context.pix_fmt = 'yuv420p'
  context.time_base = video.grid
  context.thread_count = 1  # one process per core does better
  for name in ('colorspace', 'color_range', 'color_primaries', 'color_trc'):
    setattr(context, name, getattr(frame, name))
  return stream
