"""One frame out of each of equal segments: temporal segment networks.

Wang et al. 2016, sec. 3.1, with as many segments as a clip has frames.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from vidpetl.data import samplers


@dataclasses.dataclass(frozen=True)
class Segments(samplers.Sampler):
  """What is annotated is cut into equal segments, whatever its length.

  Training shows a random frame of each segment, a test its centre. Of k test
  clips, clip j shows the place (j + 1/2) / k of each segment.

  Attributes:
    rounded: segment i of t is from frame round(i (n - 1) / t) to the next such
      frame, both included, as in SlowFast's code for Something-Something, which
      ST-Adapter and AIM took over; else it is [i n / t, (i + 1) n / t) of the n
      frames, as the paper has it, and a test of mmaction2's code.
  """

  rounded: bool = False
  several: ClassVar[bool] = True

  def times(self, extent, cut, fps, draws):
    if cut.train:
      places = draws.uniform(cut.frames, 'segments')[None]
    else:
      places = (np.arange(cut.views[0])[:, None] + 0.5) / cut.views[0]
    count = extent.count(fps)
    if self.rounded:
      bounds = np.round(np.arange(cut.frames + 1) * (count - 1) / cut.frames)
      length = np.diff(bounds) + cut.train
      frames = np.floor(bounds[:-1] + places * length)
    else:
      frames = np.floor((np.arange(cut.frames) + places) * count / cut.frames)
    # A place just below 1 may be rounded up to it.
    frames = np.minimum(frames, count - 1)
    return extent.begin + (frames + 0.5) / fps


SAMPLER = Segments
