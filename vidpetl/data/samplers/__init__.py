"""Ways of sampling: which moments of a video make a clip; one module each.

A module is named by a config's `clip.sampling` and ends in `SAMPLER`, a frozen
dataclass whose fields are its options. The folder is the list.

Where samplers count frames, they count them from 1 at the beginning of what is
annotated (from 0 and the beginning of the file for 'tail'), at the frame rate
of the clip, and read them in the middle of the time that each is shown: no
rounding then takes a neighbour. All that is random follows from the example's
seed alone.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import ClassVar, Protocol

import numpy as np

from vidpetl import options, parts
from vidpetl.data import index


class OutsideError(ValueError):
  """What is to be shown lies outside of the file."""


@dataclasses.dataclass(frozen=True)
class Extent:
  """What is annotated of an open video, in seconds on the file's clock.

  Attributes:
    begin: from when clips may be drawn.
    end: until when.
    duration: of the whole file.
    moment: that clips are about; None where it is the whole extent.
  """

  begin: float
  end: float
  duration: float
  moment: float | None = None

  @property
  def length(self) -> float:
    """Seconds.

    Raises:
      OutsideError: if there are none.
    """
    self.check()
    return self.end - self.begin

  def check(self) -> None:
    """Raises OutsideError if there is nothing to show."""
    if self.end - self.begin <= 0:
      raise OutsideError

  def count(self, fps: float) -> int:
    """Returns the number of frames, at least 1."""
    return max(1, round(self.length * fps))

  def times_of(self, frames: np.ndarray, fps: float) -> np.ndarray:
    """Returns when frames, counted from 1, are shown, [1, t]."""
    return (self.begin + (frames - 0.5) / fps)[None]


@dataclasses.dataclass(frozen=True, eq=False)
class Draws:
  """All that is random in one of an example's clips.

  Attributes:
    seed: uint32 [2], of the example.
    member: which of the example's clips; each has draws of its own.
  """

  seed: np.ndarray
  member: int = 0

  def uniform(self, n: int, purpose: str) -> np.ndarray:
    """Returns `n` draws from U[0, 1), other ones for another purpose."""
    key = (*(int(w) for w in self.seed), *((self.member,) * bool(self.member)))
    return index.uniform(n, purpose, *key)

  def clip(self) -> tuple[float, float]:
    """Returns a clip's place in time and in space, both in [0, 1)."""
    moment, place = self.uniform(2, 'clip')
    return moment, place

  def of(self, member: int) -> Draws:
    """Returns the draws of another clip of this example."""
    return Draws(self.seed, member)


class Cut(Protocol):
  """What samplers and kinds read of a `clip_spec.ClipSpec`."""

  frames: int
  stride: float
  resize: str
  views: tuple[int, int]
  num_views: int
  train: bool
  sampler: Sampler


@dataclasses.dataclass(frozen=True)
class Sampler:
  """A way of sampling.

  Attributes:
    lead: axes of a clip's video before its frames.
    several: whether an evaluation may look at several clips of an example.
    pretext: whether clips are drawn for a question of their own, in place of
      what the video is annotated with, at evaluation too.
    answers: names of the answers to it, int32 [] each.
  """

  lead: ClassVar[tuple[int, ...]] = ()
  several: ClassVar[bool] = False
  pretext: ClassVar[bool] = False
  answers: ClassVar[tuple[str, ...]] = ()

  def __post_init__(self):
    options.hold_fields(self, f'sampling={self.name!r}')

  @property
  def name(self) -> str:
    """What configs call it: its module."""
    return type(self).__module__.rpartition('.')[2]

  def times(
    self, extent: Extent, cut: Cut, fps: float, draws: Draws
  ) -> np.ndarray:
    """Returns the time of each frame on the file's clock, float64 [clips, t].

    Args:
      extent: what may be shown.
      cut: how many frames, with which stride, in how many clips, and whether
        in training.
      fps: frame rate in which strides and frames count.
      draws: what is random in the clip.

    Raises:
      OutsideError: if the file holds nothing of what may be shown.
    """
    raise NotImplementedError

  def labels(self, draws: Draws) -> dict[str, int]:
    """Returns the `answers` of a clip."""
    del draws
    return {}


def load(name: str, where: str = 'sampling') -> type[Sampler]:
  """Returns a way of sampling by its name.

  Args:
    name: of its module.
    where: who asks, in the error.

  Raises:
    ValueError: if there is none, with those there are.
  """
  return parts.load(sys.modules[__name__], name, 'SAMPLER', where).SAMPLER
