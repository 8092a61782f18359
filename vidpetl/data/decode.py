"""Frames of encoded videos, by time.

Times are seconds on the clock of the file (`vidpetl.data.clock`): second 0 is
where the file begins, as players show it. A frame is shown from its own
timestamp until the next one's, so that what is read at a time does not depend
on the file's frame rate. Before the first frame it is the first, and after the
last the last. What is read at a time depends on nothing but the time: where a
container's seeks lie, the file is read from its start.

Frames come as players show them (`vidpetl.data.orientation`): turned upright
and mirrored where the file says so, and of square pixels. Earlier versions took
all pixels as square, and mirrored nothing. Resizing is swscale's bilinear,
whose kernel widens when it shrinks (so it does not alias). Colours are
converted by the matrix that the file names, else ITU-R BT.601.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from typing import Self

import av
import numpy as np

from vidpetl import bounds, mistakes
from vidpetl.data import clock as clock_lib
from vidpetl.data import (
  damage,
  faults,
  frame_rate,
  names,
  picture,
  skipping,
  streams,
  timestamps,
  video_info,
)
from vidpetl.data import packets as packets_lib

# What others know these by.
DecodeError, blaming = faults.DecodeError, faults.blaming
DEFAULT_FPS = frame_rate.DEFAULT_FPS
VideoInfo = video_info.VideoInfo

# Seconds to go further back when a seek lands after the wanted frame, which
# containers that index by decoding time do.
_SEEK_BACK = (0.0, 2.0, 10.0)

# Frames behind a seek that FFmpeg may date wrongly, where containers do not.
_GUESSED = 4
# Seconds to what is wanted next from which a file without an index is sought.
_FAR = 5.0
# Seconds by which a container may round its duration up.
_SLACK = 0.25

Size = picture.Size


class Video(picture.Readable):
  """An open video. Use it as a context manager.

  Attributes:
    name: in errors.
    clock: when frames are shown.
    aspect: width of a pixel by its height; None if the file does not say it.
    codec: its name in FFmpeg.
  """

  def __init__(
    self, video: str | bytes, name: str = '', forgiving: bool = False
  ):
    """Opens a video.

    Args:
      video: path or encoded bytes.
      name: what errors call it; the path if left out.
      forgiving: whether the last intact picture is shown in place of a damaged
        one, of which the user is told, where an error is raised else.

    Raises:
      DecodeError: if it cannot be opened or has no video.
    """
    self.name = name or (video if isinstance(video, str) else 'video in memory')
    self._forgiving = forgiving
    self._judge = damage.Judge()
    self._damaged: set[float] = set()
    self._converter = picture.Converter()
    self._skips, self._source = True, None
    with blaming(self.name):
      self._source = streams.Stream(video)
      self.clock = clock_lib.read(self._source)
      what = f'claims to last {self.clock.duration / 3600:,.0f} hours'
      bounds.require('hours', self.clock.duration / 3600, what)
      self.aspect = self.stream.sample_aspect_ratio
      self.codec = self._source.codec

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *unused) -> None:
    self.close()

  def close(self) -> None:
    """Closes the file."""
    if self._source is not None:
      self._source.close()
    if self._damaged:
      first, last = min(self._damaged), max(self._damaged)
      mistakes.note(
        f'{self.name}: {names.plural(len(self._damaged), "picture")} between '
        f'{first:.2f} s and {last:.2f} s are damaged; what is intact beside '
        'them is shown to the model in their place.'
      )

  @property
  def damaged(self) -> tuple[float, ...]:
    """Seconds of the pictures that others were shown in place of."""
    return tuple(sorted(self._damaged))

  @property
  def stream(self) -> av.VideoStream:
    return self._source.stream

  @property
  def duration(self) -> float:
    """Seconds from the file's beginning to the last picture's end."""
    return self.clock.duration

  @property
  def fps(self) -> float:
    """Average frame rate, as the timestamps bear it out."""
    return self.clock.fps

  @property
  def frames(self) -> int:
    """Number of frames, as the container claims."""
    return self.clock.frames

  @property
  def origin(self) -> float:
    """Seconds on the container's own clock at which the file begins."""
    return self.clock.origin * self.clock.tick

  @property
  def tolerance(self) -> float:
    """Seconds by which timestamps may have been rounded up."""
    return self.clock.tolerance

  def time_of(self, frame: av.VideoFrame) -> float:
    """Returns the second at which a frame begins to be shown."""
    return self.clock.seconds(frame.pts)

  def frames_from(
    self, time: float, skipper: skipping.Skipper | None = None
  ) -> Iterator[av.VideoFrame]:
    """Yields frames in order, beginning at or before `time` if one does.

    Args:
      time: second.
      skipper: of frames that need not come, for which the clock is steady.

    Raises:
      faults.LyingError: if seeks are found to lie; `distrust` then makes
        that the frames come right.
    """
    if not self.clock.steady:
      yield from self._decoded_from_start(time)
      return
    undated = self._source.undated and self._source.reordered
    guessed = undated * _GUESSED / self.fps
    for back in _SEEK_BACK:
      if self.clock.ticks(time - back) <= self.clock.origin:
        break
      frames = self._decoded_after_seek(time - back, skipper)
      first = next(frames, None)
      # What does not begin with a keyframe may refer to what was not decoded.
      if (
        first is not None
        and first.key_frame
        and self.time_of(first) <= time + self.tolerance - guessed
      ):
        yield first
        yield from frames
        return
    self._source.rewind()
    yield from self._decoded(self._source.packets())

  def is_nearer_by_seek(self, reached: float, time: float) -> bool:
    """See `picture.Readable`: whether a keyframe lies in between."""
    keyframe = self._source.keyframe(self.clock.ticks(time))
    if not self.clock.steady or keyframe is None:
      return time - reached > _FAR
    return self.clock.seconds(keyframe) > reached

  def distrust(self) -> None:
    """Reads from the start from now on, as seeks in the file lie."""
    with blaming(self.name):
      if not self.clock.steady:
        raise faults.Refused('has timestamps that cannot be right')
      self.clock = clock_lib.read(self._source, careful=True)

  def _decoded_after_seek(
    self, time: float, skipper: skipping.Skipper | None
  ) -> Iterator[av.VideoFrame]:
    """Yields frames from the keyframe before `time`, if seeking works."""
    if self._source.seek(self.clock.ticks(time)):
      packets = self._source.packets()
      yield from self._decoded(skipper.packets(packets) if skipper else packets)

  def _decoded(self, packets: Iterator[av.Packet]) -> Iterator[av.VideoFrame]:
    """Yields frames from where the container stands, in the order shown."""
    frames = self._judged(packets)
    if not self._source.undated:
      ahead = float('inf')
      if self._source.discontinuous:
        ahead = packets_lib.JUMP_AHEAD / self.clock.tick
      return timestamps.checked(frames, ahead)
    if not self._source.reordered:
      frames = map(timestamps.decoding, frames)
    return self._ordered(frames)

  def _judged(self, packets: Iterator[av.Packet]) -> Iterator[av.VideoFrame]:
    """Yields the frames of packets; see `damage.is_damaged`."""
    self._judge = damage.Judge()
    return self._judge.frames(streams.filled(packets))

  def _ordered(self, frames: Iterator[av.VideoFrame]):
    """Yields frames, in the order shown, that all have ascending timestamps."""
    period = 1 / (self.fps * self.clock.tick)
    frames = timestamps.filled(frames, self.clock.origin, period)
    return timestamps.in_order(frames)

  def _decoded_from_start(self, time: float) -> Iterator[av.VideoFrame]:
    """Yields frames from before `time`, with times as from the start."""
    packets = packets_lib.from_start(self._source)
    if self.clock.dated:
      packets = packets_lib.skipped(packets, self.clock.ticks(time))
    return self._ordered(self._judged(packets))

  def pictures(
    self, times: np.ndarray
  ) -> Iterator[tuple[np.ndarray, picture.Picture]]:
    """Yields each picture that is shown at one of the times, once.

    Decodes from the keyframe before the earliest time to the latest, without
    what `skipping.passes` leaves out. See `picture.Readable`; a file that ends
    before a time that its container claims to reach is damaged.
    """
    times = np.asarray(times, np.float64)
    if not times.size:
      raise ValueError('no times to read frames at')
    chosen = self._intact(self._choose(times))
    with blaming(self.name):
      for places, frame in damage.held(chosen):
        yield (
          places,
          picture.Picture(frame, self.name, self.aspect, self._converter),
        )

  def _intact(
    self, chosen: damage.Shown
  ) -> Iterator[tuple[np.ndarray, av.VideoFrame | None]]:
    """Yields what is chosen, None in place of what is damaged.

    Raises:
      DecodeError: for it, unless the video is forgiving.
    """
    for places, frame in chosen:
      if damage.is_damaged(frame):
        self.note_damage(frame)
        frame = None
      yield places, frame

  def note_damage(self, frame: av.VideoFrame) -> None:
    """Takes down a damaged frame, of which the user is told in the end.

    Raises:
      DecodeError: instead, unless the video is forgiving.
    """
    time = self.time_of(frame)
    if not self._forgiving:
      raise DecodeError(
        self.name,
        f'is damaged: the picture at {time:.2f} s, or one that it refers to, '
        'cannot be decoded as it was recorded',
      )
    self._damaged.add(time)

  def _choose(
    self, times: np.ndarray
  ) -> Iterator[tuple[np.ndarray, av.VideoFrame]]:
    """Yields (places of the times that show it, frame)."""
    try:
      for passed in skipping.passes(times, self):
        for places, frame in self._shown_at(times[passed]):
          yield passed[places], frame
      return
    except skipping.SkippedError:
      self._skips = False
    except faults.LyingError:
      self.distrust()
    # What was yielded before is written over.
    yield from self._choose(times)

  def _shown_at(
    self, times: np.ndarray
  ) -> Iterator[tuple[np.ndarray, av.VideoFrame]]:
    """Yields (places of the times that show it, frame), in their order."""
    order = np.argsort(times, kind='stable')
    times = times[order]
    latest = (times + self.tolerance).tolist()
    shown, begins, done = None, 0.0, 0
    skipper = None
    if self._skips:
      skipper = skipping.of(self._source, self.clock, latest)
    with blaming(self.name):
      for frame in self.frames_from(times[0], skipper):
        next_begins = self.time_of(frame)
        if shown is not None and latest[done] < next_begins:
          before = bisect.bisect_left(latest, next_begins)
          if skipper:
            skipper.check(shown, before)
          yield order[done:before], shown
          done = before
          if done == len(times):
            return
        shown, begins = frame, next_begins
      if shown is None:
        said = f' ({self._judge.reason})' if self._judge.reason else ''
        raise DecodeError(self.name, f'no frame can be decoded{said}')
      if skipper:
        skipper.check(shown, len(times))
      self.check_end(begins, shown, times[-1])
      yield order[done:], shown

  def _packets_end(self) -> float:
    """Returns when the packets end, whose last may hold no picture."""
    source = self._source
    if source.undated:
      return self.clock.seconds(source.indexed_end())
    if self.clock.steady and source.reached is not None:
      return self.clock.seconds(source.reached)
    return 0.0

  def check_end(
    self, begins: float, last: av.VideoFrame, wanted: float
  ) -> None:
    """Refuses a file that ends well before it should.

    A last picture that is held is no damage, nor are packets without pictures.

    Args:
      begins: time of the last frame.
      last: that frame, behind which the file has ended.
      wanted: time up to which the file is to be whole.
    """
    if self._judge.pending and wanted >= begins and not self._forgiving:
      raise DecodeError(
        self.name, f'is damaged behind {begins:.2f} s: {self._judge.reason}'
      )
    period = max(1 / self.fps, (last.duration or 0) * self.clock.tick)
    ends = max(begins + period, self._packets_end())
    missing = min(wanted, self.duration) - ends
    if missing > max(period, _SLACK) + self.tolerance:
      raise DecodeError(
        self.name,
        f'ends at {ends:.2f} s although its container promises '
        f'{self.duration:.2f} s: truncated or damaged',
      )


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
    return VideoInfo(
      opened.duration,
      opened.fps,
      width,
      height,
      opened.frames,
      opened.codec,
    )


def read_frames(
  video: str | bytes, times: np.ndarray, size: Size, name: str = ''
) -> np.ndarray:
  """Opens a video and returns `Video.read` of it."""
  with Video(video, name) as opened:
    return opened.read(times, size)
