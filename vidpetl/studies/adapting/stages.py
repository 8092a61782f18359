"""A stage of a search: a sweep, whose runs are counted as they end."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

from vidpetl.caching import shards
from vidpetl.studies import rates, recorded, sweeping
from vidpetl.studies import settings as settings_lib
from vidpetl.studies.adapting import candidates, cost, journal, space
from vidpetl.training.writers import json_lines

FEATURES = 'features'


@dataclasses.dataclass(frozen=True)
class Stage:
  """How a stage goes, as it was decided.

  Attributes:
    settings: of `space`.
    seeds: runs of each.
    factors: of the rate that each is tried at.
    lacks: what the budget does not pay for, in words.
  """

  settings: Sequence[space.Setting]
  seeds: int
  factors: Sequence[float]
  lacks: Sequence[str] = ()

  def decided(self) -> dict[str, Any]:
    """Returns it as json has it."""
    return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Ranked:
  """A setting that was tried.

  Attributes:
    name: of it.
    rate: that was picked.
    values: on held-out examples, one per seed.
    trained: parameters.
    cost: of all of its runs.
    seconds: of one step of a run, as measured; nan if it took none.
    workdir: of its first run at that rate.
  """

  name: str
  rate: float
  values: tuple[float, ...]
  trained: int
  cost: cost.Cost
  seconds: float
  workdir: str

  @property
  def mean(self) -> float:
    """The mean over seeds; the least there is if it is no number."""
    mean = float(np.mean(self.values))
    return mean if math.isfinite(mean) else -math.inf

  @property
  def order(self) -> tuple[float, int]:
    """The higher, the better: of equal ones that which trains less."""
    return self.mean, -self.trained

  def row(self) -> dict[str, Any]:
    """Returns what adapt.json has of it."""
    number = json_lines.number
    fields = dataclasses.asdict(self)
    fields |= {k: number(fields[k]) for k in ('rate', 'seconds')}
    return {**fields, 'values': [number(value) for value in self.values]}


def run(
  name: str,
  books: journal.Journal,
  load: candidates.Load,
  of: Mapping[str, candidates.Candidate],
  metric: str,
  sizes: cost.Sizes,
  enough: Callable[[], bool],
) -> tuple[list[Ranked], list[str]]:
  """Runs a stage that was decided, or the rest of it.

  Args:
    name: of the stage, and of its folder.
    books: of the search.
    load: (settings of a run, seed) -> config.
    of: candidates by name.
    metric: '<task>/<metric>' that chooses.
    sizes: of the data.
    enough: whether the budget ends the stage before its next runs.

  Returns:
    What was tried, the best first; what went wrong, a line each.

  Raises:
    series.Interrupted: if a run was told to stop.
  """
  entry = books.found['stages'][name]
  stage = Stage(**entry['decided'])
  settings = settings_lib.make(stage.settings)
  folder = books.folder / name
  cached = any('config.cache.path' in each for each in stage.settings)
  sweep = sweeping.Sweep(
    load,
    settings,
    stage.seeds,
    [metric],
    folder,
    tuple(stage.factors),
    min(of[each.name].at_once for each in settings),
  )
  count = _Counter(books, entry, sizes, cached)
  if entry['done']:  # Also where the budget ended it.
    sweep.runs = {
      w: r for w, r in sweep.runs.items() if count.key(w) in entry['runs']
    }
  for ended in sweep.each():
    new = {w: r for w, r in ended.items() if count.key(w) not in entry['runs']}
    (setting, _), *_ = (sweep.of[w] for w in new) if new else [(None, None)]
    count.add(new, of[setting.name].how if setting else None)
    if new and len(entry['runs']) < len(sweep.runs) and enough():
      break
  if sweep.tried:
    sweep.write()
    print(f'\n{sweep.told()}\n', flush=True)
  found = [_ranked(sweep, each, count, metric) for each in sweep.tried]
  return sorted(found, key=lambda one: one.order, reverse=True), sweep.failed


class _Counter:
  """Counts what runs cost."""

  def __init__(self, books, entry, sizes: cost.Sizes, cached: bool):
    self._books, self.entry = books, entry
    self._sizes, self._cached = sizes, cached
    self._root = books.folder / FEATURES
    self._kept, self._since = shards.counted(self._root), time.monotonic()

  def key(self, workdir: epath.Path) -> str:
    """Returns what the books call a run."""
    return str(workdir.relative_to(self._books.folder))

  def add(
    self,
    ended: Mapping[epath.Path, Mapping[str, Any]],
    how: cost.Trained | None,
  ) -> None:
    """Takes runs that trained together; none where all went wrong."""
    seconds = time.monotonic() - self._since
    self._since += seconds
    if not ended:
      self._books.found['lost'] += seconds
      self._books.write()
      return
    paid = self._paid(ended, how).times(1 / len(ended))
    for workdir, results in ended.items():
      step = _seconds_of_step(workdir)
      self.entry['runs'][self.key(workdir)] = {
        'forward': paid.forward,
        'backward': paid.backward,
        'seconds': seconds / len(ended),
        'steps': results['steps'],
        'step': step,
        'together': len(ended),
      }
    self._books.write()

  def _paid(self, ended, how) -> cost.Cost:
    """Returns the clips of runs that trained together."""
    if self._cached:
      before, self._kept = self._kept, shards.counted(self._root)
      return cost.Cost(forward=self._kept - before)
    results = next(iter(ended.values()))
    often = results['reported']['evaluations']
    return cost.training(
      how,
      results['steps'] * how.batch,
      often * self._sizes.held * self._sizes.views,
      len(ended),
      cost.Pace(),
    )


def _seconds_of_step(workdir: epath.Path) -> float | None:
  """Returns the median time of a step, None if none was taken."""
  rows = recorded.Recorded(workdir, '').training()
  speeds = [row.get('speed/steps_per_second', 0) for row in rows]
  found = [1 / speed for speed in speeds if speed > 0]
  return float(np.median(found)) if found else None


def _ranked(sweep, setting, count: _Counter, metric: str) -> Ranked:
  tried = sweep.tried[setting]
  rate = rates.pick(tried, metric)
  picked = tried[rate]
  values = [rates.held_out(w, results, metric) for w, results in picked.items()]
  paid = [
    count.entry['runs'][count.key(w)] for runs in tried.values() for w in runs
  ]
  first, results = next(iter(picked.items()))
  # One that was given is not among those that were tried.
  rate = setting.fields.get(rates.RATE, rate)
  steps = [run['step'] for run in paid if run['step']]
  return Ranked(
    setting.name,
    rate,
    tuple(values),
    results['parameters']['trained'],
    cost.Cost(
      *(sum(run[k] for run in paid) for k in ('forward', 'backward', 'seconds'))
    ),
    float(np.median(steps)) if steps else math.nan,
    count.key(first),
  )


def pace(
  books: journal.Journal,
  of: Mapping[str, cost.Trained],
  reading: Mapping[str, cost.Trained],
) -> cost.Pace:
  """Returns how long things take here, by the runs that went through videos.

  As long as there are none, those that read kept features tell what runs take
  besides their steps, and those that encoded them how long a clip takes; that
  is no less than the plan says, as there may be few clips.

  Args:
    books: of the search.
    of: working directory's beginning, '<stage>/<setting>/' -> how it trains.
    reading: the same of those that read kept features.
  """
  through, beside = _groups(books, of), _groups(books, reading)
  if through:
    planned = sum(
      (each.together if each.how.in_trunk else 1)
      * each.how.seconds
      * each.steps
      for each in through
    )
    stepping = sum(each.stepping for each in through)
    rest = float(np.mean([each.rest for each in through]))
    return cost.Pace(stepping / planned, rest)
  if not beside:
    return cost.Pace()
  encoded = [each for each in beside if each.forward]
  alone = [each.rest for each in beside if not each.forward]
  rest = float(np.mean(alone)) if alone else min(e.rest for e in encoded)
  planned = sum(each.forward * each.how.of_clip for each in encoded)
  measured = sum(max(0.0, each.rest - rest) for each in encoded)
  return cost.Pace(max(1.0, measured / planned) if planned else 1.0, rest)


@dataclasses.dataclass(frozen=True)
class _Group:
  """Runs that trained together.

  Attributes:
    how: they train.
    together: how many they are.
    steps: of each.
    stepping: seconds of their steps.
    rest: seconds besides.
    forward: clips through the trunk.
  """

  how: cost.Trained
  together: int
  steps: int
  stepping: float
  rest: float
  forward: float

  @property
  def planned(self) -> float:
    """Seconds of their steps, by the plan."""
    times = self.together if self.how.in_trunk else 1
    return times * self.how.seconds * self.steps


def _groups(
  books: journal.Journal, of: Mapping[str, cost.Trained]
) -> list[_Group]:
  """Returns those that took steps: one for each of their runs."""
  found = []
  for stage in books.found['stages'].values():
    for key, run in stage['runs'].items():
      how = next((h for k, h in of.items() if key.startswith(k)), None)
      if how is None or not run['step']:
        continue
      count, stepping = run['together'], run['step'] * run['steps']
      found += [
        _Group(
          how,
          count,
          run['steps'],
          stepping,
          max(0.0, count * run['seconds'] - stepping),
          count * run['forward'],
        )
      ]
  return found
