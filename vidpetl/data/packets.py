"""The packets of a video from its start, by one clock that does not jump.

A clock may restart or jump in streams that were recorded in parts, or joined as
bytes. Times then go on as in ffmpeg's command line: a packet that is dated by
more than 0.1 s before the last one, or by more than 10 s off where that one
ends, follows that one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import av

from vidpetl.data import faults, streams

JUMP_BACK, JUMP_AHEAD = 0.1, 10.0  # seconds

# Codecs whose pictures have numbers, and seconds by which their times in a
# program stream may be off.
_COUNTED = ('mpeg1video', 'mpeg2video')
_MOST_GUESSED = 0.25
_TURN = 1024  # the number after which they begin anew


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


class _Counted:
  """Dates pictures of MPEG-1 and MPEG-2 by their number.

  Program streams date few of their pictures. FFmpeg guesses the others, and is
  off by some frames now and then. But pictures say their place among those of
  their group.
  """

  _GROUP, _PICTURE = b'\0\0\1\xb8', b'\0\0\1\0'

  def __init__(self):
    self._count, self._group = 0, 0
    self._shown, self._delay = None, None  # ticks

  def date(self, packet: av.Packet) -> None:
    """Gives a packet of such a stream the time at which it is shown."""
    content = bytes(packet)
    at = content.find(self._PICTURE)
    if at < 0 or len(content) < at + 6 or not packet.duration:
      return
    if content.find(self._GROUP, 0, at) >= 0:
      self._group = self._count
    place = (content[at + 4] << 2) + (content[at + 5] >> 6)
    behind = self._count - self._group
    place += _TURN * round((behind - place) / _TURN)
    later = (place - behind) * packet.duration
    self._follow(packet, later)
    packet.dts = self._shown
    packet.pts = self._shown + later
    self._shown += packet.duration
    self._count += 1

  def _follow(self, packet: av.Packet, later: int) -> None:
    """Goes on from the last packet, unless there is a gap."""
    if self._shown is None:
      stated = packet.dts if packet.pts is None else packet.pts - later
      self._shown = stated or 0
    if packet.dts is None:
      return
    if self._delay is None:
      self._delay = self._shown - packet.dts
    off = packet.dts + self._delay - self._shown
    if abs(off) * packet.time_base > _MOST_GUESSED:
      self._shown += off


def joined(
  stream: streams.Stream, jumps: list[float], heard: bool = False
) -> Iterator[av.Packet]:
  """Yields packets from the start, as if their clock did not jump.

  The sound has a say, too, as its clock is the same: what comes first behind a
  jump follows its like.

  Args:
    stream: whose packets are in the order stored.
    jumps: is given the seconds by which later times are shifted, at each jump.
    heard: whether those of the first sound are yielded, too.
  """
  stream.rewind(sound=True)
  film, shift = stream.stream.index, 0.0
  last, expected = {}, {}
  counted = stream.format == 'mpeg' and stream.codec in _COUNTED
  counter = _Counted() if counted else None
  for packet in stream.packets(sound=True):
    index, tick = packet.stream.index, float(packet.time_base)
    if counter and index == film and packet.size:
      counter.date(packet)
    if packet.dts is not None:
      dts = packet.dts * tick + shift
      step = dts - last.get(index, dts)
      if index in last and (
        abs(dts - expected[index]) > JUMP_AHEAD or -step > JUMP_BACK
      ):
        step = expected[index] - last[index]
        shift += expected[index] - dts
        dts = expected[index]
        jumps.append(shift)
      last[index] = dts
      expected[index] = dts + ((packet.duration or 0) * tick or step)
    if index == film or heard:
      ticks = round(shift / tick)
      if packet.dts is not None:
        packet.dts += ticks
      if packet.pts is not None:
        packet.pts += ticks
      if _is_beyond(packet):
        packet.pts = None
      yield packet


def _is_beyond(packet: av.Packet) -> bool:
  """Returns whether a picture is dated behind a jump that is still to come."""
  if packet.pts is None or packet.dts is None:
    return False
  return (packet.pts - packet.dts) * packet.time_base > JUMP_AHEAD / 2


def from_start(
  stream: streams.Stream, jumps: list[float] | None = None
) -> Iterator[av.Packet]:
  """Yields all packets, with the times of a clock that does not jump."""
  if stream.discontinuous:
    yield from joined(stream, [] if jumps is None else jumps)
  else:
    stream.rewind()
    yield from stream.packets()


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
  jumps, begins, ends = [], [], []
  leading, blank = 0, 0
  for packet in from_start(stream, jumps):
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
