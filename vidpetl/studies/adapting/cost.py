"""What training costs: clips through the trunk, and seconds.

A clip that passes the trunk forward counts one, and one that passes it backward
another. Runs that train together share what is the same for all of them: under
heads and side networks that is the trunk. Features that are kept cost nothing
when they are read again.
"""

from __future__ import annotations

import dataclasses
import math

# Of the time of a step that goes backward, what its forward pass takes.
_FORWARD = 1 / 3


@dataclasses.dataclass(frozen=True)
class Cost:
  """What something costs.

  Attributes:
    forward: clips through the trunk.
    backward: clips back through it.
    seconds: of it.
  """

  forward: float = 0.0
  backward: float = 0.0
  seconds: float = 0.0

  @property
  def clips(self) -> float:
    return self.forward + self.backward

  def __add__(self, other: Cost) -> Cost:
    return Cost(
      self.forward + other.forward,
      self.backward + other.backward,
      self.seconds + other.seconds,
    )

  def times(self, number: float) -> Cost:
    """Returns so much of it."""
    return Cost(*(number * each for each in dataclasses.astuple(self)))


@dataclasses.dataclass(frozen=True)
class Limit:
  """What may be spent.

  Attributes:
    clips: through the trunk, both ways.
    seconds: of all.
  """

  clips: float = math.inf
  seconds: float = math.inf

  def allows(self, cost: Cost) -> bool:
    """Whether something can be paid."""
    return cost.clips <= self.clips and cost.seconds <= self.seconds

  def without(self, cost: Cost) -> Limit:
    """Returns what is left."""
    return Limit(self.clips - cost.clips, self.seconds - cost.seconds)


@dataclasses.dataclass(frozen=True)
class Sizes:
  """How many examples there are.

  Attributes:
    train: that a search trains on.
    held: to choose by: held out, or of a split of their own.
    test: of the test.
    last: that the winner trains on: with those that were held out.
    views: of each that is evaluated.
  """

  train: int
  held: int
  test: int
  last: int
  views: int = 1


@dataclasses.dataclass(frozen=True)
class Pace:
  """How long things take here, beside what the plan says of a step.

  Attributes:
    scale: seconds of a step over those of the plan.
    overhead: seconds of runs that train together, besides their steps.
  """

  scale: float = 1.0
  overhead: float = 0.0


@dataclasses.dataclass(frozen=True)
class Trained:
  """How a setting trains.

  Attributes:
    seconds: of a step of one run, by the plan.
    batch: clips of a step.
    in_trunk: whether a pass goes back through the trunk, which then is not the
      same for the runs that train together.
  """

  seconds: float
  batch: int
  in_trunk: bool

  @property
  def of_clip(self) -> float:
    """Seconds of a clip, forward."""
    share = _FORWARD if self.in_trunk else 1.0
    return share * self.seconds / self.batch


def training(
  how: Trained, shown: float, evaluated: float, runs: int, pace: Pace
) -> Cost:
  """Returns what runs cost that train together.

  Args:
    how: they train.
    shown: examples that each trains on, counted as often as it sees them.
    evaluated: clips that each is evaluated on, likewise.
    runs: how many they are.
    pace: of this device.
  """
  times = runs if how.in_trunk else 1
  steps = shown / how.batch * how.seconds + evaluated * how.of_clip
  return Cost(
    forward=times * (shown + evaluated),
    backward=times * shown if how.in_trunk else 0.0,
    seconds=times * steps * pace.scale + pace.overhead,
  )


def encoding(how: Trained, clips: float, pace: Pace) -> Cost:
  """Returns what it costs to keep the features of clips."""
  return Cost(clips, 0.0, clips * how.of_clip * pace.scale)
