"""Which frames of a film are as they were recorded.

Decoders hide damage: they show what they have guessed, mark it, and go on.
What refers to such a picture is wrong as well, and is not marked. So a frame is
taken as damaged

*   if the decoder marks it, or refuses what comes before it;
*   behind such a one, up to the next keyframe;
*   before such a one, if it is a B-frame, which refers to what comes later.

What is shown before the first keyframe that is read cannot be decoded, in files
that are whole, too: decoders leave it out, and it counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
from av.video.frame import PictureType

from vidpetl.data import faults

# How much decoders look for, where that finds damage and nothing else. Of
# H.264 and others, they mark as much without. VP8, VP9 and FFV1 mark nothing.
DETECTION = {
  'mjpeg': 'explode',
  'png': 'crccheck+explode',
  'hevc': 'explode',
}
# B-frames that wait for what they refer to.
_MOST_WAITING = 8

Shown = Iterator[tuple[np.ndarray, av.VideoFrame]]


class Judge:
  """Marks the damaged frames of packets that are decoded in their order.

  Attributes:
    reason: what the decoder said last of a packet that it refused, '' if it
      refused none.
    pending: whether no frame has come since.
  """

  def __init__(self):
    self.reason, self.pending = '', False
    self._broken = False
    self._first: int | None = None
    self._keys: set[int] = set()
    self._begun = False
    self._waiting: list[av.VideoFrame] = []

  def frames(self, packets: Iterator[av.Packet]) -> Iterator[av.VideoFrame]:
    """Yields the frames of packets in the order shown; see `is_damaged`."""
    for packet in packets:
      for frame in self._decoded(packet):
        yield from self._settled(frame)
    yield from self._waiting

  def _decoded(self, packet: av.Packet) -> list[av.VideoFrame]:
    self._begin(packet)
    try:
      return packet.decode()
    except av.EOFError:
      raise
    except av.FFmpegError as error:
      if self._counts(packet):
        self.reason, self.pending = faults.reason(error), True
      return []

  def _begin(self, packet: av.Packet) -> None:
    """Takes down keyframes, and which is the first."""
    if not packet.is_keyframe:
      return
    if not self._begun:
      self._begun, self._first = True, packet.pts
    if packet.pts is not None:
      self._keys.add(packet.pts)

  def _counts(self, packet: av.Packet) -> bool:
    """Returns whether a packet can be decoded if the file is whole."""
    if self._first is None or packet.pts is None:
      return self._begun
    return packet.pts >= self._first

  def _settled(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
    """Yields frames of which all is known that will be."""
    if frame.is_corrupt or self.pending:
      self._broken, self.pending = True, False
      for before in self._waiting:
        _mark(before)
    elif self._is_key(frame):
      self._broken = False
    if self._broken:
      _mark(frame)
    self._waiting.append(frame)
    later = frame.pict_type == PictureType.B and not self._broken
    if not later or len(self._waiting) > _MOST_WAITING:
      yield from self._waiting
      self._waiting = []

  def _is_key(self, frame: av.VideoFrame) -> bool:
    """Whether a frame is a keyframe, and not by a damaged bit alone."""
    return frame.key_frame and (not self._keys or frame.pts in self._keys)


class _Mark:
  """What is put on a frame; PyAV knows them by where they are in memory."""


def _mark(frame: av.VideoFrame) -> None:
  frame.opaque = _Mark()


def is_damaged(frame: av.VideoFrame) -> bool:
  """Returns whether a frame that a judge has seen is damaged."""
  return isinstance(frame.opaque, _Mark)


def held(shown: Iterator[tuple[np.ndarray, av.VideoFrame | None]]) -> Shown:
  """Shows the last intact frame, or else the first, in a damaged one's place.

  Args:
    shown: places and the frame that is shown there; None for a damaged one.

  Raises:
    faults.Refused: if none is intact.
  """
  last, early = None, []
  for places, frame in shown:
    last = frame or last
    if last is None:
      early.append(places)
      continue
    yield np.concatenate([*early, places]), last
    early = []
  if early:
    raise faults.Refused('is damaged: no frame that is wanted is intact')
