"""How much of a search a budget pays for: as much as it does, and no more.

Successive halving: all methods train for a ninth of the epochs at several
rates, the best third of them for a third of the epochs with all seeds, and the
best of all is what is trained. A budget that does not pay for that gets less of
it, step by step.
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
    seeds: of the last stage.
    share: of the epochs.
    rungs: how many stages.
    lacks: what the budget does not pay for, in words.
  """

  names: tuple[str, ...]
  factors: tuple[float, ...]
  seeds: int
  share: float = 1.0
  rungs: int = 2
  lacks: tuple[str, ...] = ()

  def epochs(self, whole: float) -> list[float]:
    """Returns the epochs of each stage, of a run that would have so many."""
    first = self.rungs - 1
    return [
      max(1.0, round(self.share * whole / ETA ** (first - i + 1), 2))
      for i in range(self.rungs)
    ]


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
    seeds: of the last stage.
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
    ({'rungs': 1}, 'one stage'),
  ):
    lacks = (*lacks, told)
    shape = dataclasses.replace(shape, **change, lacks=lacks)
    yield shape
  for count in range(len(names) - 1, 0, -1):
    left = f'without {", ".join(names[count:])}'
    yield dataclasses.replace(
      shape, names=tuple(names[:count]), lacks=(*lacks, left)
    )


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
  found, names = Cost(), list(shape.names)
  for rung, each in enumerate(shape.epochs(epochs)):
    runs = len(shape.factors) if rung == 0 else shape.seeds
    costs = [cost_of_rung(of[name], each, runs, sizes, pace) for name in names]
    found += sum(costs, Cost())
    dearest = sorted(names, key=lambda n: -of[n].seconds)
    names = dearest[: going_on(len(names))]
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
