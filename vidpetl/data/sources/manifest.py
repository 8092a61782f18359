"""A csv of videos and labels."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from etils import epath

from vidpetl.data import examples, kinds
from vidpetl.data.annotations import text
from vidpetl.data.annotations.strings import Strings
from vidpetl.data.sources import columns

KIND = 'classification'
_REQUIRED = ('path', 'label')
_OPTIONAL = ('start', 'end', 'split', 'id')


def open(
  path: str,
  split: str = 'all',
  classes: Sequence[str] | None = None,
  name: str | None = None,
  kind: str = 'classification',
) -> examples.Source:
  """Opens the videos that a csv lists.

  Its header is `path,label` and any of `start,end,split,id`:

    path   of a video, relative to the csv (or absolute)
    label  name of its class; of kind 'multilabel' any number of names, as
           'sit|read a book'; of kind 'unlabelled' it may be left out
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
    kind: of annotation, a module of `vidpetl.data.kinds`.

  Returns:
    The source, in the order of the csv. Missing videos are in `info.dropped`.

  Raises:
    FileNotFoundError: for a missing csv, or if all videos are.
    vidpetl.data.annotations.text.AnnotationError: with file and line, for
      unknown columns, labels not in `classes`, and times that are none.
    ValueError: for a split that the csv does not have, and for a kind that is
      not for a csv of labels.
  """
  text.require(path, 'a csv with the header path,label')
  shown = kinds.load(kind, 'source manifest: kind')
  columns_of = (_REQUIRED, _OPTIONAL)
  if not shown.has_classes:
    columns_of = (_REQUIRED[:1], (*_REQUIRED[1:], *_OPTIONAL))
  rows = list(text.read_table(path, *columns_of))
  names = _names(path, rows, shown)
  if classes is None:
    classes = sorted({name for found in names.values() for name in found})
  index = {label: i for i, label in enumerate(classes)}
  rows = of_split(path, rows, split)
  # Strings: there may be a million rows, and epath takes ten times as long.
  folder = os.path.dirname(os.path.abspath(path))
  ids = columns.unique([_id(row) for _, row in rows])
  kept, dropped, labels, times = [], [], [], []
  for clip, (line, row) in zip(ids, rows):
    file = os.path.join(folder, row['path'])
    found = _indices(path, line, names[line], index)
    extent = span(path, line, row)
    if not os.path.isfile(file):
      reason = f'not found ({path}:{line})'
      dropped.append(examples.Dropped(clip, file, reason))
      continue
    kept.append((clip, file))
    labels.append(found)
    times.append(extent)
  columns.require_some(
    len(kept), len(rows), rows[0][1]['path'] + ' and others', folder
  )
  files = Strings(file for _, file in kept)
  starts, ends = np.array(times).T
  info = examples.Info(
    name=name or epath.Path(path).stem,
    split=split,
    kind=kind,
    num_classes=len(classes),
    classes=dict(enumerate(classes)),
    dropped=tuple(dropped),
  )
  ids = Strings(clip for clip, _ in kept)
  return shown.labelled(info, ids, labels, files.__getitem__, starts, ends)


def _id(row) -> str:
  start = row.get('start')
  return row.get('id') or row['path'] + (f'@{start}' if start else '')


def _names(path, rows, kind: kinds.Kind) -> dict[int, list[str]]:
  """Returns the names of each line's classes, having checked the rows."""
  found = {}
  for line, row in rows:
    if not row['path']:
      raise text.fail(path, line, 'no path', 'one in each row')
    try:
      found[line] = kind.names(row.get('label', ''))
    except ValueError as error:
      raise text.fail(path, line, str(error), 'one in each row') from None
  if not rows:
    raise text.fail(path, None, 'no rows', 'one per video')
  return found


def _indices(path, line, names, index: dict[str, int]) -> list[int]:
  """Returns the indices of a line's classes."""
  if strange := [name for name in names if name not in index]:
    problem = f'label {strange[0]!r} is not among `classes`'
    raise text.fail(path, line, problem, ', '.join(index))
  return [index[name] for name in names]


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
