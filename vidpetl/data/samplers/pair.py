"""Two clips from two random places, at evaluation too.

A video that is too short loops, as in RSPNet's code.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from vidpetl.data import samplers
from vidpetl.data.samplers import stride


@dataclasses.dataclass(frozen=True)
class Pair(samplers.Sampler):
  """Every `stride`th frame, twice."""

  lead: ClassVar[tuple[int, ...]] = (2,)
  pretext: ClassVar[bool] = True

  def times(self, extent, cut, fps, draws):
    moments = np.array([draws.of(k).clip()[0] for k in range(2)])
    begins = moments * stride.slack_of(extent, cut, fps)
    return stride.walks(extent, cut, fps, begins, 'loop')


SAMPLER = Pair
