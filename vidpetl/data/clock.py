"""The clock of a video file.

Second 0 is where the file begins, as players and ffmpeg's command line have it:
where the first of its streams begins, which may be the sound. Pictures that
begin later are shown late. Where a container stores no presentation times (AVI,
ASF) and pictures are stored in another order than they are shown in, it is the
first picture.

The frame rate is the one that the header states, if the timestamps bear it out.
Otherwise it is taken from the timestamps. Headers may state the clock's ticks
instead: 1000 in Matroska, 600 in AVI, 90000 in MPEG.

A clock may restart or jump in streams that were recorded in parts, or joined as
bytes. Times then go on as in ffmpeg's command line: a packet that is dated by
more than 0.1 s before the last one, or by more than 10 s off where that one
ends, follows that one.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
from collections.abc import Iterator

import av
import numpy as np

from vidpetl.data import faults, streams, timestamps

# Of files and folders that do not say how fast they are.
DEFAULT_FPS = 25.0

# Timestamps are rounded to the stream's ticks: 1 ms in webm, where frame 1 of
# a 30 fps video begins at 0.033. A tick of an avi is a whole frame instead.
_MOST_TOLERANCE = 1e-3
# Containers state where they begin in microseconds.
_MICROSECOND = 1e-6

_JUMP_BACK, JUMP_AHEAD = 0.1, 10.0  # seconds

# Packets by which a stated frame rate is checked, and by which it is measured.
_FEW, _MANY = 32, 3000
# Seconds by which a file that is whole may end before its header says.
_LOST = 0.5

# Frames of one second in rates that are in use, besides whole numbers.
_NTSC = 1000 / 1001

# Bytes of a stream that is read whole to see whether its clock jumps; larger
# ones are looked at in so many places.
_SMALL, _PLACES = 1 << 24, 64


@dataclasses.dataclass(frozen=True)
class Clock:
  """When the frames of a file are shown.

  Attributes:
    origin: tick of the stream's timestamps at which the file begins.
    tick: seconds.
    tolerance: seconds by which timestamps may have been rounded up.
    fps: average frame rate.
    duration: seconds from the file's beginning to the last picture's end.
    frames: how many, by the container's count or the duration.
    steady: whether a seek dates frames as reading from the start does.
    dated: whether every packet has a timestamp.
  """

  origin: float
  tick: float
  tolerance: float
  fps: float
  duration: float
  frames: int
  steady: bool = True
  dated: bool = True

  def seconds(self, ticks: float) -> float:
    """Returns the time of a timestamp."""
    return (ticks - self.origin) * self.tick

  def ticks(self, seconds: float) -> int:
    """Returns the last timestamp that is not behind a time."""
    return int(np.floor(self.origin + (seconds + self.tolerance) / self.tick))


@dataclasses.dataclass(frozen=True)
class Measured:
  """What the packets of a stream say, in ticks.

  Attributes:
    first: earliest timestamp.
    last: latest timestamp.
    end: where the last picture ends.
    count: packets with a picture.
    jumps: whether the clock jumps.
    blank: packets without a timestamp.
  """

  first: int
  last: int
  end: int
  count: int
  jumps: bool
  blank: int


def joined(
  packets: Iterator[av.Packet], tick: float, jumps: list[int] | None = None
) -> Iterator[av.Packet]:
  """Gives packets of a clock that jumps the times of one that does not.

  Args:
    packets: in the order stored.
    tick: seconds.
    jumps: is given the ticks of every jump.
  """
  shift, last, expected = 0, None, None
  for packet in packets:
    dts = packet.dts
    if dts is not None:
      dts += shift
      if expected is not None and (
        abs(dts - expected) * tick > JUMP_AHEAD
        or (last - dts) * tick > _JUMP_BACK
      ):
        shift += expected - dts
        dts = expected
        if jumps is not None:
          jumps.append(shift)
      last, expected = dts, dts + (packet.duration or 0)
      packet.dts = dts
    if shift and packet.pts is not None:
      packet.pts += shift
    yield packet


def skipped(packets: Iterator[av.Packet], ticks: int) -> Iterator[av.Packet]:
  """Leaves out the packets before the last keyframe that begins by a tick."""
  waiting = []
  for packet in packets:
    if packet.is_keyframe and packet.pts is not None and packet.pts <= ticks:
      waiting = []
    waiting.append(packet)
    if packet.dts is not None and packet.dts > ticks:
      break
  yield from waiting
  yield from packets


def measure(stream: streams.Stream) -> Measured:
  """Reads all packets of a stream from its start.

  Raises:
    faults.Refused: if none has a timestamp.
  """
  stream.rewind()
  jumps, begins, ends = [], [], []
  leading, blank = 0, 0
  packets = stream.packets()
  if stream.discontinuous:
    packets = joined(packets, stream.tick, jumps)
  for packet in packets:
    if not packet.size:
      continue
    if packet.pts is None:
      blank += 1
      leading += not begins
      continue
    begins.append(packet.pts)
    ends.append(packet.pts + (packet.duration or 0))
  if not begins:
    raise faults.Refused(
      'has no timestamps: put it into another container, e.g. by '
      '`ffmpeg -i FILE -c copy FILE.mp4`'
    )
  period = ends[0] - begins[0]
  first, count = min(begins) - leading * period, len(begins) + blank
  return Measured(
    first=first,
    last=max(*begins, first + bool(blank) * (count - 1) * period),
    end=max(*ends, first + bool(blank) * count * period),
    count=count,
    jumps=bool(jumps),
    blank=blank,
  )


@functools.lru_cache(maxsize=4096)
def _measured(path: str, size: int, changed: int) -> Measured:
  """Measures a file once, as long as it stays as it is."""
  del size, changed
  stream = streams.Stream(path)
  try:
    return measure(stream)
  finally:
    stream.close()


def _measure_once(stream: streams.Stream) -> Measured:
  if isinstance(stream.video, bytes):
    return measure(stream)
  stat = os.stat(stream.video)
  return _measured(stream.video, stat.st_size, stat.st_mtime_ns)


def read(stream: streams.Stream, careful: bool = False) -> Clock:
  """Returns the clock of a file.

  Args:
    stream: opened.
    careful: whether seeks in it were found to lie.

  Raises:
    faults.Refused: if it has no timestamps.
  """
  blank = not stream.undated and any(
    packet.pts is None and packet.size for packet in _head(stream)
  )
  if careful or blank or not stream.seekable or _jumps(stream):
    return _careful(stream)
  tick = stream.tick
  fps = frame_rate(stream)
  origin = _origin(stream)
  end = _claimed_end(stream, fps)
  duration = (end - origin) * tick
  return Clock(
    origin=origin,
    tick=tick,
    tolerance=_tolerance(tick),
    fps=fps,
    duration=duration,
    frames=_frames(stream, duration, fps),
  )


def _careful(stream: streams.Stream) -> Clock:
  """Returns the clock of a file in which seeks lie."""
  measured = _measure_once(stream)
  tick = stream.tick
  fps = frame_rate(stream, measured)
  origin = min(_origin(stream), measured.first)
  end = measured.end
  if end == measured.last:
    end += 1 / (fps * tick)
  if stream.seekable and not stream.discontinuous:
    end = max(end, _claimed_end(stream, fps))
  return Clock(
    origin=origin,
    tick=tick,
    tolerance=_tolerance(tick),
    fps=fps,
    duration=(end - origin) * tick,
    frames=measured.count,
    steady=False,
    dated=not measured.blank,
  )


def _tolerance(tick: float) -> float:
  return max(min(tick / 2, _MOST_TOLERANCE), _MICROSECOND)


def _frames(stream: streams.Stream, duration: float, fps: float) -> int:
  if stream.format == 'mov' and stream.stream.frames:
    return stream.stream.frames
  return round(duration * fps)


def _head(stream: streams.Stream) -> list[av.Packet]:
  """Returns the first packets of containers that have no index of all."""
  return [] if _is_indexed(stream) else stream.head(_FEW)


def _is_indexed(stream: streams.Stream) -> bool:
  return stream.format == 'mov' and stream.stream.frames > 0


def _origin(stream: streams.Stream) -> float:
  """Returns the tick at which a file begins."""
  start, tick = stream.container.start_time, stream.tick
  if stream.undated and stream.reordered:
    shown = [p.pts for p in _head(stream) if p.pts is not None]
    return min(shown, default=0)
  if start is None:
    return 0
  exact = start / (av.time_base * tick)
  near = round(exact)
  return near if abs(near - exact) * tick <= _MICROSECOND else exact


def _jumps(stream: streams.Stream) -> bool:
  """Returns whether the clock of a file that can be sought jumps.

  A large file is not read whole for it. A part of it that is shorter than the
  distance of the places is found when it is read.
  """
  if not stream.discontinuous:
    return False
  if stream.size <= _SMALL:
    return measure(stream).jumps
  seen = stream.sample(np.linspace(0, stream.size, _PLACES, endpoint=False))
  steps = np.diff(seen) * stream.tick
  return bool((steps < -_JUMP_BACK).any())


def frame_rate(
  stream: streams.Stream, measured: Measured | None = None
) -> float:
  """Returns the frames per second that the timestamps bear out."""
  stated = [
    float(rate)
    for rate in (stream.stream.average_rate, stream.stream.guessed_rate)
    if rate
  ]
  if _is_indexed(stream):
    return _indexed_rate(stream, stated)
  stamps = _stamps(stream, _head(stream))
  steps = np.diff(stamps[: max(2, len(stamps) - timestamps.MOST_REORDERED)])
  if not steps.size:
    return next((rate for rate in stated if rate <= 1000), DEFAULT_FPS)
  step = float(np.median(steps)) * stream.tick
  slack = min(stream.tick, step / 4)
  for rate in stated:
    if abs(1 / rate - step) <= slack:
      return rate
  if measured is None:
    stream.rewind()
    packets = itertools.islice(stream.packets(), _MANY)
    stamps = _stamps(stream, packets)
    count, span = len(stamps), stamps[-1] - stamps[0]
  else:
    count, span = measured.count, measured.last - measured.first
  return _rate(count, span * stream.tick)


def _stamps(stream: streams.Stream, packets: Iterator[av.Packet]) -> np.ndarray:
  """Returns the different timestamps of packets, in order."""
  stamps = [p.dts if stream.undated else p.pts for p in packets if p.size]
  return np.unique([stamp for stamp in stamps if stamp is not None])


def _indexed_rate(stream: streams.Stream, stated: list[float]) -> float:
  """Returns the rate of a file with an index of all frames.

  The stated one is that of the index, but for a last frame that is held long.
  """
  entries = stream.stream.index_entries
  count = len(entries)
  if count < 2:
    return next((rate for rate in stated if rate <= 1000), DEFAULT_FPS)
  span = entries[count - 1].timestamp - entries[0].timestamp
  rate = _rate(count, span * stream.tick)
  return next((r for r in stated if abs(r - rate) < 0.01 * rate), rate)


def _rate(count: int, span: float) -> float:
  """Returns the rate at which frames begin within `span` seconds.

  It is a whole number, or 1000 / 1001 of one, if it is that but for what one
  frame may have come early or late.
  """
  if count < 2 or span <= 0:
    return DEFAULT_FPS
  rate = (count - 1) / span
  nice = [round(rate), round(rate / _NTSC) * _NTSC]
  best = min(nice, key=lambda other: abs(other - rate))
  near = abs(best - rate) <= rate * max(1e-3, 0.5 / count)
  return float(best) if best and near else rate


def _claimed_end(stream: streams.Stream, fps: float) -> float:
  """Returns the tick at which the pictures end, as the container claims.

  Only claims about the video stream count where there are any: sound may
  well last longer than the pictures. Matroska counts from zero, not from where
  the file begins.
  """
  video, container = stream.stream, stream.container
  if video.duration:
    # The count in an avi's header outlives a truncation, its duration not.
    counted = video.frames if stream.format == 'avi' else 0
    begins = _origin(stream) if stream.undated else video.start_time or 0
    return begins + max(video.duration, counted)
  tag = timestamps.seconds(video.metadata.get('DURATION', ''))
  if tag is not None:
    return tag / stream.tick
  silent = not container.streams.audio
  if container.duration and silent and stream.format == 'matroska':
    return container.duration / (av.time_base * stream.tick)
  return _measured_end(stream, fps)


def _measured_end(stream: streams.Stream, fps: float) -> float:
  """Returns the tick at which the last packet ends: if nothing is claimed."""
  start, duration = stream.container.start_time, stream.container.duration
  if duration is None:
    measured = _measure_once(stream)
    last, end = measured.last, measured.end
  else:
    promised = ((start or 0) + duration) / av.time_base
    last, end, latest = stream.tail(int(promised / stream.tick))
    if last is None or promised - latest > _LOST:
      return promised / stream.tick
  return end if end > last else last + 1 / (fps * stream.tick)
