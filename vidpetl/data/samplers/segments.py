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
  """

  several: ClassVar[bool] = True

  def times(self, extent, cut, fps, draws):
    if cut.train:
      places = draws.uniform(cut.frames, 'segments')[None]
    else:
      places = (np.arange(cut.views[0])[:, None] + 0.5) / cut.views[0]
    count = extent.count(fps)
    frames = np.floor((np.arange(cut.frames) + places) * count / cut.frames)
    # A place just below 1 may be rounded up to it.
    frames = np.minimum(frames, count - 1)
    return extent.begin + (frames + 0.5) / fps


SAMPLER = Segments
