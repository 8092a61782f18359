"""The frame rate of a video, as its timestamps bear it out.

It is the one that the header states, if the timestamps agree. Otherwise it is
taken from the timestamps. Headers may state the clock's ticks instead: 1000 in
Matroska, 600 in AVI, 90000 in MPEG.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator

import av

from vidpetl.data import packets, streams, timestamps

# Of files and folders that do not say how fast they are.
DEFAULT_FPS = 25.0
# No film is faster, but for its last packet's claim.
_FASTEST = 1000

# Packets by which a stated rate is checked, and by which one is measured.
_FEW, _MANY = 32, 3000
# Share of the steps from frame to frame that a rate has to explain: of a film
# that was stretched to 30 fps it is a half.
_MOST_STEPS = 0.6
# Times the usual step for which a picture is held rather than shown.
_HELD = 10
# Frames of one second in rates that are in use, besides whole numbers.
_NTSC = 1000 / 1001


def head(stream: streams.Stream) -> list[av.Packet]:
  """Returns the first packets of containers that have no index of all."""
  return [] if _is_indexed(stream) else stream.head(_FEW)


def _is_indexed(stream: streams.Stream) -> bool:
  return stream.format == 'mov' and stream.stream.frames > 0


def of(
  stream: streams.Stream, measured: packets.Measured | None = None
) -> float:
  """Returns the frames per second of a video.

  Args:
    stream: opened.
    measured: what all of its packets say, if they were read.
  """
  stated = [
    float(rate)
    for rate in (stream.stream.average_rate, stream.stream.guessed_rate)
    if rate
  ]
  if _is_indexed(stream):
    few = _index(stream, _FEW)
  else:
    few = _stamps(stream, head(stream))
    few = few[: max(2, len(few) - timestamps.MOST_REORDERED)]
  if len(few) < 2:
    return next((rate for rate in stated if rate <= _FASTEST), DEFAULT_FPS)
  rate = next((r for r in stated if _bears_out(few, stream.tick, r)), None)
  if rate is not None:
    return rate
  if measured is not None:
    span = measured.last - measured.first
    return _rate(measured.count - 1, span * stream.tick)
  if _is_indexed(stream):
    steps = _steps(_index(stream, _MANY))
  else:
    stream.rewind()
    first = itertools.islice(stream.packets(), _MANY)
    steps = _steps(_stamps(stream, first))
  return _rate(len(steps), float(sum(steps)) * stream.tick)


# Lists, not arrays: this is done for each clip, of so few that numpy's calls
# would take a hundredth of all that a clip takes.
def _stamps(stream: streams.Stream, found: Iterator[av.Packet]) -> list[int]:
  """Returns the different timestamps of packets, in order."""
  stamps = {p.dts if stream.undated else p.pts for p in found if p.size}
  return sorted(stamps - {None})


def _index(stream: streams.Stream, count: int) -> list[int]:
  """Returns the first timestamps in the index of a file."""
  entries = stream.stream.index_entries
  count = min(count, len(entries))
  return sorted({entries[i].timestamp for i in range(count)})


def _apart(stamps: list[int]) -> list[int]:
  """Returns ticks from each timestamp to the next."""
  return [later - stamp for stamp, later in itertools.pairwise(stamps)]


def _steps(stamps: list[int]) -> list[int]:
  """Returns ticks from frame to frame, without pictures that are held."""
  steps = _apart(stamps)
  most = _HELD * statistics.median(steps) if steps else 0
  return [step for step in steps if step <= most]


def _bears_out(stamps: list[int], tick: float, rate: float) -> bool:
  """Returns whether most frames follow each other at a rate.

  Each may be off by the rounding to ticks. Together they must not be: a rate
  that is too low is that of a film whose last picture is held.
  """
  steps = [step * tick for step in _apart(stamps)]
  slack = min(tick, statistics.median(steps) / 4)
  near = [step for step in steps if abs(1 / rate - step) <= slack]
  if len(near) < _MOST_STEPS * len(steps):
    return False
  return abs(statistics.fmean(near) - 1 / rate) <= slack / 2


def _rate(count: int, span: float) -> float:
  """Returns the rate at which `count` steps take `span` seconds.

  It is a whole number, or 1000 / 1001 of one, if it is that but for what one
  frame may have come early or late.
  """
  if count < 1 or span <= 0:
    return DEFAULT_FPS
  rate = count / span
  nice = [round(rate), round(rate / _NTSC) * _NTSC]
  best = min(nice, key=lambda other: abs(other - rate))
  near = abs(best - rate) <= rate * max(1e-3, 0.5 / count)
  return float(best) if best and near else rate
