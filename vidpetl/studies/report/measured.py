"""What was measured of a task: metrics, their protocol, and curves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from vidpetl import markup
from vidpetl.data.names import plural
from vidpetl.studies.recorded import Recorded
from vidpetl.studies.report import chart, facts
from vidpetl.training import reporting

_RATE = 'learning_rate'
_LINES = 7  # of a chart


def numbers(run: Recorded, task: str) -> list[str]:
  """Returns the metrics of a task and how they were measured."""
  found = facts.metrics(run, task)
  if not found:
    return [facts.sentence('Nothing was measured yet.')]
  rows = [(name, facts.number(name, value)) for name, value in found.items()]
  return [
    markup.table(None, rows),
    f'<p class="dim">{markup.text(_how(run, task))}</p>',
    *_table(facts.protocol_of(run, task).get('table', ())),
    _protocol(run, task),
  ]


def _how(run: Recorded, task: str) -> str:
  """Returns on what, and of which step, in sentences."""
  found = facts.protocol_of(run, task)
  if not found:
    return 'The latest evaluation; the run is not finished.'
  told = f'On {plural(found["examples"], "example")} of {found["dataset"]}'
  if reported := facts.reported(run):
    told += f', reported: {reported}'
  told += '.'
  for name, what in (
    ('undecodable', 'could not be decoded'),
    ('missing', 'annotated ones have no video'),
  ):
    if found.get(name):
      told += f' {found[name]:,} {what}.'
  if found.get('fingerprint'):
    told += f' The examples have the fingerprint {found["fingerprint"]}.'
  return told


def _table(lines: Sequence[str]) -> list[str]:
  """Returns what the evaluation printed, if it says more than the metrics."""
  if len(lines) < 2:
    return []
  told = markup.text('\n'.join(lines))
  return [
    '<details><summary>as the evaluation printed it</summary>'
    f'<pre>{told}</pre></details>'
  ]


def _protocol(run: Recorded, task: str) -> str:
  found = facts.protocol_of(run, task).get('protocol')
  if not found:
    return ''
  rows = [(name, _value(value)) for name, value in found.items()]
  return (
    '<details><summary>protocol: how test clips are cut and scored</summary>'
    f'{markup.table(None, rows, "words")}</details>'
  )


def _value(value: Any) -> str:
  if isinstance(value, list | tuple):
    return ', '.join(map(_value, value)) or 'none'
  return f'{value:g}' if isinstance(value, float) else str(value)


def curves(run: Recorded, task: str) -> list[str]:
  """Returns charts of loss, accuracy, metrics, and the rate.

  Raises:
    ValueError: if nothing was logged.
  """
  scale, unit = scale_of(run)
  charts = [
    chart.lines(title, found, unit)
    for title, found in _charts(run, task, scale)
    if found
  ]
  if not charts:
    raise ValueError(
      'Nothing was logged of training or tests in metrics.jsonl.'
    )
  return [f'<div class="charts">{"".join(charts)}</div>']


def _charts(
  run: Recorded, task: str, scale: float
) -> Iterator[tuple[str, list[chart.Line]]]:
  rows = run.training()
  logged = lambda tag, name, colour, factor=1.0, dashed=False: _logged(
    rows, tag, scale, factor, chart.Line(name, (), (), colour, dashed)
  )
  yield (
    'loss of training',
    [
      *logged(f'{task}/loss', 'loss', 0),
      *logged(f'{task}/distance', 'distance to the teacher', 1),
    ],
  )
  names = run.metrics(task)
  shares = [name for name in names if name not in facts.DISTANCES][:_LINES]
  yield (
    'measured, %',
    [
      *logged(f'{task}/accuracy', 'training: accuracy', 6, 100.0, True),
      *measured(run, task, shares, scale),
    ],
  )
  for name in names:
    if name in facts.DISTANCES:
      found = measured(run, task, [name], scale)
      yield f'{name}: lower is better', found
  yield 'learning rate', logged(_RATE, 'learning rate', 2)


def measured(
  run: Recorded, task: str, names: Sequence[str], scale: float
) -> list[chart.Line]:
  """Returns a line for each metric, of tests and of held-out examples.

  Args:
    run: that was measured.
    task: of it.
    names: of metrics.
    scale: steps of a unit of time.
  """
  lines = []
  for colour, name in enumerate(names):
    for prefix, of in (('', 'test'), (reporting.VALIDATION, 'held out')):
      steps, values = run.curve(f'{prefix}{task}/{name}')
      factor = 1.0 if name in facts.DISTANCES else 100.0
      if len(steps):
        lines.append(
          chart.Line(
            f'{of}: {name}',
            steps / scale,
            factor * values,
            colour,
            dashed=bool(prefix),
          )
        )
  return lines


def scale_of(run: Recorded) -> tuple[float, str]:
  """Returns the steps of a unit of time, and its name."""
  epoch = run.steps_per_epoch
  return (epoch, 'epoch') if epoch else (1.0, 'step')


def _logged(
  rows: Sequence[Mapping[str, Any]],
  tag: str,
  scale: float,
  factor: float,
  line: chart.Line,
) -> list[chart.Line]:
  """Returns the line of what training logged, if it did."""
  points = [(row['step'], row[tag]) for row in rows if row.get(tag) is not None]
  if not points:
    return []
  x, y = np.array(points, float).T
  return [
    chart.Line(line.name, x / scale, factor * y, line.colour, line.dashed)
  ]
