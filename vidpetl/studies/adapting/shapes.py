"""How much of a search a budget pays for: as much as it does, and no more.

Successive halving: all methods train for a ninth of the epochs at several
rates, the best third of them for a third of the epochs with all seeds, and the
best third of those for all epochs, as the heads do that they are compared with.
A budget that does not pay for that gets less of it, step by step.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

from vidpetl.studies.adapting import cost as cost_lib

Cost = cost_lib.Cost

# One in so many goes on.
ETA = 3
FACTORS = (0.3, 1.0, 3.0)
# Heads on kept features take larger ones, and cost next to nothing.
OF_HEADS = (0.3, 1.0, 3.0, 10.0, 30.0)
# Stages of methods, of which the last trains for all epochs.
_RUNGS = 3
# How often a run of a search is evaluated on what is held out.
EVALUATIONS = 4
# Showings that are kept of each training clip, at most.
VIEWS = 2


@dataclasses.dataclass(frozen=True)
class Heads:
  """A stage of heads on kept features.

  Attributes:
    names: of the settings.
    views: showings that are kept of each training clip.
    lacks: what the budget does not pay for, in words.
  """

  names: tuple[str, ...]
  views: int
  lacks: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Methods:
  """The stages of methods.

  Attributes:
    names: of the settings, the cheapest first.
    factors: of the rate, of the first stage.
    seeds: of the others.
    share: of the epochs.
    rungs: how many stages there are at most.
    lacks: what the budget does not pay for, in words.
  """

  names: tuple[str, ...]
  factors: tuple[float, ...]
  seeds: int
  share: float = 1.0
  rungs: int = _RUNGS
  lacks: tuple[str, ...] = ()

  def stages(self, whole: float) -> list[tuple[float, int]]:
    """Returns epochs of each stage, and how many methods are in it.

    One that is left alone goes to the last stage.

    Args:
      whole: epochs of a run on all examples.
    """
    found, count, last = [], len(self.names), self.rungs - 1
    for rung in range(self.rungs):
      if count > 1 or rung in (0, last):
        epochs = self.share * whole / ETA ** (_RUNGS - 1 - rung)
        found.append((max(1.0, round(epochs, 2)), count))
        count = going_on(count)
    return found


def heads(names: Sequence[str], plain: Sequence[str]) -> Iterator[Heads]:
  """Yields stages of heads, each cheaper than the one before.

  Args:
    names: of all settings.
    plain: of those that read the backbone's summary alone.
  """
  yield Heads(tuple(names), VIEWS)
  once = 'one showing of each training clip is kept'
  yield Heads(tuple(names), 1, (once,))
  if plain and set(plain) != set(names):
    left = ', '.join(n for n in names if n not in plain)
    yield Heads(tuple(plain), 1, (once, f'without {left}'))


def methods(names: Sequence[str], seeds: int) -> Iterator[Methods]:
  """Yields stages of methods, each cheaper than the one before.

  Args:
    names: of all settings, the cheapest first.
    seeds: of all stages but the first.
  """
  if not names:
    return
  shape = Methods(tuple(names), FACTORS, seeds)
  yield shape
  lacks: tuple[str, ...] = ()
  for change, told in (
    ({'factors': (1.0,)}, 'one rate of each method'),
    ({'seeds': 1}, 'one seed'),
    ({'share': 0.5}, 'half of the epochs'),
    ({'rungs': 2}, 'two stages'),
    ({'rungs': 1}, 'one stage'),
  ):
    lacks = (*lacks, told)
    shape = dataclasses.replace(shape, **change)
    yield dataclasses.replace(shape, lacks=(*lacks, *_early(shape)))
  for count in range(len(names) - 1, 0, -1):
    left = f'without {", ".join(names[count:])}'
    yield dataclasses.replace(
      shape, names=tuple(names[:count]), lacks=(*lacks, left, *_early(shape))
    )


def _early(shape: Methods) -> tuple[str, ...]:
  """Returns what is said of methods that train for less than heads do."""
  part = shape.share / ETA ** (_RUNGS - shape.rungs)
  told = f'compared with heads after {part:.0%} of the epochs'
  return (told,) if part < 1 else ()


def going_on(count: int) -> int:
  """Returns how many of some settings go on."""
  return math.ceil(count / ETA)


def cost_of_heads(
  shape: Heads,
  plain: Sequence[str],
  how: cost_lib.Trained,
  sizes: cost_lib.Sizes,
  pace: cost_lib.Pace,
) -> Cost:
  """Returns what a stage of heads costs: features of two kinds, at most."""
  kinds = len({name in plain for name in shape.names})
  clips = shape.views * sizes.train + sizes.views * sizes.held
  reading = Cost(seconds=len(shape.names) * pace.overhead)
  return cost_lib.encoding(how, kinds * clips, pace) + reading


def cost_of_methods(
  shape: Methods,
  of: Mapping[str, cost_lib.Trained],
  sizes: cost_lib.Sizes,
  epochs: float,
  pace: cost_lib.Pace,
) -> Cost:
  """Returns what the stages of methods cost, if the dearest ones go on."""
  found, runs = Cost(), len(shape.factors)
  dearest = sorted(shape.names, key=lambda name: -of[name].seconds)
  for each, count in shape.stages(epochs):
    for name in dearest[:count]:
      found += cost_of_rung(of[name], each, runs, sizes, pace)
    runs = shape.seeds
  return found


def cost_of_rung(
  how: cost_lib.Trained,
  epochs: float,
  runs: int,
  sizes: cost_lib.Sizes,
  pace: cost_lib.Pace,
) -> Cost:
  """Returns what the runs of one setting cost in a stage."""
  evaluated = evaluations(epochs) * sizes.held * sizes.views
  return cost_lib.training(how, epochs * sizes.train, evaluated, runs, pace)


def evaluations(epochs: float) -> int:
  """Returns how often a run of so many epochs is evaluated."""
  return math.ceil(epochs / every(epochs))


def every(epochs: float) -> float:
  """Returns after how many epochs a run is evaluated."""
  return round(max(1.0, epochs / EVALUATIONS), 2)


def cost_of_last(
  how: cost_lib.Trained,
  epochs: float,
  sizes: cost_lib.Sizes,
  pace: cost_lib.Pace,
) -> Cost:
  """Returns what it costs to train on all examples, and to test."""
  shown = epochs * sizes.last
  return cost_lib.training(how, shown, sizes.views * sizes.test, 1, pace)
