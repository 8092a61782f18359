"""A table of videos and scores: a judges' sheet.

It is a csv with any delimiter, or the first sheet of a spreadsheet (xlsx,
ods, …). Its header is `video,score` and any of
`start,end,split,id,difficulty,action,steps,judge_1,judge_2,...`:

  video       a file or a folder of frames, relative to the table
  score       how good the performance is, in any unit
  start       when it begins: seconds, mm:ss or hh:mm:ss; empty, '-' or 'n/a'
              is the beginning
  end         when it ends; the same is the end of the file
  split       train, val or test in any spelling; without the column, a share
              of the videos of each action is 'val'. Where there is no val,
              test is taken for it
  id          what reports call it; the video (and start) by default
  difficulty  by which judges' scores are multiplied; empty is unknown
  action      what is performed; empty is unknown
  steps       when its further steps begin, as '1.2;3.4': as many in each row;
              empty is unknown
  judge_1     scores of each judge; empty, '-' or 'n/a' is missing

Capitals and blanks in a header do not count, `path`, `file` and `filename`
are the video, `total` and `final_score` the score, `Judge 1`, `J1` and
`Judge 1 (USA)` are judge_1. Numbers may have a decimal comma. Other columns
are left out, and named.
"""

from __future__ import annotations

import collections
import dataclasses
import difflib
import itertools
import os
import re
from collections.abc import Iterator, Sequence

import numpy as np
from etils import epath

from vidpetl import mistakes, ranges
from vidpetl.data import examples, names
from vidpetl.data.annotations import fields, text
from vidpetl.data.annotations.strings import Strings
from vidpetl.data.kinds.quality import Performance, Performances
from vidpetl.data.sources import (
  columns,
  manifest,
  oversights,
  table_splits,
  videos,
)

KIND = 'quality'
_REQUIRED = ('video', 'score')
_OPTIONAL = ('start', 'end', 'split', 'id', 'difficulty', 'action', 'steps')
# Other names of columns; 'Judge 1 (USA)' is one, too.
_SPELLINGS = {
  **dict.fromkeys(('path', 'file', 'filename', 'file_name', 'clip'), 'video'),
  **dict.fromkeys(('total', 'final_score', 'total_score'), 'score'),
  **dict.fromkeys(('degree_of_difficulty', 'dd'), 'difficulty'),
}
_JUDGE = re.compile(r'j(?:udge)?_?(\d+)(?:_?[(\[].*)?')

Row = dict[str, str]
Rows = list[tuple[int, Row]]


def open(
  path: str,
  split: str = 'all',
  name: str | None = None,
  fps: ranges.Positive | None = None,
  val_fraction: ranges.Held = 0.2,
) -> Performances:
  """Opens the performances that a table lists.

  The module's docstring says what its columns are.

  Args:
    path: of the table.
    split: which rows to take; 'all' takes every row.
    name: of the dataset; the table's name by default.
    fps: nominal frame rate, and that of folders of frames; None is each file's
      own, and 25 for folders.
    val_fraction: share of the videos in 'val', where there is no column
      `split`.

  Returns:
    The source, in the order of the table. Missing videos are in
    `info.dropped`, and in that of 'train' the rows without a split;
    `info.notes` says what a user should know of all rows.

  Raises:
    FileNotFoundError: for a missing table, or if all videos are.
    vidpetl.data.annotations.text.AnnotationError: with file and line, for
      columns that look misspelled, and for scores and times that are none.
    ValueError: for a split that the table does not have.
  """
  text.require(path, 'a table with the columns video and score')
  rows = list(text.read_table(path, _REQUIRED, spelled=column))
  if not rows:
    raise text.fail(path, None, 'no rows', 'one per performance')
  judges = _judges(path, rows[0][1])
  of = table_splits.of_rows(rows, _keys(rows), _groups(rows), val_fraction)
  folder = os.path.dirname(os.path.abspath(path))
  places = videos.Places(folder)
  clips = [places.clip(row['video']) for _, row in rows]
  notes = _notes(path, rows, of, clips)
  wanted = table_splits.wanted(path, split, of)
  lost = [row for row, s in zip(rows, of) if not s and wanted == 'train']
  of_no_split = [_id(row) for _, row in lost]
  chosen = [i for i, s in enumerate(of) if wanted in ('all', s)]
  rows, clips = [rows[i] for i in chosen], [clips[i] for i in chosen]
  ids = columns.unique([_id(row) for _, row in rows])
  found = [
    _performance(path, line, row, name, judges)
    for name, (line, row) in zip(ids, rows)
  ]
  found = _with_all_steps(path, [line for line, _ in rows], found)
  have = [i for i, (file, _) in enumerate(clips) if file]
  columns.require_some(
    len(have),
    len(rows),
    f'{names.shown(rows[0][1]["video"])} and others',
    folder,
  )
  files = Strings(clips[i][0] for i in have)
  info = examples.Info(
    name=name or names.shown(epath.Path(path).stem),
    split=split,
    kind='quality',
    num_classes=0,
    classes={},
    fps=fps,
    dropped=(
      *_left_out(path, folder, ids, rows, [missing for _, missing in clips]),
      *_left_out(path, folder, of_no_split, lost, ['no split'] * len(lost)),
    ),
    notes=(*notes, *videos.rate_note(filter(videos.is_folder, files), fps)),
  )
  return Performances.of_examples(
    info, [found[i] for i in have], files.__getitem__
  )


def column(name: str) -> str:
  """Returns what a column of a sheet is, by its header."""
  plain = text.column(name)
  if judge := _JUDGE.fullmatch(plain):
    return f'judge_{int(judge[1])}'
  return _SPELLINGS.get(plain, plain)


def _judges(path: str, row: Row) -> list[str]:
  """Returns the columns judge_1, judge_2, ... that there are."""
  called = (f'judge_{i}' for i in itertools.count(1))
  judges = list(itertools.takewhile(row.__contains__, called))
  known = (*_REQUIRED, *_OPTIONAL, *judges)
  unknown = [name for name in row if name and name not in known]
  wrong = [
    name
    for name in unknown
    if _JUDGE.fullmatch(name) or difflib.get_close_matches(name, known, 1, 0.8)
  ]
  if wrong:
    there = ','.join((*_REQUIRED, *_OPTIONAL, 'judge_1', 'judge_2', '...'))
    raise text.fail(path, 1, f'unknown columns {wrong}', there)
  if unknown:
    mistakes.note(
      f'{names.shown(path)}: columns that are not used: {", ".join(unknown)}'
    )
  return judges


def _notes(
  path: str,
  rows: Rows,
  of: Sequence[str],
  clips: Sequence[tuple[str | None, str]],
) -> tuple[str, ...]:
  """Returns what to say of how all rows are split."""
  compared = []
  for (line, row), split, (file, _) in zip(rows, of, clips):
    start, end = manifest.span(path, line, row)
    compared.append(
      oversights.Row(
        file=table_splits.spelled(file or row['video']),
        labels=(),
        split=split,
        where=f'{names.shown(path)}:{line}',
        start=start,
        end=float('inf') if np.isnan(end) else end,
      )
    )
  notes = (*table_splits.notes(compared), *_scored_again(rows, compared))
  if 'split' not in rows[0][1]:
    notes += (
      f'{names.shown(path)} has no column split: {of.count("val")} of '
      f'{len(rows)} performances are for validation, by a hash of their videos',
    )
  return notes


def _scored_again(
  rows: Rows, compared: Sequence[oversights.Row]
) -> Iterator[str]:
  """Finds performances with several scores; each stays an example."""
  first: dict[tuple, tuple[str, str]] = {}
  found = []
  for (_, row), clip in zip(rows, compared):
    key = clip.file, clip.start, clip.end
    where, score = first.setdefault(key, (clip.where, row['score']))
    if score != row['score']:
      found.append(f'{clip.where} ({row["score"]}; {score} in {where})')
  if found:
    yield (
      f'{len(found)} performances are listed again with another score, and '
      f'each counts: {oversights.some(found)}'
    )


def _keys(rows: Rows) -> list[str]:
  """Returns by what rows are split: their videos, if there are several."""
  files = [row['video'] for _, row in rows]
  return files if len(set(files)) > 1 else [_id(row) for _, row in rows]


def _groups(rows: Rows) -> list[str]:
  """Returns of what a share is taken: actions, and all that are rare."""
  actions = [row.get('action', '') for _, row in rows]
  count = collections.Counter(actions)
  return [action if count[action] > 1 else '' for action in actions]


def _left_out(
  path: str, folder: str, ids: Sequence[str], rows: Rows, why: Sequence[str]
) -> Iterator[examples.Dropped]:
  """Yields the rows that are left out, those with a reason."""
  for name, (line, row), reason in zip(ids, rows, why):
    if reason:
      yield manifest.dropped(path, line, folder, row['video'], name, reason)


def _id(row: Row) -> str:
  return manifest.clip_id(row, row['video'])


def _performance(
  path: str, line: int, row: Row, name: str, judges: list[str]
) -> Performance:
  if not row['video']:
    raise text.fail(path, line, 'no video', 'one in each row')
  start, end = manifest.span(path, line, row)
  difficulty = _number(path, line, row, 'difficulty')
  if difficulty <= 0:
    problem = f'difficulty is {difficulty:g}'
    raise text.fail(path, line, problem, 'more than 0, or nothing')
  return Performance(
    id=name,
    score=text.number(row['score'], path, line, 'score'),
    start=start,
    end=None if np.isnan(end) else end,
    judge_scores=tuple(_number(path, line, row, judge) for judge in judges),
    difficulty=difficulty,
    action=row.get('action', ''),
    steps=_steps(path, line, row, start, end),
  )


def _known(row: Row, name: str) -> str:
  """Returns a field, '' where it says that nothing is known."""
  field = row.get(name, '')
  return '' if fields.is_missing(field) else field


def _number(path: str, line: int, row: Row, name: str) -> float:
  """Returns a number that may be missing, which is nan."""
  field = _known(row, name)
  return text.number(field, path, line, name) if field else float('nan')


def _steps(
  path: str, line: int, row: Row, start: float, end: float
) -> tuple[float, ...]:
  if not _known(row, 'steps'):
    return ()
  written = re.split(r'\s*[;|]\s*|\s+', row['steps'])
  steps = tuple(text.seconds(field, path, line, 'steps') for field in written)
  times = [start, *steps] if np.isnan(end) else [start, *steps, end]
  if sorted(times) != times:
    problem = f'steps are {row["steps"]}'
    raise text.fail(path, line, problem, 'seconds in order, start to end')
  return steps


def _with_all_steps(
  path: str, lines: Sequence[int], found: list[Performance]
) -> list[Performance]:
  """Gives performances whose steps are unknown as many, all nan."""
  count = max(len(performance.steps) for performance in found)
  for line, performance in zip(lines, found):
    if len(performance.steps) not in (0, count):
      problem = f'{len(performance.steps)} steps'
      raise text.fail(path, line, problem, f'{count} as in other rows, or none')
  unknown = (float('nan'),) * count
  return [dataclasses.replace(p, steps=p.steps or unknown) for p in found]
