"""What a run says of its data before it begins, in a moment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from etils import epath

from vidpetl import durable
from vidpetl.data import examples, names
from vidpetl.data.survey import (
  cache,
  facts,
  findings,
  opening,
  reading,
  report,
)

# Files that are read at the start of a run, and seconds that they may take.
MOST, SECONDS = 500, 10.0

# Values of `config.input.check`.
CHOICES = ('on', 'off')


def look(
  config: Mapping[str, Any],
  train: Mapping[str, examples.Source],
  tested: Mapping[str, examples.Source],
  workdir: epath.PathLike,
  cache_path: str | None = None,
) -> list[str]:
  """Returns lines about the data of a run; writes <workdir>/check.json.

  Annotations are looked at as a whole; of the files, those that are known and a
  few others (see `reading.glance`). Nothing here stops a run. With
  `config.input.check` 'off' nothing is looked at, and the lines are those on
  examples that are left out.

  Args:
    config: of the run.
    train: training source of each task.
    tested: evaluation source of those that have one.
    workdir: of the run.
    cache_path: where records of files are kept; that of `vidpetl check` if
      left out.
  """
  if config['input']['check'] == 'off':
    return _left_out(train, tested)
  try:
    return _look(config, train, tested, workdir, cache_path)
  except Exception as error:  # Whatever it is, no run is lost for a look.
    return [f'the data were not checked: {type(error).__name__}: {error}']


def _left_out(
  train: Mapping[str, examples.Source], tested: Mapping[str, examples.Source]
) -> list[str]:
  return [
    f'{name}: {len(info.dropped):,} annotated examples of the split '
    f'{info.split!r} are left out, e.g. {names.shown(info.dropped[0].id)} '
    f'({info.dropped[0].reason}).'
    for sources in (train, tested)
    for name, info in ((name, one.info) for name, one in sources.items())
    if info.dropped
  ]


def _look(config, train, tested, workdir, cache_path) -> list[str]:
  subjects = opening.subjects(config, train, tested)
  paths = list(dict.fromkeys(p for one in subjects for p in one.paths()))
  kept = cache.Cache(cache.default_path() if cache_path is None else cache_path)
  records = reading.glance(paths, kept, MOST, SECONDS)
  subjects = [one.with_records(records) for one in subjects]
  found = [f for one in subjects for f in findings.find_all(one)]
  result = facts.result('the data of this run', subjects, found)
  result['sheet'] = None
  text = json.dumps(result, indent=1, ensure_ascii=False)
  durable.write(epath.Path(workdir) / 'check.json', text + '\n')
  told = [*_counts(result), *_odd(result)]
  if len(records) < len(paths):
    told.append(
      f'{len(records):,} of {len(paths):,} files were looked at; '
      '`vidpetl check` reads all.'
    )
  return told


def _counts(result: Mapping[str, Any]) -> list[str]:
  """Returns a line for each task: what there is to train and to test."""
  lines = []
  for name, task in result['tasks'].items():
    parts = [
      f'{split["clips"]:,} {role} clips'
      for role, split in task['splits'].items()
    ]
    if task['classes']:
      parts.append(f'{len(task["classes"]):,} classes')
    lines.append(f'{name}: {", ".join(parts)}.')
  return lines


def _odd(result: Mapping[str, Any]) -> list[str]:
  """Returns the findings without mere facts, an example each."""
  told = [f for f in result['findings'] if f['level'] != findings.INFO]
  return list(report.lines_of({**result, 'findings': told}, examples=1))
