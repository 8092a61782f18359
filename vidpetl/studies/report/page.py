"""The page of one run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from vidpetl import markup
from vidpetl.studies.recorded import Recorded
from vidpetl.studies.report import (
  classes,
  commands,
  facts,
  maps,
  measured,
  moving,
  people,
  spent,
)
from vidpetl.training import continuing

_TILES = 4  # metrics of a task that stand at the top
# What a part may lack: files of the run, or its data.
_LACKS = (ValueError, OSError)


def of_run(
  run: Recorded, count: int = 4, explain: bool = True, patient: bool = True
) -> str:
  """Returns the page of a run, finished or not.

  Args:
    run: as it lies on file.
    count: clips of the worst, and of the best, of each task.
    explain: whether Grad-CAM is drawn of them.
    patient: whether it is drawn however long that takes.
  """
  explained = _explained(run, count, explain, patient)
  parts = {'data': ('Data', lambda: facts.data(run))}
  parts['recipe'] = ('Recipe', lambda: _recipe(run))
  for number, task in enumerate(run.tasks):
    parts[f'task{number}'] = (
      task,
      lambda task=task: _task(run, task, count, explained),
    )
  parts['cost'] = ('Cost', lambda: _cost(run, explained.flops))
  if time := or_why(lambda: spent.tables(run)):
    parts['time'] = ('Where the time went', lambda: time)
  parts['versions'] = ('Versions', lambda: _versions(run))
  parts['commands'] = ('Commands', lambda: commands.commands(run))
  body = [
    f'<h1>{markup.text(run.name)}</h1>',
    f'<div class="dim">{markup.text(facts.model(run))}</div>',
    *(facts.sentence(each) for each in facts.state(run)),
    _tiles(run),
    _contents({anchor: name for anchor, (name, _) in parts.items()}),
  ]
  for anchor, (name, make) in parts.items():
    body += [f'<h2 id="{anchor}">{markup.text(name)}</h2>', *or_why(make)]
  return markup.page(f'{run.name}: report', body)


def _explained(
  run: Recorded, count: int, explain: bool, patient: bool
) -> maps.Explained:
  """Returns Grad-CAM of the clips of a page, or why there is none."""
  if not explain or not count:
    return maps.Explained()
  if not patient and (why := maps.reason_against(run)):
    return maps.Explained(
      told=f'What speaks for a class (Grad-CAM) was not drawn, as {why}: '
      f'`vidpetl report {run.workdir}` draws it.'
    )
  try:
    return maps.draw(run, count, patient)
  except _LACKS as error:
    return maps.Explained(
      told=f'What speaks for a class (Grad-CAM) is not shown: {error}'
    )


def or_why(make: Callable[[], Iterable[str]]) -> list[str]:
  """Returns a part, or a sentence on why there is none."""
  try:
    return list(make())
  except _LACKS as error:
    return [facts.sentence(error)]


def _contents(names: Mapping[str, str]) -> str:
  links = ''.join(
    f'<a href="#{anchor}">{markup.text(name)}</a>'
    for anchor, name in names.items()
  )
  return f'<nav>{links}</nav>'


def _tiles(run: Recorded) -> str:
  """Returns the numbers that a reader looks for first."""
  several = len(run.tasks) > 1
  found = []
  for task in run.tasks:
    for name, value in list(facts.metrics(run, task).items())[:_TILES]:
      found.append((facts.number(name, value), f'{task}: {name}'))
      if several:
        break
  if count := run.results.get('parameters'):
    share = count['trained'] / max(count['total'], 1)
    found.append((f'{100 * share:.2f} %', 'of the parameters train'))
  if took := facts.clock(facts.cost(run).training):
    found.append((took, 'of training'))
  tiles = ''.join(
    f'<div class="tile"><b>{markup.text(value)}</b>'
    f'<span>{markup.text(name)}</span></div>'
    for value, name in found
  )
  return f'<div class="tiles">{tiles}</div>' if tiles else ''


def _recipe(run: Recorded) -> list[str]:
  told = facts.words(run)
  parts = [markup.table(None, told['run'].items(), 'words')]
  for line in continuing.lines(run.results.get('history', [])):
    parts.append(f'<p>{markup.text(line)}</p>')
  for name, words in told['tasks'].items():
    parts.append(f'<h3>{markup.text(name)}: clips and head</h3>')
    parts.append(markup.table(None, words.items(), 'words'))
  text = json.dumps(run.config, indent=1, ensure_ascii=False)
  parts.append(
    '<details><summary>every field of the config</summary>'
    f'<pre class="long">{markup.text(text)}</pre></details>'
  )
  return parts


def _task(
  run: Recorded, task: str, count: int, explained: maps.Explained
) -> list[str]:
  parts = [
    '<h3>Metrics</h3>',
    *or_why(lambda: measured.numbers(run, task)),
    '<h3>Curves</h3>',
    *or_why(lambda: measured.curves(run, task)),
  ]
  try:
    kind = run.kind(task)
  except _LACKS as error:
    return [*parts, facts.sentence(error)]
  for title, make in classes.details(run, task, kind):
    parts += [f'<h3>{title}</h3>', *or_why(make)]
  return parts + _seen(run, task, kind, count, explained)


def _seen(
  run: Recorded,
  task: str,
  kind: str,
  count: int,
  explained: maps.Explained,
) -> list[str]:
  """Returns clips, or keyframes, of a task."""
  if kind == 'localisation':
    found = explained.maps.get(task, {})
    parts = _keyframes(run, task, count, found)
    return ['<h3>Keyframes with boxes</h3>', *_told(explained), *parts]
  if kind == 'unlabelled' or not count:
    return []
  title = '<h3>Clips that it does worst and best on</h3>'
  parts = [title, *_told(explained)]
  found = explained.maps.get(task, {})
  return [*parts, *or_why(lambda: moving.clips(run, task, count, found))]


def _told(explained: maps.Explained) -> list[str]:
  if not explained.told:
    return []
  return [f'<p class="dim">{markup.text(explained.told)}</p>']


def _keyframes(
  run: Recorded, task: str, count: int, found: moving.Maps
) -> list[str]:
  """Returns the worst and best, or those that were drawn and why."""
  why = []
  if count:
    try:
      return people.keyframes(run, task, count, found)
    except _LACKS as error:
      why = [facts.sentence(error)]
  return [*why, *or_why(lambda: people.drawn(run, task))]


def _cost(run: Recorded, counted: Mapping[str, float] | None) -> list[str]:
  try:
    views: list[Any] = facts.flops_rows(run, counted)
  except _LACKS as error:
    views = [('one view, forward', f'not counted: {error}')]
  rows = [*facts.cost_rows(run), *views]
  return [markup.table(None, rows, 'words')]


def _versions(run: Recorded) -> list[str]:
  return [markup.table(None, facts.version_rows(run), 'words')]
