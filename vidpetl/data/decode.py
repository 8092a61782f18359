"""Frames of encoded videos, by time.

Times are seconds since the first frame of the video stream. A frame is shown
from its own timestamp until the next one's, so that what is read at a time does
not depend on the file's frame rate, nor on where its timestamps begin.

Frames come as they are stored in pixels: turned upright where the file says
that the camera was rotated, and with pixels taken as square, as in the
published extractions of all datasets here. Resizing is swscale's bilinear,
whose kernel widens when it shrinks (so it does not alias). Colours are
converted by the matrix that the file names, else ITU-R BT.601.
"""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import io
import itertools
from collections.abc import Callable, Iterator
from typing import Self

import av
import numpy as np
from av.video import reformatter

from vidpetl.data import timestamps

# Timestamps are rounded to the stream's ticks: 1 ms in webm, where frame 1 of
# a 30 fps video begins at 0.033. A tick of an avi is a whole frame instead.
_MOST_TOLERANCE = 1e-3

# Seconds to go further back when a seek lands after the wanted frame, which
# containers that index by decoding time do.
_SEEK_BACK = (0.0, 2.0, 10.0)

# Containers that store no presentation times. Decoders with a delay then date
# the first frame later than the stream's claimed beginning, and H.264's frames
# by the order in which they are stored, not by that in which they are shown.
_UNDATED = ('avi',)

# Of files and folders that do not say how fast they are.
DEFAULT_FPS = 25.0

Size = tuple[int, int] | Callable[[int, int], tuple[int, int]]


class DecodeError(Exception):
  """A video that cannot be read as its container promises.

  Attributes:
    name: path, or what the caller calls the bytes.
    reason: what went wrong.
  """

  def __init__(self, name: str, reason: str):
    super().__init__(name, reason)
    self.name = name
    self.reason = reason

  def __str__(self) -> str:
    return f'{self.name}: {self.reason}'


@dataclasses.dataclass(frozen=True)
class VideoInfo:
  """What a file says of its video.

  Attributes:
    duration: seconds.
    fps: average frame rate.
    width: of a frame in pixels, upright.
    height: of a frame in pixels, upright.
    frames: how many, by the container's count or its duration.
  """

  duration: float
  fps: float
  width: int
  height: int
  frames: int


@contextlib.contextmanager
def blaming(name: str) -> Iterator[None]:
  """Turns whatever a damaged file makes the decoder raise into DecodeError.

  Fuzzed files raise ValueError, IndexError, EOFError, MemoryError, ...: no
  narrower class covers them.
  """
  try:
    yield
  except DecodeError:
    raise
  except Exception as error:
    raise DecodeError(name, f'{type(error).__name__}: {error}') from error


class Video:
  """An open video. Use it as a context manager.

  Attributes:
    name: in errors.
    duration: seconds, as the container claims.
    fps: average frame rate.
    frames: number of frames, as the container claims.
    origin: seconds on the container's clock at which the first frame begins.
    tolerance: seconds by which timestamps may have been rounded up.
  """

  def __init__(self, video: str | bytes, name: str = ''):
    """Opens a video.

    Args:
      video: path or encoded bytes.
      name: what errors call it; the path if left out.

    Raises:
      DecodeError: if it cannot be opened or has no video.
    """
    self._video = video
    self.name = name or (video if isinstance(video, str) else 'video in memory')
    self._container = None
    with blaming(self.name):
      self._open()
      self.fps = float(
        self.stream.average_rate or self.stream.guessed_rate or DEFAULT_FPS
      )
      self._tick = float(self.stream.time_base)
      self._first = self._find_first()
      self.origin = self._first * self._tick
      self.tolerance = min(self._tick / 2, _MOST_TOLERANCE)
      self.duration = self._claimed_duration()
    self.frames = self.stream.frames or round(self.duration * self.fps)

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *unused) -> None:
    self.close()

  def close(self) -> None:
    """Closes the file."""
    if self._container is not None:
      self._container.close()
      self._container = None

  def _open(self) -> None:
    """Opens the container, again if need be, at its beginning."""
    self.close()
    file = self._video
    if isinstance(file, bytes):
      file = io.BytesIO(file)
    self._container = av.open(file, metadata_errors='replace')
    if not self._container.streams.video:
      self.close()
      raise DecodeError(self.name, 'has no video stream')
    self.stream = self._container.streams.video[0]
    # Clips are decoded in parallel; threads inside each would only compete.
    self.stream.thread_type = 'NONE'
    self._fresh = True

  def _find_first(self) -> int:
    """Returns the timestamp of the first frame, in ticks."""
    undated = self._container.format.name in _UNDATED
    if self.stream.start_time is not None and not undated:
      return self.stream.start_time
    self._fresh = False
    first = next(self._decode(), None)
    if first is None:
      raise DecodeError(self.name, 'no frame can be decoded')
    return first.pts or 0

  def _claimed_duration(self) -> float:
    """Returns the length that the container promises, in seconds.

    Only claims about the video stream count where there are any: sound may
    well last longer than the pictures. Matroska counts to the end of the
    stream from zero, not from the first frame.
    """
    stream = self.stream
    if stream.duration:
      # The count in an avi's header outlives a truncation, its duration not.
      counted = stream.frames / self.fps
      undated = self._container.format.name in _UNDATED
      return max(stream.duration * self._tick, counted * undated)
    tag = timestamps.seconds(stream.metadata.get('DURATION', ''))
    if tag is not None:
      return tag - self.origin
    silent = not self._container.streams.audio
    if self._container.duration and silent:
      return self._container.duration / av.time_base - self.origin
    return self._measured_duration()

  def _measured_duration(self) -> float:
    """Returns when the last packet ends: for streams that make no claim."""
    self._open()
    self._fresh = False
    end = max(
      packet.pts + (packet.duration or 0)
      for packet in self._container.demux(self.stream)
      if packet.pts is not None
    )
    return (end - self._first) * self._tick

  def time_of(self, frame: av.VideoFrame) -> float:
    if frame.pts is None:
      raise DecodeError(self.name, 'has frames without timestamps')
    return (frame.pts - self._first) * self._tick

  def frames_from(self, time: float) -> Iterator[av.VideoFrame]:
    """Yields frames in order, beginning at or before `time` if one does."""
    for back in _SEEK_BACK:
      if time - back <= 0:
        break
      frames = self._decoded_after_seek(time - back)
      first = next(frames, None)
      # What does not begin with a keyframe may refer to what was not decoded.
      if (
        first is not None
        and first.key_frame
        and self.time_of(first) <= time + self.tolerance
      ):
        yield first
        yield from frames
        return
    if not self._fresh:
      self._open()
    self._fresh = False
    yield from self._decode()

  def _decoded_after_seek(self, time: float) -> Iterator[av.VideoFrame]:
    """Yields frames from the keyframe before `time`, if seeking works."""
    self._fresh = False
    try:
      ticks = self._first + int((time + self.tolerance) / self._tick)
      self._container.seek(ticks, stream=self.stream)
    except av.FFmpegError:
      return
    yield from self._decode()

  def _decode(self) -> Iterator[av.VideoFrame]:
    """Yields frames from where the container stands, in the order shown."""
    frames = self._container.decode(self.stream)
    undated = self._container.format.name in _UNDATED
    if undated and self.stream.codec_context.has_b_frames:
      return timestamps.in_order(frames)
    return frames

  def read(
    self,
    times: np.ndarray,
    size: Size,
    allocate: Callable[[int, int], np.ndarray] | None = None,
  ) -> np.ndarray:
    """Returns the frame shown at each time.

    Before the first frame it is the first, after the last it is the last.
    Decodes from the keyframe before the earliest time to the latest, and
    converts only what is returned, each frame once.

    Args:
      times: [t] seconds, in any order, with repetitions.
      size: (height, width) of the result, or a function that gives it from
        the frame's own upright height and width.
      allocate: function from (height, width) to the array that is filled and
        returned; a new one by default.

    Returns:
      uint8 [t, height, width, 3], RGB.

    Raises:
      ValueError: if there are no times.
      DecodeError: if the video is damaged, or ends two frames or more before
        a time that the container claims to reach.
    """
    times = np.asarray(times, np.float64)
    if not times.size:
      raise ValueError('no times to read frames at')
    return fill(self.name, self._choose(times), len(times), size, allocate)

  def _choose(
    self, times: np.ndarray
  ) -> Iterator[tuple[np.ndarray, av.VideoFrame]]:
    """Yields (places of the times that show it, frame), in their order."""
    order = np.argsort(times, kind='stable')
    times = times[order]
    latest = (times + self.tolerance).tolist()
    shown, begins, done = None, 0.0, 0
    with blaming(self.name):
      for frame in self.frames_from(times[0]):
        next_begins = self.time_of(frame)
        if shown is not None and latest[done] < next_begins:
          before = bisect.bisect_left(latest, next_begins)
          yield order[done:before], shown
          done = before
          if done == len(times):
            return
        shown, begins = frame, next_begins
      if shown is None:
        raise DecodeError(self.name, 'no frame can be decoded')
      self._check_end(begins, shown, times[-1])
      yield order[done:], shown

  def _check_end(
    self, begins: float, last: av.VideoFrame, wanted: float
  ) -> None:
    """Refuses a video whose frames end well before they should."""
    period = max(1 / self.fps, (last.duration or 0) * self._tick)
    missing = min(wanted, self.duration) - begins
    if missing > 2 * period + self.tolerance:
      raise DecodeError(
        self.name,
        f'ends at {begins + period:.2f} s although its container promises '
        f'{self.duration:.2f} s: truncated or damaged',
      )


def fill(
  name: str,
  chosen: Iterator[tuple[np.ndarray, av.VideoFrame]],
  count: int,
  size: Size,
  allocate: Callable[[int, int], np.ndarray] | None,
) -> np.ndarray:
  """Writes decoded frames, as pixels, to all places where they are shown.

  Args:
    name: of the video, in errors.
    chosen: (places in the result, frame); the first one's size counts for all.
    count: of places, t.
    size: as of `Video.read`.
    allocate: as of `Video.read`.

  Returns:
    uint8 [t, height, width, 3], RGB.

  Raises:
    DecodeError: if a frame cannot be decoded or converted.
  """
  first = next(chosen)
  quarter_turns = round(first[1].rotation / 90)
  height, width = first[1].height, first[1].width
  if quarter_turns % 2:
    height, width = width, height
  height, width = size(height, width) if callable(size) else size
  if allocate is None:
    out = np.empty((count, height, width, 3), np.uint8)
  else:
    out = allocate(height, width)
  with blaming(name):
    for places, frame in itertools.chain([first], chosen):
      rgb = _convert(frame, height, width, quarter_turns)
      for place in places:
        out[place] = rgb
  return out


def _convert(
  frame: av.VideoFrame, height: int, width: int, quarter_turns: int
) -> np.ndarray:
  """Returns a view of a frame as uint8 [height, width, 3], upright."""
  if quarter_turns % 2:
    height, width = width, height
  plane = frame.reformat(
    width=width,
    height=height,
    format='rgb24',
    interpolation=reformatter.Interpolation.BILINEAR,
    threads=1,
  ).planes[0]
  # Lines are padded to a width that suits the processor.
  lines = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
  rgb = lines[:height, : 3 * width].reshape(height, width, 3)
  return np.rot90(rgb, quarter_turns) if quarter_turns else rgb


def probe(video: str | bytes, name: str = '') -> VideoInfo:
  """Returns what a video is, from its header and its first frame.

  Args:
    video: path or encoded bytes.
    name: what errors call it; the path if left out.

  Raises:
    DecodeError: if it cannot be opened, or its first frame not decoded.
  """
  with Video(video, name) as opened:
    height, width = opened.read(np.zeros(1), lambda h, w: (h, w)).shape[1:3]
    return VideoInfo(opened.duration, opened.fps, width, height, opened.frames)


def read_frames(
  video: str | bytes, times: np.ndarray, size: Size, name: str = ''
) -> np.ndarray:
  """Opens a video and returns `Video.read` of it."""
  with Video(video, name) as opened:
    return opened.read(times, size)
