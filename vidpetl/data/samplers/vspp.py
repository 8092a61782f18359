"""One part of a clip at another speed than the rest: which, and at which?

Dadashzadeh et al. 2024, sec. 3.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from vidpetl import ranges
from vidpetl.data import samplers

# Last frames of a video that are left alone.
_SPARED = 3

# Frames that must follow one at natural speed, lest the walk begins anew: the
# next may be at any speed.
_AHEAD = 4


@dataclasses.dataclass(frozen=True)
class Vspp(samplers.Sampler):
  """The walk of video segment pace prediction, from a random frame.

  Answers: 'speed' and 'part', both counted from 0.

  Attributes:
    rates: speeds are 1 to `rates` times the video's. As `natural` is none of
      them, 5 leaves the paper's four: 2 3 4 5, or 1 2 4 5 of gait, whose
      natural speed is 3.
    parts: into how many the clip is divided.
    natural: speed of the other parts, and none of the speeds that are drawn.
    natural_drawn: whether `natural` may be drawn all the same.
  """

  rates: ranges.Count = 5
  parts: ranges.Count = 4
  natural: ranges.Count = 1
  natural_drawn: bool = False
  pretext: ClassVar[bool] = True
  answers: ClassVar[tuple[str, ...]] = ('speed', 'part')

  def __post_init__(self):
    super().__post_init__()
    if not self.speeds:
      raise ValueError(
        f'rates={self.rates} leaves no speed but natural={self.natural}'
      )

  @property
  def speeds(self) -> tuple[int, ...]:
    """What the speed of the part is drawn of."""
    return tuple(
      speed
      for speed in range(1, self.rates + 1)
      if self.natural_drawn or speed != self.natural
    )

  def times(self, extent, cut, fps, draws):
    rate, part, moment = self._drawn(draws)
    count = max(1, extent.count(fps) - _SPARED)
    frames = walk(
      1 + int(moment * max(1, count - cut.frames)),
      rate,
      part,
      frames=cut.frames,
      parts=self.parts,
      natural=self.natural,
      count=count,
    )
    return extent.times_of(frames, fps)

  def labels(self, draws):
    rate, part, _ = self._drawn(draws)
    return {'speed': rate - 1, 'part': part - 1}

  def _drawn(self, draws: samplers.Draws) -> tuple[int, int, float]:
    """Returns rate, part, and the place in time in [0, 1)."""
    speed, part, moment = draws.uniform(3, 'pretext')
    rate = self.speeds[int(speed * len(self.speeds))]
    return rate, 1 + int(part * self.parts), moment


def walk(
  start: int,
  rate: int,
  part: int,
  *,
  frames: int,
  parts: int,
  natural: int,
  count: int,
) -> np.ndarray:
  """Returns the frames of video segment pace prediction, counted from 1.

  Frames i with floor((part - 1) L / zeta) <= i <= floor(part L / zeta) come
  `rate` after the one before, the first one after them comes 1 after it, and
  all others `natural`. The part has both ends, and so one frame more than its
  share. The walk goes on at frame 1 where a frame would lie beyond the last
  one, or fewer than 4 frames would be left behind one at natural speed.

  Args:
    start: first frame.
    rate: speed of the part.
    part: which one is at that speed, 1 to `parts`.
    frames: L, of the clip.
    parts: zeta.
    natural: speed of the other parts.
    count: last frame that may be shown.
  """
  first, last = (part - 1) * frames // parts, part * frames // parts
  found = [start]
  for i in range(1, frames):
    paced_before = first <= i - 1 <= last
    if found[-1] + (rate if paced_before else _AHEAD) > count:
      found.append(1)
    elif first <= i <= last:
      found.append(found[-1] + rate)
    else:
      found.append(found[-1] + (1 if paced_before else natural))
  return np.array(found)


SAMPLER = Vspp
