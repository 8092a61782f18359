"""Timestamps: as text, and of frames that are not stored in their order."""

from __future__ import annotations

import collections
import heapq
import re
from collections.abc import Iterator

import av

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
