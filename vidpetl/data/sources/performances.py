"""A csv of videos and scores."""

from __future__ import annotations

import dataclasses
import itertools
import os

import numpy as np
from etils import epath

from vidpetl.data import examples
from vidpetl.data.annotations import text
from vidpetl.data.annotations.strings import Strings
from vidpetl.data.kinds.quality import Performance, Performances
from vidpetl.data.sources import columns, manifest

KIND = 'quality'
_REQUIRED = ('video', 'score')
_OPTIONAL = ('start', 'end', 'split', 'id', 'difficulty', 'action', 'steps')

Row = dict[str, str]


def open(
  path: str,
  split: str = 'all',
  name: str | None = None,
  fps: float | None = None,
) -> Performances:
  """Opens the performances that a csv lists.

  Its header is `video,score` and any of
  `start,end,split,id,difficulty,action,steps,judge_1,judge_2,...`:

    video       a file or a folder of frames, relative to the csv (or absolute)
    score       how good the performance is, in any unit
    start       second at which it begins; empty is the beginning
    end         second at which it ends; empty is the end of the file
    split       e.g. train or val
    id          what reports call it; the video (and start) by default
    difficulty  by which judges' scores are multiplied; empty is unknown
    action      what is performed; empty is unknown
    steps       seconds at which its further steps begin, as '1.2;3.4': as many
                in each row; empty is unknown
    judge_1     scores of each judge; in every row

  Args:
    path: of the csv.
    split: which rows to take; 'all' takes every row, and is the one choice
      where there is no column `split`.
    name: of the dataset; the csv's name by default.
    fps: nominal frame rate, and that of folders of frames; None is each file's
      own, and 25 for folders.

  Returns:
    The source, in the order of the csv. Missing videos are in `info.dropped`.

  Raises:
    FileNotFoundError: for a missing csv, or if all videos are.
    vidpetl.data.annotations.text.AnnotationError: with file and line, for
      unknown columns, and for scores and times that are none.
    ValueError: for a split that the csv does not have.
  """
  text.require(path, 'a csv with the header video,score')
  rows = list(text.read_table(path, _REQUIRED))
  if not rows:
    raise text.fail(path, None, 'no rows', 'one per performance')
  judges = _judges(path, rows[0][1])
  rows = manifest.of_split(path, rows, split)
  ids = columns.unique([_id(row) for _, row in rows])
  found = [
    _performance(path, line, row, name, judges)
    for name, (line, row) in zip(ids, rows)
  ]
  found = _with_all_steps(path, [line for line, _ in rows], found)
  # Strings: there may be a million rows, and epath takes ten times as long.
  folder = os.path.dirname(os.path.abspath(path))
  files = [os.path.join(folder, row['video']) for _, row in rows]
  have = [i for i, file in enumerate(files) if os.path.exists(file)]
  columns.require_some(
    len(have), len(rows), rows[0][1]['video'] + ' and others', folder
  )
  info = examples.Info(
    name=name or epath.Path(path).stem,
    split=split,
    kind='quality',
    num_classes=0,
    classes={},
    fps=fps,
    dropped=tuple(
      examples.Dropped(ids[i], files[i], f'not found ({path}:{rows[i][0]})')
      for i in sorted(set(range(len(rows))) - set(have))
    ),
  )
  paths = Strings(files[i] for i in have)
  return Performances.of_examples(
    info, [found[i] for i in have], paths.__getitem__
  )


def _judges(path: str, row: Row) -> list[str]:
  """Returns the columns judge_1, judge_2, ... that there are."""
  names = (f'judge_{i}' for i in itertools.count(1))
  judges = list(itertools.takewhile(row.__contains__, names))
  unknown = sorted(set(row) - {*_REQUIRED, *_OPTIONAL, *judges})
  if unknown:
    there = ','.join((*_REQUIRED, *_OPTIONAL, 'judge_1', 'judge_2', '...'))
    raise text.fail(path, 1, f'unknown columns {unknown}', there)
  return judges


def _id(row: Row) -> str:
  start = row.get('start')
  return row.get('id') or row['video'] + (f'@{start}' if start else '')


def _performance(
  path: str, line: int, row: Row, name: str, judges: list[str]
) -> Performance:
  if not row['video']:
    raise text.fail(path, line, 'no video', 'one in each row')
  start, end = manifest.span(path, line, row)
  difficulty = float('nan')
  if row.get('difficulty'):
    difficulty = text.number(row['difficulty'], path, line, 'difficulty')
    if difficulty <= 0:
      problem = f'difficulty is {difficulty:g}'
      raise text.fail(path, line, problem, 'more than 0, or nothing')
  return Performance(
    id=name,
    score=text.number(row['score'], path, line, 'score'),
    start=start,
    end=None if np.isnan(end) else end,
    judge_scores=tuple(text.number(row[j], path, line, j) for j in judges),
    difficulty=difficulty,
    action=row.get('action', ''),
    steps=_steps(path, line, row, start, end),
  )


def _steps(
  path: str, line: int, row: Row, start: float, end: float
) -> tuple[float, ...]:
  if not row.get('steps'):
    return ()
  fields = row['steps'].split(';')
  steps = tuple(text.number(field, path, line, 'steps') for field in fields)
  times = [start, *steps] if np.isnan(end) else [start, *steps, end]
  if sorted(times) != times:
    problem = f'steps are {row["steps"]}'
    raise text.fail(path, line, problem, 'seconds in order, start to end')
  return steps


def _with_all_steps(
  path: str, lines: list[int], found: list[Performance]
) -> list[Performance]:
  """Gives performances whose steps are unknown as many, all nan."""
  count = max(len(performance.steps) for performance in found)
  for line, performance in zip(lines, found):
    if len(performance.steps) not in (0, count):
      problem = f'{len(performance.steps)} steps'
      raise text.fail(path, line, problem, f'{count} as in other rows, or none')
  unknown = (float('nan'),) * count
  return [dataclasses.replace(p, steps=p.steps or unknown) for p in found]
