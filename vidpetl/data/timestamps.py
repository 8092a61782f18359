"""Timestamps: as text, and of frames whose own are missing or out of order."""

from __future__ import annotations

import collections
import heapq
import re
from collections.abc import Iterator

import av

from vidpetl.data import faults

# Frames that H.264 may hold back before it shows them.
MOST_REORDERED = 16

_CLOCK = re.compile(r'(\d+):(\d+):(\d+(?:\.\d*)?)')


def seconds(text: str) -> float | None:
  """Returns the seconds of '01:02:03.5', None for another text."""
  clock = _CLOCK.fullmatch(text)
  if not clock:
    return None
  hours, minutes, rest = clock.groups()
  return 3600 * int(hours) + 60 * int(minutes) + float(rest)


def in_order(
  frames: Iterator[av.VideoFrame], delay: int = MOST_REORDERED
) -> Iterator[av.VideoFrame]:
  """Gives frames, which come in the order shown, ascending timestamps.

  Args:
    frames: whose timestamps are the right ones in another order.
    delay: by how many frames a timestamp may come late.
  """
  waiting, stamps = collections.deque(), []
  for frame in frames:
    waiting.append(frame)
    if frame.pts is not None:
      heapq.heappush(stamps, frame.pts)
    if len(waiting) > delay:
      yield _stamped(waiting.popleft(), stamps)
  while waiting:
    yield _stamped(waiting.popleft(), stamps)


def _stamped(frame: av.VideoFrame, stamps: list[int]) -> av.VideoFrame:
  """Gives a frame the earliest of the timestamps, if it has one."""
  if frame.pts is not None:
    frame.pts = heapq.heappop(stamps)
  return frame


def filled(
  frames: Iterator[av.VideoFrame], first: float, period: float
) -> Iterator[av.VideoFrame]:
  """Gives frames without a timestamp the one that follows from the last.

  Args:
    frames: in the order shown.
    first: timestamp of the first, if it has none.
    period: ticks of a frame that does not say how long it is.
  """
  expected = first
  for frame in frames:
    if frame.pts is None:
      frame.pts = round(expected)
    expected = frame.pts + (frame.duration or period)
    yield frame


def checked(
  frames: Iterator[av.VideoFrame], most_ahead: float
) -> Iterator[av.VideoFrame]:
  """Yields frames whose timestamps ascend.

  Args:
    frames: in the order shown.
    most_ahead: ticks from one frame to the next.

  Raises:
    faults.LyingError: if one has none, an earlier one, or one too far ahead.
  """
  last = None
  for frame in frames:
    if frame.pts is None or (
      last is not None and not 0 <= frame.pts - last <= most_ahead
    ):
      raise faults.LyingError
    last = frame.pts
    yield frame


def decoding(frame: av.VideoFrame) -> av.VideoFrame:
  """Gives a frame that is shown as it is decoded the time of its packet."""
  if frame.dts is not None:
    frame.pts = frame.dts
  return frame
