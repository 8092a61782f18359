"""Evenly, from a random place; in an evaluation from the middle, or several."""

from __future__ import annotations

import dataclasses
from typing import Annotated, ClassVar

import numpy as np

from vidpetl import ranges
from vidpetl.data import samplers

SHORTS = ('hold', 'loop', 'stretch')
PLACES = ('ends', 'centres')


@dataclasses.dataclass(frozen=True)
class Stride(samplers.Sampler):
  """Every `stride`th frame.

  Attributes:
    short: what becomes of an extent that is shorter than a clip: 'hold' repeats
      the last frame that its steps reach, 'loop' begins anew, which shows a
      change that no video has, and 'stretch' takes steps so small that the clip
      just fits.
    places: where k > 1 clips of a test begin: 'ends', from the first moment
      that there is to the last one; 'centres' of k parts of what there is
      between them. Both on whole frames.
  """

  short: Annotated[str, ranges.OneOf(SHORTS)] = 'hold'
  places: Annotated[str, ranges.OneOf(PLACES)] = 'ends'
  several: ClassVar[bool] = True

  def times(self, extent, cut, fps, draws):
    slack = slack_of(extent, cut, fps)
    if cut.train:
      begins = np.array([draws.clip()[0]]) * slack
    elif cut.views[0] == 1:
      begins = np.array([slack / 2])
    else:
      begins = _begins(slack * fps, cut.views[0], self.places) / fps
    return walks(extent, cut, fps, begins, self.short)


def _begins(slack: float, clips: int, places: str) -> np.ndarray:
  """Returns in which frame clips begin, of `slack` + 1 in which they can."""
  if places == 'centres':
    begins = np.floor((np.arange(clips) + 0.5) * (slack + 1) / clips)
  else:
    begins = np.round(np.linspace(0, slack, clips))
  return np.minimum(begins, slack)


def slack_of(extent: samplers.Extent, cut: samplers.Cut, fps: float) -> float:
  """Returns by how many seconds an extent is longer than a clip."""
  return max(0.0, extent.length - cut.frames * cut.stride / fps)


def walks(
  extent: samplers.Extent,
  cut: samplers.Cut,
  fps: float,
  begins: np.ndarray,
  short: str,
) -> np.ndarray:
  """Returns times [clips, t] of even steps.

  Args:
    extent: what may be shown.
    cut: frames and stride of a clip.
    fps: in which the stride counts.
    begins: [clips] seconds from the extent's beginning.
    short: one of `SHORTS`.
  """
  steps, length = np.arange(cut.frames), extent.length
  # The margin keeps a frame that rounding puts just before the end from being
  # taken for one that lies within it.
  margin = 1e-6
  if short == 'stretch':
    step = min(cut.stride / fps, length / cut.frames)
    return extent.begin + begins[:, None] + steps * step
  times = begins[:, None] + steps * (cut.stride / fps)
  if short == 'loop':
    loops = np.floor(times / length + margin)
    return extent.begin + np.maximum(times - loops * length, 0)
  within = times < length * (1 - margin)
  within[:, 0] = True
  last = np.where(within, times, 0).max(1, keepdims=True)
  return extent.begin + np.minimum(times, last)


SAMPLER = Stride
