"""The clock of a video file.

Second 0 is where the file begins, as players and ffmpeg's command line have it:
where the first of its streams begins, which may be the sound. Pictures that
begin later are shown late. Where a container stores no presentation times (AVI,
ASF) and pictures are stored in another order than they are shown in, they are
shown as early as they can be decoded.
"""

from __future__ import annotations

import dataclasses
import functools
import os

import av
import numpy as np

from vidpetl.data import frame_rate, packets, streams, timestamps

# Timestamps are rounded to the stream's ticks: 1 ms in webm, where frame 1 of
# a 30 fps video begins at 0.033. A tick of an avi is a whole frame instead.
_MOST_TOLERANCE = 1e-3
# Containers state where they begin in microseconds.
_MICROSECOND = 1e-6

# Containers of which FFmpeg knows how long the pictures last, not all streams.
_CLAIM = ('mov', 'avi', 'mpegts', 'mxf', 'gif', 'dv', 'ogg')
# Seconds by which a file that is whole may end before its header says.
_LOST = 0.5

# Bytes of a stream that is read whole to see whether its clock jumps; larger
# ones are looked at in so many places.
_SMALL, _PLACES = 1 << 24, 32
# Times as long as the usual one that a film may take from place to place.
_UNEVEN = 10


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


@functools.lru_cache(maxsize=4096)
def _measured(path: str, size: int, changed: int) -> packets.Measured:
  """Measures a file once, as long as it stays as it is."""
  del size, changed
  stream = streams.Stream(path)
  try:
    return packets.measure(stream)
  finally:
    stream.close()


def _measure_once(stream: streams.Stream) -> packets.Measured:
  if isinstance(stream.video, bytes):
    return packets.measure(stream)
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
  careful = careful or not stream.seekable or _misdated(stream)
  if careful or _jumps(stream):
    return _careful(stream)
  tick = stream.tick
  fps = frame_rate.of(stream)
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
  fps = frame_rate.of(stream, measured)
  origin = min(_origin(stream), measured.first)
  end = measured.end
  if end == measured.last:
    end += 1 / (fps * tick)
  if stream.format in _CLAIM and not stream.discontinuous:
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


def _misdated(stream: streams.Stream) -> bool:
  """Returns whether timestamps lack, or are those of decoding throughout."""
  first = [packet for packet in frame_rate.head(stream) if packet.size]
  if stream.undated or not first:
    return False
  if any(packet.pts is None for packet in first):
    return True
  by_decoding = all(packet.pts == packet.dts for packet in first)
  return stream.reordered and by_decoding and len(first) > 1


def _tolerance(tick: float) -> float:
  return max(min(tick / 2, _MOST_TOLERANCE), _MICROSECOND)


def _frames(stream: streams.Stream, duration: float, fps: float) -> int:
  if stream.format == 'mov' and stream.stream.frames:
    return stream.stream.frames
  return round(duration * fps)


def _origin(stream: streams.Stream) -> float:
  """Returns the tick at which a file begins."""
  start, tick = stream.container.start_time, stream.tick
  exact = (start or 0) / (av.time_base * tick)
  near = round(exact)
  begins = near if abs(near - exact) * tick <= _MICROSECOND else exact
  if not (stream.undated and stream.reordered):
    return begins
  return begins + _delay(frame_rate.head(stream))


def _delay(first: list[av.Packet]) -> int:
  """Returns by how many ticks a decoder shows pictures later than it could."""
  dated = [p for p in first if p.pts is not None and p.dts is not None]
  shown = np.sort([packet.pts for packet in dated])
  decoded = np.sort([packet.dts for packet in dated])
  return int(min(shown - decoded, default=0))


def _jumps(stream: streams.Stream) -> bool:
  """Returns whether the clock of a file that can be sought jumps.

  A large file is not read whole for it. A part of it that is shorter than the
  distance of the places is found when it is read.
  """
  if not stream.discontinuous:
    return False
  if stream.size <= _SMALL:
    return _measure_once(stream).jumps
  seen = stream.sample(np.linspace(0, stream.size, _PLACES, endpoint=False))
  steps = np.diff(seen) * stream.tick
  if not steps.size:
    return False
  most = packets.JUMP_AHEAD + _UNEVEN * np.median(steps)
  return bool(((steps < -packets.JUMP_BACK) | (steps > most)).any())


def _claimed_end(stream: streams.Stream, fps: float) -> float:
  """Returns the tick at which the pictures end, as the container claims.

  Only claims about the video stream count where there are any: sound may
  well last longer than the pictures. Matroska counts from zero, not from where
  the file begins.
  """
  video, container = stream.stream, stream.container
  if video.duration and stream.format in _CLAIM:
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
  last = None
  if duration is not None:
    promised = ((start or 0) + duration) / av.time_base
    last, end, latest = stream.tail(int(promised / stream.tick))
    if last is not None and promised - latest > _LOST:
      return promised / stream.tick
  if last is None:
    measured = _measure_once(stream)
    last, end = measured.last, measured.end
  return end if end > last else last + 1 / (fps * stream.tick)
