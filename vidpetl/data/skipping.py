"""Pictures that need not be decoded: nobody looks at them.

Where a keyframe lies well before the next picture that is wanted, it is sought.

Of the pictures between a keyframe and the one that is wanted, and between those
that are wanted, the decoder leaves out which no other one refers to. What it
does show stays the same to the bit.

When a picture ceases to be shown is known once the next one has come. It is
taken from the packet's duration, and looked at again when a picture is chosen.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from typing import Protocol

import av
import numpy as np

from vidpetl.data import clock as clock_lib
from vidpetl.data import faults, streams

# Codecs whose decoders can leave out what nothing refers to.
_CODECS = {'h264', 'hevc', 'mpeg4', 'mpeg2video', 'mpeg1video', 'vp8'}
# Frames that a seek between two times of a clip leaves out at least.
_WORTH = 16
# Times its duration for which a picture may be shown, as durations are rounded.
_LONGEST = 1.5


class SkippedError(faults.LyingError):
  """A picture was left out that is shown: its packet told a wrong duration."""


class Skipper:
  """Leaves out pictures of one pass through a film; all times in ticks."""

  def __init__(self, context: av.CodecContext, wanted: Sequence[float]):
    """Begins a pass.

    Args:
      context: of the decoder.
      wanted: ticks at which pictures are looked at, ascending.
    """
    self._context, self._wanted = context, wanted
    self._skips = False
    self._skipped: list[int] = []

  def packets(self, packets: Iterator[av.Packet]) -> Iterator[av.Packet]:
    """Tells the decoder of each packet whether it may be left out."""
    try:
      for packet in packets:
        self._set(self._is_hidden(packet))
        if self._skips:
          bisect.insort(self._skipped, packet.pts)
        yield packet
    finally:
      self._set(False)

  def check(self, frame: av.VideoFrame, count: int) -> None:
    """Looks at what was chosen for the latest of the first `count` times.

    Raises:
      SkippedError: if a picture that was left out is shown then instead.
    """
    before = bisect.bisect_right(self._skipped, self._wanted[count - 1])
    if before and self._skipped[before - 1] > frame.pts:
      raise SkippedError

  def _set(self, skips: bool) -> None:
    if skips != self._skips:
      self._context.skip_frame = 'NONREF' if skips else 'DEFAULT'
      self._skips = skips

  def _is_hidden(self, packet: av.Packet) -> bool:
    """Returns whether nobody looks at a packet's picture."""
    if packet.pts is None or not packet.duration:
      return False
    ends = packet.pts + _LONGEST * packet.duration
    # The last picture is shown for ever, and behind the last time that is
    # wanted the next picture to come ends the pass.
    if ends >= self._wanted[-1]:
      return False
    following = bisect.bisect_left(self._wanted, packet.pts)
    return self._wanted[following] >= ends


class Sought(Protocol):
  """What `passes` asks of a video; see `decode.Video`."""

  clock: clock_lib.Clock
  fps: float

  def is_nearer_by_seek(self, reached: float, time: float) -> bool: ...


def passes(times: np.ndarray, video: Sought) -> list[np.ndarray]:
  """Returns the places of the times that are read after one seek, in order.

  Args:
    times: [t] seconds, in any order.
    video: that is read.
  """
  order = np.argsort(times, kind='stable')
  ordered, worth = times[order], _WORTH / video.fps
  far = 1 + np.flatnonzero(np.diff(ordered) > worth)
  if not video.clock.steady:
    far = ()
  nearer = video.is_nearer_by_seek
  seeks = [k for k in far if nearer(ordered[k - 1] + worth, ordered[k])]
  return np.split(order, seeks)


def of(
  stream: streams.Stream, clock: clock_lib.Clock, latest: Sequence[float]
) -> Skipper | None:
  """Returns what leaves out pictures of a pass, None if that cannot be.

  Args:
    stream: to be read.
    clock: of it.
    latest: seconds at which pictures are looked at, ascending.
  """
  dated = not (stream.undated or stream.discontinuous)
  if not (clock.steady and dated and stream.codec in _CODECS):
    return None
  # Behind the end there is the last picture.
  wanted = np.minimum(latest, clock.duration) / clock.tick + clock.origin
  return Skipper(stream.stream.codec_context, wanted.tolist())
