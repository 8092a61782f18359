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


def joined(stream: streams.Stream, jumps: list[float]) -> Iterator[av.Packet]:
  """Yields packets from the start, as if their clock did not jump.

  The sound has a say, too, as its clock is the same: what comes first behind a
  jump follows its like.

  Args:
    stream: whose packets are in the order stored.
    jumps: is given the seconds by which later times are shifted, at each jump.
  """
  stream.rewind(sound=True)
  film, shift = stream.stream.index, 0.0
  last, expected = {}, {}
  for packet in stream.packets(sound=True):
    index, tick = packet.stream.index, float(packet.time_base)
    if packet.dts is not None:
      dts = packet.dts * tick + shift
      if index in last and (
        abs(dts - expected[index]) > JUMP_AHEAD or last[index] - dts > JUMP_BACK
      ):
        shift += expected[index] - dts
        dts = expected[index]
        jumps.append(shift)
      last[index], expected[index] = dts, dts + (packet.duration or 0) * tick
    if index == film:
      ticks = round(shift / tick)
      if packet.dts is not None:
        packet.dts += ticks
      if packet.pts is not None:
        packet.pts += ticks
      yield packet


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
