"""What a search says: its plan, what it tried, what that cost, what is next."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from etils import epath

from vidpetl import markup, tables
from vidpetl.data.survey import page as survey_page
from vidpetl.studies.adapting import candidates, cost, search

PAGE = 'adapt.html'


def time_of(seconds: float) -> str:
  """Returns a time for people."""
  if seconds < 90:
    return f'{seconds:.0f} s'
  if seconds < 5400:
    return f'{seconds / 60:.0f} min'
  return f'{seconds / 3600:.1f} h'


def plan(
  found: Sequence[candidates.Candidate], sizes: cost.Sizes, epochs: float
) -> list[list[str]]:
  """Returns the table of what fits a device: a header, and rows."""
  rows = [['', 'trained', 'GiB', 's a step', 'time of a run', 'with']]
  for one in found:
    if one.refused:
      continue
    steps = epochs * sizes.last / one.how.batch
    rows.append([
      one.name, f'{one.trained:,}', f'{one.gib:.2f}', f'{one.how.seconds:.3g}',
      time_of(steps * one.how.seconds), one.changes,
    ])  # fmt: skip
  return rows


def refused(found: Sequence[candidates.Candidate]) -> list[str]:
  """Returns a line for each candidate that is left out, with the reason."""
  return [
    f'{one.name} is left out: {one.refused}.' for one in found if one.refused
  ]


def tried(found: Mapping[str, Any], metric: str) -> list[list[str]]:
  """Returns the table of what was tried: a header, and rows.

  Args:
    found: what adapt.json holds.
    metric: that chose.
  """
  head = ['', 'trained', 'rate', 'clips', 'time', f'{metric}, %', '']
  rows, last = [head], _chosen(found)
  for stage, entry in found['stages'].items():
    following = _names_after(found, stage)
    for row in entry.get('rows', ()):
      mark = 'went on' if row['name'] in following else ''
      if (stage, row['name']) == last:
        mark = 'best'
      rows.append([
        f'{stage}/{row["name"]}',
        f'{row["trained"]:,}',
        '' if row['rate'] is None else f'{row["rate"]:g}',
        f'{row["cost"]["forward"] + row["cost"]["backward"]:,.0f}',
        time_of(row['cost']['seconds']),
        tables.mean_std([math.nan if v is None else v for v in row['values']]),
        mark,
      ])  # fmt: skip
  return rows


def _chosen(found: Mapping[str, Any]) -> tuple[str, str] | None:
  winner = found.get('winner')
  return (winner['stage'], winner['name']) if winner else None


def _names_after(found: Mapping[str, Any], stage: str) -> set[str]:
  """Returns the settings that the next stage of methods has."""
  if stage == search.HEADS and 'methods1' in found['stages']:
    return {row['name'] for row in found['stages'][stage]['rows'][:1]}
  names = [n for n in found['stages'] if n not in (search.HEADS, search.MODEL)]
  if stage not in names or stage == names[-1]:
    return set()
  after = found['stages'][names[names.index(stage) + 1]]
  return {each['name'] for each in after['decided']['settings']}


def lacking(found: Mapping[str, Any]) -> list[str]:
  """Returns what was left out or shortened, and what went wrong."""
  told = []
  for stage, entry in found['stages'].items():
    lacks = entry['decided'].get('lacks', ())
    if lacks:
      told.append(f'{stage}: {"; ".join(lacks)}.')
    told += [f'{stage}: {line}' for line in entry.get('failed', ())]
    left = _not_tried(entry)
    if left:
      told.append(f'{stage}: the budget ended before {", ".join(left)}.')
  methods = found.get('methods', {})
  if not methods.get('names', True) and methods['lacks']:
    told.append(f'methods: {"; ".join(methods["lacks"])}.')
  if lacks := found.get('winner', {}).get('lacks'):
    told.append(f'{search.MODEL}: {"; ".join(lacks)}.')
  return told


def _not_tried(entry: Mapping[str, Any]) -> list[str]:
  names = [each['name'] for each in entry['decided'].get('settings', ())]
  done = {row['name'] for row in entry.get('rows', ())}
  failed = ' '.join(entry.get('failed', ()))
  ended = entry.get('rows') is not None
  return [
    n for n in names if ended and n not in done and f'/{n}/' not in failed
  ]


def spent(paid: cost.Cost, limit: cost.Limit) -> str:
  """Returns what was spent, of how much, in a sentence."""
  may = []
  if math.isfinite(limit.clips):
    may.append(f'{limit.clips:,} clips both ways')
  if math.isfinite(limit.seconds):
    may.append(time_of(limit.seconds))
  return (
    f'{paid.forward:,.0f} clips went through the backbone and '
    f'{paid.backward:,.0f} back, in {time_of(paid.seconds)}'
    + (f'; the budget was {" and ".join(may)}.' if may else '.')
  )


def commands(workdir: epath.Path) -> list[str]:
  """Returns the commands that use a model."""
  run = shlex.quote(str(workdir))
  return [
    f'vidpetl predict --run={run} FILM.mp4',
    f'vidpetl export --run={run} --to=onnx EXPORTED',
  ]


def result(
  found: Mapping[str, Any], workdir: epath.Path, results: Mapping[str, Any]
) -> list[str]:
  """Returns what the model is, and what the test says of it."""
  winner = found['winner']
  lines = [
    f'The best on {found["chosen_by"]} is {winner["name"]} ({winner["stage"]}).'
  ]
  for name, task in results['tasks'].items():
    told = ', '.join(
      f'{k} {v:.4g}' for k, v in task['metrics'].items() if v is not None
    )
    where = f'{task["examples"]} examples'
    if winner['setting']:
      where = f'test, {where}'
    lines.append(f'{name}: {told} on {task["dataset"]} ({where}).')
  lines.append(f'The model is in {workdir}.')
  return lines


def page(
  title: str,
  found: Mapping[str, Any],
  check: Mapping[str, Any],
  sections: Mapping[str, Sequence[Any]],
) -> str:
  """Returns the page of a search.

  Args:
    title: the data.
    found: what adapt.json holds.
    check: what check.json holds.
    sections: title -> sentences, a table with a header, or commands.
  """
  body = [
    f'<h1>{markup.text(title)}: adapted</h1>',
    f'<div class="dim">{markup.text(found["asked"]["argument"])}</div>',
  ]
  for name, parts in sections.items():
    if not parts:
      continue
    body.append(f'<h2>{markup.text(name)}</h2>')
    if isinstance(parts[0], str):
      body += [f'<p>{markup.text(each)}</p>' for each in parts]
    else:
      body.append(markup.table(parts[0], parts[1:]))
  body += ['<h2>The data</h2>', survey_page.verdict(check)]
  body += survey_page.findings(check, 'h3')
  body.append(
    '<p><a href="check/check.html">All of the check</a>, '
    f'<a href="{markup.text(found["report"])}">the report of the model</a></p>'
  )
  body.append('<h2>Use it</h2>')
  body += [
    f'<pre class="command">{markup.text(each)}</pre>'
    for each in found.get('commands', ())
  ]
  return markup.page(f'{title}: adapted', body)
