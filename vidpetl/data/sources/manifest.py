"""A csv of videos and labels."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from vidpetl.data import examples
from vidpetl.data.annotations import text
from vidpetl.data.annotations.strings import Strings
from vidpetl.data.kinds.classification import Classification
from vidpetl.data.sources import columns

KIND = 'classification'
_REQUIRED = ('path', 'label')
_OPTIONAL = ('start', 'end', 'split', 'id')


def open(
  path: str,
  split: str = 'all',
  classes: Sequence[str] | None = None,
  name: str | None = None,
) -> Classification:
  """Opens the videos that a csv lists.

  Its header is `path,label` and any of `start,end,split,id`:

    path   of a video, relative to the csv (or absolute)
    label  name of its class
    start  second at which the clip begins; empty is the beginning
    end    second at which it ends; empty is the end of the file
    split  e.g. train or val
    id     what reports call the clip; the path (and start) by default

  Classes are the sorted names over *all* splits in the file. Where train and
  val are two files, give both the same `classes`.

  Args:
    path: of the csv.
    split: which rows to take; 'all' takes every row, and is the one choice
      where there is no column `split`.
    classes: names in the order of their indices.
    name: of the dataset; the csv's name by default.

  Returns:
    The source, in the order of the csv. Missing videos are in `info.dropped`.

  Raises:
    FileNotFoundError: for a missing csv, or if all videos are.
    vidpetl.data.annotations.text.AnnotationError: with file and line, for
      unknown columns, labels not in `classes`, and times that are none.
    ValueError: for a split that the csv does not have.
  """
  text.require(path, 'a csv with the header path,label')
  rows = list(text.read_table(path, _REQUIRED, _OPTIONAL))
  _check_rows(path, rows)
  if classes is None:
    classes = sorted({row['label'] for _, row in rows})
  index = {label: i for i, label in enumerate(classes)}
  rows = of_split(path, rows, split)
  folder = os.path.dirname(os.path.abspath(path))
  ids = columns.unique([_id(row) for _, row in rows])
  kept, dropped, labels, times = [], [], [], []
  for clip, (line, row) in zip(ids, rows):
    file = os.path.join(folder, row['path'])
    if row['label'] not in index:
      problem = f'label {row["label"]!r} is not among `classes`'
      raise text.fail(path, line, problem, ', '.join(classes))
    extent = span(path, line, row)
    if not os.path.isfile(file):
      reason = f'not found ({path}:{line})'
      dropped.append(examples.Dropped(clip, file, reason))
      continue
    kept.append((clip, file))
    labels.append(index[row['label']])
    times.append(extent)
  columns.require_some(
    len(kept), len(rows), rows[0][1]['path'] + ' and others', folder
  )
  files = Strings(file for _, file in kept)
  starts, ends = np.array(times).T
  info = examples.Info(
    name=name or os.path.splitext(os.path.basename(path))[0],
    split=split,
    kind='classification',
    num_classes=len(classes),
    classes=dict(enumerate(classes)),
    dropped=tuple(dropped),
  )
  return Classification(
    info=info,
    ids=Strings(clip for clip, _ in kept),
    labels=np.array(labels),
    video=files.__getitem__,
    starts=starts,
    ends=ends,
  )


def _id(row) -> str:
  start = row.get('start')
  return row.get('id') or row['path'] + (f'@{start}' if start else '')


def _check_rows(path, rows):
  for line, row in rows:
    for field in _REQUIRED:
      if not row[field]:
        raise text.fail(path, line, f'no {field}', 'path and label in each row')
  if not rows:
    raise text.fail(path, None, 'no rows', 'one per video')


def of_split(
  path: str, rows: list[tuple[int, dict[str, str]]], split: str
) -> list[tuple[int, dict[str, str]]]:
  """Returns the rows, with their lines, of a split; of 'all', every row.

  Raises:
    ValueError: if the csv at `path` has no such split.
  """
  if split == 'all':
    return rows
  if 'split' not in rows[0][1]:
    raise ValueError(
      f"split={split!r}, but {path} has no column 'split'; add it, or take all "
      "rows with split='all'"
    )
  there = sorted({row['split'] for _, row in rows})
  if split not in there:
    raise ValueError(f'split={split!r} is not in {path}; there are {there}')
  return [(line, row) for line, row in rows if row['split'] == split]


def span(path: str, line: int, row: dict[str, str]) -> tuple[float, float]:
  """Returns start and end in seconds; the end is nan if it is the file's.

  Raises:
    text.AnnotationError: unless 0 <= start < end.
  """
  start = end = None
  if row.get('start'):
    start = text.number(row['start'], path, line, 'start')
  if row.get('end'):
    end = text.number(row['end'], path, line, 'end')
  start = start or 0.0
  if start < 0 or (end is not None and end <= start):
    problem = f'start {row.get("start")}, end {row.get("end")}'
    raise text.fail(path, line, problem, '0 <= start < end, in seconds')
  return start, float('nan') if end is None else end
