"""The frame rate of a video, as its timestamps bear it out.

It is the one that the header states, if the timestamps agree. Otherwise it is
taken from the timestamps. Headers may state the clock's ticks instead: 1000 in
Matroska, 600 in AVI, 90000 in MPEG.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import av
import numpy as np

from vidpetl.data import packets, streams, timestamps

# Of files and folders that do not say how fast they are.
DEFAULT_FPS = 25.0
# No film is faster, but for its last packet's claim.
_FASTEST = 1000

# Packets by which a stated rate is checked, and by which one is measured.
_FEW, _MANY = 32, 3000
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
    return _indexed_rate(stream, stated)
  stamps = _stamps(stream, head(stream))
  steps = np.diff(stamps[: max(2, len(stamps) - timestamps.MOST_REORDERED)])
  if not steps.size:
    return next((rate for rate in stated if rate <= _FASTEST), DEFAULT_FPS)
  step = float(np.median(steps)) * stream.tick
  slack = min(stream.tick, step / 4)
  for rate in stated:
    if abs(1 / rate - step) <= slack:
      return rate
  if measured is None:
    stream.rewind()
    stamps = _stamps(stream, itertools.islice(stream.packets(), _MANY))
    count, span = len(stamps), stamps[-1] - stamps[0]
  else:
    count, span = measured.count, measured.last - measured.first
  return _rate(count, span * stream.tick)


def _stamps(stream: streams.Stream, found: Iterator[av.Packet]) -> np.ndarray:
  """Returns the different timestamps of packets, in order."""
  stamps = [p.dts if stream.undated else p.pts for p in found if p.size]
  return np.unique([stamp for stamp in stamps if stamp is not None])


def _indexed_rate(stream: streams.Stream, stated: list[float]) -> float:
  """Returns the rate of a file with an index of all frames.

  The stated one is that of the index, but for a last frame that is held long.
  """
  entries = stream.stream.index_entries
  count = len(entries)
  if count < 2:
    return next((rate for rate in stated if rate <= _FASTEST), DEFAULT_FPS)
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
