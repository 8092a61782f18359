"""The winner: on all training examples, as far as the budget goes."""

from __future__ import annotations

import time
from typing import Any

from etils import epath

from vidpetl.caching import shards
from vidpetl.data import opening
from vidpetl.studies import series
from vidpetl.studies import settings as settings_lib
from vidpetl.studies.adapting import cost, search, stages


def winner(of: search.Search) -> tuple[str, stages.Ranked] | None:
  """Returns the stage and the setting that is best on what is held out.

  It is the best of the last stage of methods, or the best head; of equal ones
  that which trains less.
  """
  rungs = [name for name in of.found if name != search.HEADS and of.found[name]]
  last = [*rungs[-1:], *(n for n in of.found if n == search.HEADS)]
  tried = [(n, of.found[n][0]) for n in last if of.found[n]]
  return max(tried, key=lambda pair: pair[1].order, default=None)


def train(of: search.Search) -> tuple[epath.Path, dict[str, Any]] | None:
  """Trains the winner on all training examples, and tests it.

  Returns:
    The working directory of the model, and its results; those of a run of
    the search where the budget does not pay for another.

  Raises:
    series.Interrupted: if it was told to stop.
  """
  stage, best = winner(of)
  decided = of.books.once('winner', lambda: _decide(of, stage, best))
  if not decided['setting']:
    workdir = of.asked.folder / decided['workdir']
    return workdir, opening.read_json(workdir / 'results.json')
  print(
    f'\n=== {search.MODEL}: {decided["name"]}, on all training examples',
    flush=True,
  )
  (setting,) = settings_lib.make([decided['setting']])
  workdir = of.asked.folder / search.MODEL
  features = of.asked.folder / stages.FEATURES
  began, kept = time.monotonic(), shards.counted(features)
  results = series.run(
    of.asked.last().load([setting], 0),
    workdir,
    series.told([setting]),
    [of.metric],
  )
  if results is None:
    raise series.Interrupted
  encoded = shards.counted(features) - kept
  _pay(of, decided, results, encoded, time.monotonic() - began)
  return workdir, results


def _decide(
  of: search.Search, stage: str, best: stages.Ranked
) -> dict[str, Any]:
  decided = of.books.found['stages'][stage]['decided']
  setting = next(
    dict(each) for each in decided['settings'] if each['name'] == best.name
  )
  told = {'name': best.name, 'stage': stage, 'workdir': best.workdir}
  epochs = _affordable(of, best.name)
  if epochs is None:
    why = 'the budget does not pay for training it on all examples'
    return {**told, 'setting': None, 'lacks': [why]}
  lacks = []
  if epochs < of.epochs:
    lacks = [f'{epochs:g} epochs in place of {of.epochs:g}']
  setting |= {'config.epochs': epochs, **search.rate_field(best.rate)}
  del setting['config.eval_every_epochs']
  return {**told, 'setting': setting, 'epochs': epochs, 'lacks': lacks}


def _affordable(of: search.Search, name: str) -> float | None:
  """Returns the epochs that the budget pays for; None for none."""
  for part in (1.0, 0.75, 0.5, 0.35, 0.25, 0.15, 0.1):
    epochs = round(part * of.epochs, 2)
    if epochs >= 1 and of.left().allows(of.cost_of_last(name, epochs)):
      return epochs
  return None


def _pay(of: search.Search, decided, results, encoded, seconds) -> None:
  """Counts the last run, once."""
  entry = of.books.found['stages'].setdefault(
    search.MODEL, {'decided': {}, 'runs': {}, 'done': True}
  )
  if search.MODEL in entry['runs']:
    return
  if 'config.cache.path' in decided['setting']:
    paid = cost.Cost(forward=encoded)
  else:
    how = of.known[decided['name']].how
    shown = results['steps'] * how.batch
    tested = of.sizes.views * of.sizes.test
    paid = cost.training(how, shown, tested, 1, cost.Pace())
  entry['runs'][search.MODEL] = {
    'forward': paid.forward,
    'backward': paid.backward,
    'seconds': seconds,
    'steps': results['steps'],
    'step': None,
    'together': 1,
  }
  of.books.write()
