"""Evenly, around the moment that is annotated."""

from __future__ import annotations

import dataclasses

import numpy as np

from vidpetl.data import samplers


@dataclasses.dataclass(frozen=True)
class Around(samplers.Sampler):
  """Every `stride`th frame; the moment is that of frame t / 2.

  A clip that reaches beyond the file repeats its first or last frame.
  """

  def times(self, extent, cut, fps, draws):
    del draws
    steps = np.arange(cut.frames) * (cut.stride / fps)
    # The moment is element t / 2: 16 of 32, with 16 before and 15 after.
    times = extent.moment + steps - steps[cut.frames // 2]
    if times[0] > extent.duration or times[-1] < 0:
      raise samplers.OutsideError
    return times[None]


SAMPLER = Around
