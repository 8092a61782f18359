"""The search itself: heads, methods, the winner; decided, run and told."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

from vidpetl.caching import reading
from vidpetl.experiment import complete
from vidpetl.experiment import experiment as experiment_lib
from vidpetl.studies import rates
from vidpetl.studies import settings as settings_lib
from vidpetl.studies.adapting import (
  asking,
  candidates,
  cost,
  journal,
  shapes,
  space,
  stages,
)

Candidate = candidates.Candidate
HEADS, MODEL = 'heads', 'model'


class NothingError(ValueError):
  """No run of a stage came to its end, so that nothing can be chosen."""

  def __init__(self, stage: str, failed: Sequence[str]):
    """Takes what went wrong, a line each."""
    lines = '\n'.join(f'  {line}' for line in failed)
    super().__init__(
      f'{stage}: no run came to its end:\n{lines}\nMend that, and the same '
      'command goes on; or name what is to be tried by --probes and --methods, '
      'in another --workdir.'
    )


class Search:
  """A search, as far as it has come.

  Attributes:
    asked: for what.
    books: of it.
    task: of the config.
    metric: '<task>/<metric>' that chooses.
    epochs: of the run on all examples, where the budget pays for it.
    sizes: of the data.
    known: candidates by name, as they are weighed.
    found: what each stage tried, the best first.
  """

  def __init__(
    self,
    asked: asking.Asked,
    books: journal.Journal,
    config: Any,
    sizes: cost.Sizes,
  ):
    """Takes up a search.

    Args:
      asked: for what.
      books: of it.
      config: of a run of it.
      sizes: of the data.
    """
    self.asked, self.books, self.sizes = asked, books, sizes
    self.task = next(iter(config.tasks.values())).task
    self.metric, self.epochs = config.checkpoint.best, config.epochs
    self.known: dict[str, Candidate] = {}
    self.found: dict[str, list[stages.Ranked]] = {}
    self._load = asked.searching().load

  # ------------------------------------------------------------------- the plan

  def weigh(self, card: Any) -> list[Candidate]:
    """Returns all candidates, weighed for a device, the cheapest first."""
    settings = space.probes(self.task, self.asked.probes)
    settings += space.methods(self.asked.methods, {})
    rows = self.books.once(
      'plan',
      lambda: [
        candidates.weigh(each, self._load, card).row() for each in settings
      ],
    )
    self.known = {row['name']: candidates.of_row(row) for row in rows}
    return list(self.known.values())

  def names(self, method: bool) -> list[str]:
    """Returns the candidates that fit: methods, or heads; cheapest first."""
    fit = [
      c
      for c in self.known.values()
      if not c.refused and (c.setting['method'] != 'head') == method
    ]
    if method:
      fit.sort(key=lambda c: c.how.seconds)
    return [c.name for c in fit]

  @property
  def plain(self) -> list[str]:
    """Heads that read the backbone's summary alone."""
    return [
      n for n in self.names(False) if 'probe' not in self.known[n].setting
    ]

  # ----------------------------------------------------------------- the budget

  def left(self) -> cost.Limit:
    """Returns what is left of the budget."""
    return self.asked.limit.without(self.books.spent)

  def pace(self) -> cost.Pace:
    """Returns how long things take here."""
    through, reading = {}, {}
    for stage in self.books.found['stages']:
      of = reading if stage == HEADS and self.cached else through
      for name, each in self.known.items():
        if each.how:
          of[f'{stage}/{slug(name)}/'] = each.how
    return stages.pace(self.books, through, reading)

  def least(self, name: str) -> cost.Cost:
    """Returns the least that it costs to train a candidate at last."""
    return self.cost_of_last(name, 1.0)

  def cost_of_last(self, name: str, epochs: float) -> cost.Cost:
    """Returns what it costs to train a candidate on all examples."""
    how = self.known[name].how
    if self.known[name].setting['method'] != 'head' or not self.cached:
      return shapes.cost_of_last(how, epochs, self.sizes, self.pace())
    # Encoded are the test, and what was held out, to be trained on.
    sizes = self.sizes
    clips = shapes.VIEWS * (sizes.last - sizes.train) + sizes.views * sizes.test
    return cost.encoding(how, clips, self.pace())

  @property
  def cached(self) -> bool:
    """Whether heads read kept features; as long as nobody knows, they do."""
    entry = self.books.found['stages'].get(HEADS)
    settings = entry['decided']['settings'] if entry else ()
    return all('config.cache.path' in each for each in settings)

  # ----------------------------------------------------------------- the stages

  def heads(self) -> None:
    """Trains heads on kept features."""
    names = self.names(False)
    if not names:
      return
    entry = self.books.stage(HEADS, lambda: self._decide_heads(names))
    if entry['decided']['settings']:
      self._run(HEADS, names)

  def _decide_heads(self, names: Sequence[str]) -> dict[str, Any]:
    how, left = self.known[names[0]].how, self.left()
    left = left.without(self.least(names[0]))
    if why := self._no_cache(names[0]):
      return self._decide_uncached(names, left, why)
    for shape in shapes.heads(names, self.plain):
      paid = shapes.cost_of_heads(
        shape, self.plain, how, self.sizes, self.pace()
      )
      if left.allows(paid):
        break
    else:
      why = 'the budget does not pay for encoding all clips once'
      return stages.Stage([], 1, [], [why]).decided()
    settings = [
      {
        **self.known[name].setting,
        'config.epochs': self.epochs,
        'config.eval_every_epochs': shapes.every(self.epochs),
        **self._kept(shape.views),
      }
      for name in shape.names
    ]
    factors = shapes.OF_HEADS
    return stages.Stage(
      settings, self.asked.seeds, factors, shape.lacks
    ).decided()

  def _no_cache(self, name: str) -> str:
    """Returns why the features of clips cannot be kept; '' if they can."""
    setting = {**self.known[name].setting, **self._kept(1)}
    config = complete.complete(self._load(settings_lib.make([setting]), 0))
    infos = experiment_lib.infos(config)
    try:
      reading.of(config, experiment_lib.build(config, infos), infos)
    except ValueError as error:
      return str(error)
    return ''

  def _kept(self, views: int) -> dict[str, Any]:
    """Returns the fields of a cache."""
    return {
      'config.cache.path': str(self.asked.folder / stages.FEATURES),
      'config.cache.views': views,
    }

  def _decide_uncached(
    self, names: Sequence[str], left: cost.Limit, why: str
  ) -> dict[str, Any]:
    """Returns a stage of heads whose clips pass the trunk in each epoch."""
    epochs = max(1.0, round(self.epochs / shapes.ETA, 2))
    lacks, settings = [f'features are not kept: {why}'], []
    for name in names:
      paid = shapes.cost_of_rung(
        self.known[name].how, epochs, 1, self.sizes, self.pace()
      )
      if not left.allows(paid):
        lacks.append(f'without {name}')
        continue
      left = left.without(paid)
      settings.append({
        **self.known[name].setting,
        'config.epochs': epochs,
        'config.eval_every_epochs': shapes.every(epochs),
      })  # fmt: skip
    return stages.Stage(
      settings, self.asked.seeds, shapes.OF_HEADS, lacks
    ).decided()

  def methods(self) -> None:
    """Trains methods by successive halving, with the head that is best."""
    shape = shapes.Methods(
      **self.books.once('methods', lambda: self._decide_methods())
    )
    names = list(shape.names)
    stages_of = shape.stages(self.epochs) if names else []
    for number, (epochs, count) in enumerate(stages_of, 1):
      names, stage = names[:count], f'methods{number}'
      decide = functools.partial(self._decide_rung, shape, names, epochs, stage)
      self.books.stage(stage, decide)
      self._run(stage, names)
      names = [one.name for one in self.found[stage]]

  def _decide_methods(self) -> dict[str, Any]:
    names = self.names(True)
    how = {name: self.known[name].how for name in names}
    pace, left = self.pace(), self.left()
    for shape in shapes.methods(names, self.asked.seeds):
      epochs = shape.share * self.epochs
      last = max(
        (
          shapes.cost_of_last(how[n], epochs, self.sizes, pace)
          for n in shape.names
        ),
        key=lambda each: each.clips,
      )
      paid = shapes.cost_of_methods(shape, how, self.sizes, self.epochs, pace)
      if left.allows(paid + last):
        return dataclasses.asdict(shape)
    lacks = ('the budget pays for no method in the trunk',) if names else ()
    return dataclasses.asdict(shapes.Methods((), (), 1, 1.0, 1, lacks))

  def _decide_rung(
    self,
    shape: shapes.Methods,
    names: Sequence[str],
    epochs: float,
    stage: str,
  ) -> dict[str, Any]:
    head, first = self._head(), stage == 'methods1'
    settings = []
    for name in names:
      setting = {
        **self.known[name].setting,
        **head,
        'config.epochs': epochs,
        'config.eval_every_epochs': shapes.every(epochs),
      }
      if not first:
        rate = next(r.rate for r in self.found['methods1'] if r.name == name)
        setting |= rate_field(rate)
      settings.append(setting)
    seeds, factors = (1, shape.factors) if first else (shape.seeds, (1.0,))
    lacks = shape.lacks if first else ()
    return stages.Stage(settings, seeds, factors, lacks).decided()

  def _head(self) -> space.Setting:
    """Returns the arguments of the best head."""
    best = self.found.get(HEADS)
    if not best:
      return {}
    setting = self.known[best[0].name].setting
    keys = (k for k in setting if k.startswith(('probe', 'head_')))
    return {key: setting[key] for key in keys}

  def _run(self, stage: str, names: Sequence[str]) -> None:
    print(f'\n=== {stage}: {", ".join(names)}', flush=True)
    reserved = min(
      (self.least(name) for name in names), key=lambda each: each.clips
    )
    ranked, failed = stages.run(
      stage,
      self.books,
      self._load,
      self.known,
      self.metric,
      self.sizes,
      lambda: not self.left().allows(reserved),
    )
    self.found[stage], entry = ranked, self.books.found['stages'][stage]
    if not ranked:
      raise NothingError(stage, failed)
    entry['done'] = True
    entry['rows'] = [one.row() for one in ranked]
    entry['failed'] = failed
    self.books.write()


def slug(name: str) -> str:
  """Returns the folder of a setting's runs."""
  (setting,) = settings_lib.make([{'name': name}])
  return setting.slug


def rate_field(rate: float) -> dict[str, float]:
  """Returns a rate as a field; nothing of the config's own, which is nan."""
  return {} if math.isnan(rate) else {f'config.{rates.RATE}': rate}
