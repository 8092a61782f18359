"""A clip at one of several speeds: at which?"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from vidpetl import ranges
from vidpetl.data import samplers


@dataclasses.dataclass(frozen=True)
class Pace(samplers.Sampler):
  """Every `rate`th frame from a random one, with a random rate.

  Answers: 'speed', counted from 0.

  Attributes:
    rates: speeds are 1 to `rates` times the video's.
  """

  rates: ranges.Count = 4
  pretext: ClassVar[bool] = True
  answers: ClassVar[tuple[str, ...]] = ('speed',)

  @property
  def speeds(self) -> tuple[int, ...]:
    """What the speed is drawn of."""
    return tuple(range(1, self.rates + 1))

  def times(self, extent, cut, fps, draws):
    rate, moment = self._drawn(draws)
    count = extent.count(fps)
    start = 1 + int(moment * count)
    frames = walk(start, rate, frames=cut.frames, count=count)
    return extent.times_of(frames, fps)

  def labels(self, draws):
    return {'speed': self._drawn(draws)[0] - 1}

  def _drawn(self, draws: samplers.Draws) -> tuple[int, float]:
    """Returns the rate, and the place in time in [0, 1)."""
    speed, _, moment = draws.uniform(3, 'pretext')
    return self.speeds[int(speed * len(self.speeds))], moment


def walk(start: int, rate: int, *, frames: int, count: int) -> np.ndarray:
  """Returns every `rate`th frame from `start`, at 1 again beyond `count`."""
  found = [start]
  while len(found) < frames:
    following = found[-1] + rate
    found.append(following if following <= count else 1)
  return np.array(found)


SAMPLER = Pace
