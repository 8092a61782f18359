"""An axis of learning rates: tried by all, picked by what is held out.

The best rate of a method is not that of another, and a table at one rate for
all compares recipes. The test set says nothing of which it is: the mean over
seeds of the metric on held-out training examples does.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

from vidpetl import durable, tables
from vidpetl.studies import settings as settings_lib
from vidpetl.studies import spread
from vidpetl.training import reporting

RATE = 'optimizer.learning_rate'
# Times the rate of the recipe, where there are held-out examples to pick by.
FACTORS = (0.1, 0.3, 1.0, 3.0)
AUTO = 'auto'
# Results by rate, and by working directory.
Tried = Mapping[float, Mapping[epath.Path, Mapping[str, Any]]]


def factors(text: str) -> tuple[float, ...]:
  """Returns the factors of '0.3|1|3'; () of 'auto'.

  Raises:
    ValueError: for what is no list of positive numbers.
  """
  if text == AUTO:
    return ()
  try:
    found = tuple(float(part) for part in text.split('|'))
  except ValueError:
    found = ()
  if not found or not all(0 < each < math.inf for each in found):
    raise ValueError(
      f"--rates={text}: give 'auto' or factors of the config's own rate, as in "
      "'0.3|1|3'; 1 tries no other."
    )
  return found


def axis(
  setting: settings_lib.Setting,
  load: Callable[[Sequence[settings_lib.Setting], int], Any],
  wanted: Sequence[float],
) -> dict[float, settings_lib.Setting]:
  """Returns rate -> the setting with that rate; one of nan where it is as is.

  That is a setting with a rate of its own; without `wanted` factors, also one
  whose config holds no examples out.

  Args:
    setting: that is tried.
    load: (settings of a run, seed) -> config.
    wanted: factors of the config's own rate; () for `FACTORS`.

  Raises:
    ValueError: if nothing is held out to pick by.
  """
  as_it_is = {math.nan: setting}
  if RATE in setting.fields or tuple(wanted) == (1.0,):
    return as_it_is
  try:
    config = load([setting], 0)
  except Exception:  # Its run tells.
    return as_it_is
  chooses = config.validation or not config.get('test', True)
  if not chooses and wanted:
    raise ValueError(
      'A rate is picked by examples that are held out, never by the test: give '
      '--config.validation=0.2 --config.report=best, or --rates=1.'
    )
  if not chooses or config.optimizer.tails:
    return as_it_is
  found = {}
  for factor in wanted or FACTORS:
    rate = float(f'{factor * config.optimizer.learning_rate:.4g}')
    fields = {**setting.fields, RATE: rate}
    found[rate] = dataclasses.replace(setting, fields=fields)
  return found


def held_out(
  workdir: epath.Path, results: Mapping[str, Any], metric: str
) -> float:
  """Returns a run's `judge` on held-out examples; nan if it has none."""
  step = results['reported']['step']
  found = {e.step: e.metrics for e in reporting.read(workdir)}
  return found.get(step, {}).get(judge(results, metric), math.nan)


def judge(results: Mapping[str, Any], metric: str) -> str:
  """Returns the metric by which a run is better than another.

  It is what its best evaluation was chosen by, `config.checkpoint.best`, which
  is never an error; a metric that is shown may be one.

  Args:
    results: of the run.
    metric: that is shown, of a run that chose no evaluation.
  """
  return results['reported'].get('by') or metric


def pick(tried: Tried, metric: str) -> float:
  """Returns the rate of the highest mean over seeds.

  Those with fewer finished seeds than others are not picked.

  Args:
    tried: results of each rate's finished runs.
    metric: '<task>/<metric>' that is shown; see `judge`.
  """
  if len(tried) == 1:
    return next(iter(tried))
  most = max(map(len, tried.values()))
  means = {
    rate: float(np.mean([held_out(w, r, metric) for w, r in runs.items()]))
    for rate, runs in tried.items()
    if len(runs) == most
  }
  known = lambda rate: -math.inf if math.isnan(means[rate]) else means[rate]
  return max(means, key=known)


def write(
  folder: epath.Path,
  found: Mapping[settings_lib.Setting, Tried],
  metric: str,
) -> str:
  """Writes rates.md, of settings with several rates; returns it.

  Args:
    folder: of the sweep.
    found: results of each setting's rates.
    metric: '<task>/<metric>' that is shown; see `judge`.
  """
  rows, by = [], metric
  for setting, tried in found.items():
    if len(tried) < 2:
      continue
    picked = pick(tried, metric)
    for rate, runs in sorted(tried.items()):
      values = [held_out(w, results, metric) for w, results in runs.items()]
      by = judge(next(iter(runs.values())), metric)
      mark = 'picked' if rate == picked else ''
      told = spread.mean_std(values, spread.alike(runs))
      rows.append([setting.name, f'{rate:g}', told, mark])
  if not rows:
    return ''
  head = ['', 'rate', f'{by} on held-out training examples, %', '']
  text = tables.markdown(head, rows)
  durable.write(folder / 'rates.md', text + '\n')
  return text
