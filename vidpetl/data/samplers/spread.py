"""Evenly, from the first frame that is annotated to the last."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from vidpetl.data import samplers


@dataclasses.dataclass(frozen=True)
class Spread(samplers.Sampler):
  """The whole extent, whatever its length.

  k clips of a test take turns: together they are one clip of k times as many
  frames.
  """

  several: ClassVar[bool] = True

  def times(self, extent, cut, fps, draws):
    del draws
    clips = cut.views[0]
    frames = frames_of(clips * cut.frames, extent.count(fps))
    return extent.times_of(frames, fps).reshape(cut.frames, clips).T


def frames_of(frames: int, count: int) -> np.ndarray:
  """Returns `frames` of the frames 1 to `count`, evenly, with both ends.

  A place between two frames takes the earlier one.
  """
  places = np.linspace(0, count - 1, frames)
  # The margin keeps what rounding puts just before a frame on that frame.
  return 1 + np.floor(places + 1e-6).astype(np.int64)


SAMPLER = Spread
