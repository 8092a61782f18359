"""What a run is and what it costs, from its files."""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

import vidpetl
from vidpetl import markup
from vidpetl.data.names import plural
from vidpetl.data.survey import page as survey_page
from vidpetl.experiment import complete
from vidpetl.studies import flops, in_words
from vidpetl.studies.recorded import Recorded
from vidpetl.training import reporting

# What has no place among percents, and is better where it is lower.
DISTANCES = ('l2', 'relative_l2')


def number(metric: str, value: float | None) -> str:
  """Returns a metric for people: a share in percents, with their sign."""
  if value is None:
    return 'undefined'
  if metric in DISTANCES or metric == 'spearman':
    return f'{value:.4g}' if metric in DISTANCES else f'{value:.3f}'
  return f'{100 * value:.1f} %'


def metrics(run: Recorded, task: str) -> dict[str, float | None]:
  """Returns what is reported of a task, or what was measured last."""
  reported = run.results.get('tasks', {}).get(task)
  if reported:
    return reported['metrics']
  return {
    name: float(values[-1])
    for name in run.metrics(task)
    if len(values := run.curve(f'{task}/{name}')[1])
  }


def protocol_of(run: Recorded, task: str) -> Mapping[str, Any]:
  """Returns what results.json has of a task; {} before the end."""
  return run.results.get('tasks', {}).get(task, {})


def model(run: Recorded) -> str:
  """Returns the model in a sentence: backbone, what is bound, what trains."""
  config = run.config
  if not config:
    return ''
  bound = dict.fromkeys(entry['technique'] for entry in config['petl'])
  told = config['backbone']['name']
  if bound:
    told += ' with ' + ', '.join(bound)
  start = config['init']['path']
  return f'{told}, from {start or "random parameters"}'


def words(run: Recorded) -> dict[str, Any]:
  """Returns the recipe in words; see `in_words.recipe`.

  Raises:
    ValueError: of a run without a config.
  """
  sizes = run.results.get('training_examples')
  examples = sum(sizes.values()) if sizes else None
  return in_words.recipe(complete.complete(config_of(run)), examples)


def config_of(run: Recorded) -> dict[str, Any]:
  """Returns the config of a run.

  Raises:
    ValueError: if there is none.
  """
  if not run.config:
    raise ValueError(
      f'{run.workdir} has no config.json, which a run leaves that trains.'
    )
  return run.config


def data(run: Recorded) -> list[str]:
  """Returns what the check of the data found at the start of the run.

  Raises:
    ValueError: if there is no check.json.
  """
  if not run.check:
    raise ValueError(
      'The data were not checked at the start of this run. `vidpetl check` '
      'with the same --config does it.'
    )
  parts = [
    survey_page.verdict(run.check),
    *survey_page.findings(run.check, 'h3'),
  ]
  for name, found in run.check['tasks'].items():
    kind = markup.text(found['kind'])
    parts += [
      f'<h3>{markup.text(name)} <span class="dim">{kind}</span></h3>',
      f'<p>{markup.text(_splits(found))}</p>',
      '<details><summary>sizes, distributions, classes</summary>',
      *survey_page.task(found),
      '</details>',
    ]
  return parts


def _splits(found: Mapping[str, Any]) -> str:
  """Returns '192 train clips of hmdb51, split train; …; 8 classes'."""
  told = [
    f'{split["clips"]:,} {role} clips of {split["dataset"]}, split '
    f'{split["split"]}'
    for role, split in found['splits'].items()
  ]
  if found['classes']:
    told.append(plural(len(found['classes']), 'class', 'classes'))
  return '; '.join(told) + '.'


@dataclasses.dataclass(frozen=True)
class Cost:
  """What a run cost.

  Attributes:
    first_step: seconds until it was done, compilation included.
    training: seconds of the logged steps.
    evaluations: seconds.
    clips: a second, median of what was logged.
    waiting: share of the time that was spent waiting for data, likewise.
    memory: highest of the device, in bytes; 0 where the device does not tell.
  """

  first_step: float
  training: float
  evaluations: float
  clips: float
  waiting: float
  memory: float


def cost(run: Recorded) -> Cost:
  """Returns what a run cost, of which parts that nobody logged are nan."""
  rows = run.training()
  logged = [row for row in rows if 'speed/steps_per_second' in row]
  before, seconds = 0, 0.0
  for row in logged:
    steps, before = row['step'] - before, row['step']
    seconds += steps / (row['speed/steps_per_second'] or np.inf)
  values = lambda tag: [row[tag] for row in rows if row.get(tag) is not None]
  middle = lambda tag: float(np.median(values(tag) or [np.nan]))
  tested = [
    result['seconds']
    for line in run.chosen_among()
    for result in line['tasks'].values()
    if result.get('seconds')
  ]
  return Cost(
    first_step=middle('seconds_to_first_step'),
    training=seconds if logged else np.nan,
    evaluations=sum(tested) if tested else np.nan,
    clips=middle('speed/clips_per_second'),
    waiting=middle('speed/input_wait'),
    memory=max(values('device/peak_memory') or [0.0]),
  )


def cost_rows(run: Recorded) -> list[tuple[str, str]]:
  """Returns name and words of all that a run cost, but for FLOPs."""
  found, count = cost(run), run.results.get('parameters', {})
  rows = []
  if count:
    share = count['trained'] / max(count['total'], 1)
    rows += [
      ('parameters', f'{count["total"]:,}'),
      ('trained', f'{count["trained"]:,} ({100 * share:.2f} %)'),
      ('of these heads', f'{count["trained_heads"]:,}'),
    ]
  rows += [
    ('until the first step', clock(found.first_step)),
    ('training', clock(found.training)),
    ('evaluations', clock(found.evaluations)),
    ('speed', _unless_nan(found.clips, '{:.1f} clips a second')),
    ('waiting for data', _unless_nan(found.waiting, '{:.0%} of the time')),
    ('devices', run.results.get('devices', '')),
    (
      'memory of a device',
      f'{found.memory / 2**20:,.0f} MiB at most'
      if found.memory
      else 'not told by the device',
    ),
    ('adapter package', _size(run.workdir / 'adapter')),
    ('checkpoints', _size(run.workdir / 'checkpoints')),
  ]
  return [row for row in rows if row[1]]


def flops_rows(
  run: Recorded, counted: Mapping[str, float] | None = None
) -> list[tuple[str, str]]:
  """Returns the cost of one view of each task.

  Args:
    run: with a config.
    counted: FLOPs by task; None counts them.

  Raises:
    ValueError, OSError: if the data, which say how many classes there are,
      are gone, or if there is no config.
  """
  counted = counted or flops.forward(config_of(run))
  return [
    (
      'one view, forward' + (f', {name}' if len(counted) > 1 else ''),
      f'{count / 1e9:,.3g} GFLOPs',
    )
    for name, count in counted.items()
  ]


def clock(seconds: float) -> str:
  """Returns '1:02:03', '2:03 min' or '4.5 s'; '' of nan."""
  if np.isnan(seconds):
    return ''
  if seconds < 60:
    return f'{seconds:.1f} s'
  minutes, rest = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  if hours:
    return f'{hours}:{minutes:02}:{rest:02} h'
  return f'{minutes}:{rest:02} min'


def _unless_nan(value: float, form: str) -> str:
  return '' if np.isnan(value) else form.format(value)


def _size(folder: epath.Path) -> str:
  if not folder.is_dir():
    return ''
  files = (epath.Path(at) / n for at, _, ns in os.walk(folder) for n in ns)
  total = sum(file.stat().length for file in files)
  return f'{total / 1e6:,.2f} MB'


def version_rows(run: Recorded) -> list[tuple[str, str]]:
  """Returns names and versions of what the run was made with."""
  results = run.results
  rows = list(results.get('versions', {}).items())
  rows += list(results.get('decoder', {}).items())
  today = datetime.datetime.now().astimezone().strftime('%Y-%m-%d %H:%M %Z')
  return [
    *rows,
    ('this page', f'written by vidpetl {vidpetl.__version__}, {today}'),
  ]


def reported(run: Recorded) -> str:
  """Returns which evaluation numbers come from; '' before the end."""
  found = run.results.get('reported')
  return reporting.words([found]) if found else ''


def state(run: Recorded) -> list[str]:
  """Returns sentences on what a run does not have yet, or not any more."""
  told = []
  if not run.config:
    told.append(
      'This run was only evaluated here: it has no recipe and no curves.'
    )
  if not run.results:
    steps = [row['step'] for row in run.training()]
    told.append(
      'This run is not finished'
      + (f', its last logged step is {steps[-1]:,}' if steps else '')
      + ': numbers are those of its latest evaluation so far.'
    )
  if not run.tasks:
    told.append('Nothing was evaluated yet.')
  return told


def sentence(problem: Exception | str) -> str:
  """Returns why a part is missing, where it would be."""
  told: Sequence[str] = str(problem).strip() or 'not there'
  return f'<div class="missing">{markup.text(told)}</div>'
