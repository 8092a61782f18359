"""The page of several runs, beside each other."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from vidpetl import markup
from vidpetl.experiment import complete
from vidpetl.studies.recorded import Recorded
from vidpetl.studies.report import chart, classes, facts, measured, page
from vidpetl.training import reporting

_CHARTS = 4  # metrics of a task that are drawn


def of_runs(runs: Sequence[Recorded]) -> str:
  """Returns the page of several runs; gains are over the first.

  Args:
    runs: with names of their own.

  Raises:
    ValueError: if there is no task that all evaluated.
  """
  first, *others = (run.tasks for run in runs)
  tasks = [name for name in first if all(name in each for each in others)]
  if not tasks:
    raise ValueError(
      f'{", ".join(str(run.workdir) for run in runs)}: no task was evaluated '
      'in all of them.'
    )
  names = ', '.join(run.name for run in runs)
  body = [
    f'<h1>{markup.text(names)}</h1>',
    f'<div class="dim">{len(runs)} runs compared; gains are over '
    f'{markup.text(runs[0].name)}</div>',
  ]
  for run in runs:
    body += [facts.sentence(f'{run.name}: {told}') for told in facts.state(run)]
  for task in tasks:
    body += [f'<h2>{markup.text(task)}</h2>', *_task(runs, task)]
  body += ['<h2>Cost</h2>', _side_by_side(runs, map(facts.cost_rows, runs))]
  body += [
    '<h2>Differences of the recipes</h2>',
    *page.or_why(lambda: _recipes(runs)),
  ]
  return markup.page(f'{names}: comparison', body)


def _task(runs: Sequence[Recorded], task: str) -> list[str]:
  parts = ['<h3>Metrics</h3>', *_tested(runs, task), _metrics(runs, task)]
  charts = [
    chart.lines(_title(name), found, unit)
    for name in _shared(runs, task)[:_CHARTS]
    for found, unit in [_curves(runs, task, name)]
    if found
  ]
  if charts:
    parts += ['<h3>Curves</h3>', f'<div class="charts">{"".join(charts)}</div>']
  base, *others = runs
  for run in others:
    title = f'Each class: {run.name} over {base.name}'
    gains = page.or_why(
      lambda run=run: classes.gain(base.per_class(task), run.per_class(task))
    )
    parts += [f'<h3>{markup.text(title)}</h3>', *gains]
  return parts


def _title(name: str) -> str:
  return f'{name}: lower is better' if name in facts.DISTANCES else f'{name}, %'


def _shared(runs: Sequence[Recorded], task: str) -> list[str]:
  found = [facts.metrics(run, task) for run in runs]
  return [name for name in found[0] if all(name in each for each in found)]


def _tested(runs: Sequence[Recorded], task: str) -> list[str]:
  """Returns on how many examples, and why numbers do not compare if so."""
  told = []
  found = [facts.protocol_of(run, task) for run in runs]
  for key, what in (
    ('fingerprint', 'were tested on other examples'),
    ('protocol', 'were tested under other protocols, listed below'),
  ):
    values = {
      json.dumps(one[key], sort_keys=True) for one in found if key in one
    }
    if len(values) > 1:
      told.append(
        facts.sentence(f'The runs {what}: their numbers do not compare.')
      )
  sizes = {one['examples'] for one in found if one.get('examples')}
  if len(sizes) == 1:
    (size,) = sizes
    part = f'{100 / size:.3g} % of them'
    told.append(facts.sentence(f'Tested on {size:,} examples; one is {part}.'))
  return told


def _metrics(runs: Sequence[Recorded], task: str) -> str:
  """Returns metrics, a run a row, the best of each marked."""
  found = [facts.metrics(run, task) for run in runs]
  names = list(dict.fromkeys(name for each in found for name in each))
  best = {
    name: _best(name, [each.get(name) for each in found]) for name in names
  }
  rows = []
  for i, (run, values) in enumerate(zip(runs, found)):
    cells = [
      _cell(name, values.get(name), i in best[name], name in values)
      for name in names
    ]
    count = run.results.get('parameters', {}).get('trained')
    rows.append(
      [
        run.name,
        *cells,
        f'{count:,}' if count is not None else '',
        facts.reported(run) or 'not finished',
      ]
    )
  return markup.table(['run', *names, 'trained', 'reported'], rows)


def _best(name: str, values: Sequence[float | None]) -> set[int]:
  """Returns which runs have the best value of a metric."""
  known = [value for value in values if value is not None]
  if len(known) < 2:
    return set()
  top = min(known) if name in facts.DISTANCES else max(known)
  return {i for i, v in enumerate(values) if v is not None and v == top}


def _cell(name: str, value: float | None, is_best: bool, there: bool) -> str:
  told = facts.number(name, value) if there else ''
  if not is_best:
    return told
  return markup.Cell(f'<td class="best">{html.escape(told)}</td>')


def _curves(
  runs: Sequence[Recorded], task: str, name: str
) -> tuple[list[chart.Line], str]:
  """Returns a metric of each run over training, and the unit of time."""
  scales = [measured.scale_of(run) for run in runs]
  together = all(unit == 'epoch' for _, unit in scales)
  lines = []
  for i, (run, (scale, _)) in enumerate(zip(runs, scales)):
    for prefix in ('', reporting.VALIDATION):
      steps, values = run.curve(f'{prefix}{task}/{name}')
      if len(steps):
        factor = 1.0 if name in facts.DISTANCES else 100.0
        label = f'{run.name}, held out' if prefix else run.name
        x = steps / (scale if together else 1.0)
        lines.append(chart.Line(label, x, factor * values, i, bool(prefix)))
  return lines, 'epoch' if together else 'step'


def _side_by_side(runs: Sequence[Recorded], tables: Any) -> str:
  """Returns rows (name, words) of each run as one table, a run a column."""
  found = [dict(table) for table in tables]
  names = list(dict.fromkeys(name for each in found for name in each))
  rows = [[name, *(each.get(name, '') for each in found)] for name in names]
  return markup.table(['', *(run.name for run in runs)], rows, 'words')


def _recipes(runs: Sequence[Recorded]) -> list[str]:
  """Returns what differs, in words and field by field.

  Raises:
    ValueError: if a run has no config.
  """
  told = [_words(run) for run in runs]
  fields = [_flat(complete.as_json(facts.config_of(run))) for run in runs]
  return [
    '<h3>In words</h3>',
    _differences(runs, told),
    '<h3>Fields of the config</h3>',
    _differences(runs, fields),
  ]


def _words(run: Recorded) -> dict[str, str]:
  """Returns aspect -> words, of the run and of each task."""
  told = facts.words(run)
  return told['run'] | {
    f'{task}: {aspect}': words
    for task, aspects in told['tasks'].items()
    for aspect, words in aspects.items()
  }


def _differences(
  runs: Sequence[Recorded], found: Sequence[Mapping[str, Any]]
) -> str:
  names = dict.fromkeys(name for each in found for name in each)
  absent = '–'
  rows = [
    [name, *(str(each.get(name, absent)) for each in found)] for name in names
  ]
  rows = [row for row in rows if len(set(row[1:])) > 1]
  if not rows:
    return '<p class="dim">None.</p>'
  return markup.table(['', *(run.name for run in runs)], rows, 'words')


def _flat(tree: Any, path: str = '') -> dict[str, Any]:
  """Returns 'tasks.k.clip.frames' -> value of nested dicts and lists."""
  if isinstance(tree, Mapping):
    items = [(f'{path}.{key}' if path else key, v) for key, v in tree.items()]
  elif isinstance(tree, list | tuple) and any(
    isinstance(each, Mapping) for each in tree
  ):
    items = [(f'{path}[{i}]', v) for i, v in enumerate(tree)]
  else:
    if isinstance(tree, float) and math.isfinite(tree):
      return {path: f'{tree:g}'}
    return {path: tree}
  found = {}
  for name, value in items:
    found |= _flat(value, name)
  return found
