"""The last frames of what is annotated."""

from __future__ import annotations

import dataclasses

import numpy as np

from vidpetl import ranges
from vidpetl.data import samplers


@dataclasses.dataclass(frozen=True)
class Tail(samplers.Sampler):
  """Consecutive frames up to the end.

  Attributes:
    shift: in training, the clip is moved by up to so many frames, to either
      side.
  """

  shift: ranges.Natural = 0

  def times(self, extent, cut, fps, draws):
    extent.check()
    shift = 0
    if cut.train:
      shift = int(draws.clip()[0] * (2 * self.shift + 1)) - self.shift
    total = max(1, round(extent.duration * fps))
    end = round(extent.end * fps)
    return ((frames_of(end, cut.frames, total, shift) + 0.5) / fps)[None]


def frames_of(end: int, frames: int, total: int, shift: int = 0) -> np.ndarray:
  """Returns the last frames before frame number `end`, counted from 0.

  Args:
    end: first frame that is not to be shown.
    frames: how many to show.
    total: number of frames in the file. It may have to be left neither at its
      beginning nor at its end: the clip is moved into it. If it is shorter
      than the clip, its last frame is repeated.
    shift: moves the clip by so many frames.
  """
  begin = max(0, min(end - frames + shift, total - frames))
  return np.minimum(begin + np.arange(frames), total - 1)


SAMPLER = Tail
