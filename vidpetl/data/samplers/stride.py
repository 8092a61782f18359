"""Evenly, from a random place; in an evaluation from the middle, or several."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from vidpetl.data import samplers


@dataclasses.dataclass(frozen=True)
class Stride(samplers.Sampler):
  """Every `stride`th frame."""

  several: ClassVar[bool] = True

  def times(self, extent, cut, fps, draws):
    slack = slack_of(extent, cut, fps)
    if cut.train:
      begins = np.array([draws.clip()[0]]) * slack
    elif cut.views[0] == 1:
      begins = np.array([slack / 2])
    else:
      begins = np.linspace(0, slack, cut.views[0])
    return walks(extent, cut, fps, begins)


def slack_of(extent: samplers.Extent, cut: samplers.Cut, fps: float) -> float:
  """Returns by how many seconds an extent is longer than a clip."""
  return max(0.0, extent.length - cut.frames * cut.stride / fps)


def walks(
  extent: samplers.Extent, cut: samplers.Cut, fps: float, begins: np.ndarray
) -> np.ndarray:
  """Returns times [clips, t] of even steps that loop if need be.

  Args:
    extent: what may be shown.
    cut: frames and stride of a clip.
    fps: in which the stride counts.
    begins: [clips] seconds from the extent's beginning.
  """
  times = begins[:, None] + np.arange(cut.frames) * (cut.stride / fps)
  # An extent shorter than the clip loops. The margin keeps a frame that
  # rounding puts just before the end from repeating the last frame.
  loops = np.floor(times / extent.length + 1e-6)
  return extent.begin + np.maximum(times - loops * extent.length, 0)


SAMPLER = Stride
