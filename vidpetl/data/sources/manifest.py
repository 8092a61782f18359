"""A table of videos and labels.

Its header is `path,label` and any of `start,end,split,id`:

  path   of a video file or a folder of frames, relative to the table (or
         absolute), with suffix or without
  label  name of its class; of kind 'multilabel' any number of names, as
         'sit|read a book', or one in each of several rows; of kind
         'unlabelled' it may be left out
  start  second at which the clip begins, or mm:ss, or hh:mm:ss; empty, '-'
         or 'n/a' is the beginning
  end    when it ends; the same is the end of the file
  split  train, val or test in any spelling; without the column, a share of
         the files of each class is 'val'. Where there is no val, test is
         taken for it
  id     what reports call the clip; the path (and start) by default

Classes are the sorted names over *all* splits in the table; whole numbers are
sorted as numbers. Where train and val are two tables, give both the same
`classes`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence

import numpy as np
from etils import epath

from vidpetl import ranges
from vidpetl.data import examples, kinds, names
from vidpetl.data.annotations import fields, text
from vidpetl.data.annotations.strings import Strings
from vidpetl.data.sources import columns, oversights, table_splits, videos

KIND = 'classification'
_REQUIRED = ('path', 'label')
_OPTIONAL = ('start', 'end', 'split', 'id')


@dataclasses.dataclass
class _Row:
  """A row of the table.

  Attributes:
    line: of the file.
    path: of the video, as it is written.
    id: what reports call the clip.
    labels: names of its classes.
    split: see `table_splits.of_rows`.
    start: second at which it begins.
    end: second at which it ends; nan is the end of the file.
    file: the video, None if it is not there.
    missing: why it is not.
  """

  line: int
  path: str
  id: str
  labels: list[str]
  split: str
  start: float
  end: float
  file: str | None = None
  missing: str = ''


def open(
  path: str,
  split: str = 'all',
  classes: Sequence[str] | None = None,
  name: str | None = None,
  kind: str = 'classification',
  fps: ranges.Positive | None = None,
  root: str | None = None,
  val_fraction: ranges.Held = 0.2,
) -> examples.Source:
  """Opens the clips that a table lists.

  The module's docstring says what its columns are.

  Args:
    path: of the table: csv, tsv, or a spreadsheet.
    split: which rows to take; 'all' takes every row.
    classes: names in the order of their indices.
    name: of the dataset; the table's name by default.
    kind: of annotation, a module of `vidpetl.data.kinds`.
    fps: nominal frame rate, and that of folders of frames; None is each file's
      own, and 25 for folders.
    root: folder to which paths are relative; the table's by default.
    val_fraction: share of the files of each class in 'val', where there is no
      column `split`.

  Returns:
    The source, in the order of the table. Missing videos are in
    `info.dropped`, and in that of 'train' the rows without a split;
    `info.notes` says what a user should know of all rows.

  Raises:
    FileNotFoundError: for a missing table, or if all videos are.
    vidpetl.data.annotations.text.AnnotationError: with file and line, for
      unknown columns, labels not in `classes`, and times that are none.
    ValueError: for a split that the table does not have, a clip that is
      labelled in two ways, and a kind that is not for a table of labels.
  """
  text.require(path, 'a csv with the header path,label')
  shown = kinds.load(kind, 'source manifest: kind')
  folder = root or os.path.dirname(os.path.abspath(path))
  rows = _read(path, shown, folder, 0.0 if split == 'all' else val_fraction)
  if classes is None:
    classes = names.ordered(label for row in rows for label in row.labels)
  index = {label: i for i, label in enumerate(classes)}
  said = _review(path, rows, shown)
  wanted = table_splits.wanted(path, split, {row.split for row in rows})
  chosen = [r for r in rows if wanted == 'all' or r.split == wanted]
  labels = {row.id: _indices(path, row, index) for row in chosen}
  kept = [row for row in chosen if row.file]
  columns.require_some(
    len(kept),
    len(chosen),
    f'{names.shown(chosen[0].path)} and others',
    folder,
  )
  files = Strings(row.file for row in kept)
  info = examples.Info(
    name=name or names.shown(epath.Path(path).stem),
    split=split,
    kind=kind,
    num_classes=len(classes),
    classes=dict(enumerate(classes)),
    fps=fps,
    dropped=tuple(_left_out(path, folder, rows, chosen, wanted)),
    notes=(
      *table_splits.notes(said, classes),
      *_several_in_one(classes, shown),
      *videos.rate_note(filter(videos.is_folder, files), fps),
    ),
  )
  starts, ends = np.array([(row.start, row.end) for row in kept]).T
  return shown.labelled(
    info,
    Strings(row.id for row in kept),
    [labels[row.id] for row in kept],
    files.__getitem__,
    starts,
    ends,
  )


def _read(
  path: str, kind: kinds.Kind, folder: str, val_fraction: float
) -> list[_Row]:
  """Returns the rows of a table, checked, with their videos."""
  columns_of = (_REQUIRED, _OPTIONAL)
  if not kind.has_classes:
    columns_of = (_REQUIRED[:1], (*_REQUIRED[1:], *_OPTIONAL))
  table = list(text.read_table(path, *columns_of))
  labels = _names(path, table, kind)
  split = table_splits.of_rows(
    table,
    [row['path'] for _, row in table],
    [(labels[line] or [''])[0] for line, _ in table],
    val_fraction,
  )
  ids = columns.unique([clip_id(row, row['path']) for _, row in table])
  rows = [
    _Row(line, row['path'], clip, labels[line], of, *span(path, line, row))
    for clip, of, (line, row) in zip(ids, split, table)
  ]
  rows = _united(rows) if kind.several else rows
  places = videos.Places(folder)
  for row in rows:
    row.file, row.missing = places.clip(row.path)
  return rows


def clip_id(row: dict[str, str], path: str) -> str:
  """Returns what reports call a row: its id, or its video and its start."""
  start = row.get('start', '')
  begins = '' if fields.is_missing(start) else f'@{start}'
  return row.get('id') or names.shown(path) + begins


def dropped(
  path: str, line: int, folder: str, file: str, name: str, why: str
) -> examples.Dropped:
  """Returns a row of a table that is left out.

  Args:
    path: of the table.
    line: of the row.
    folder: to which its files are relative.
    file: as the row has it.
    name: what reports call the row.
    why: it is left out.
  """
  shown = names.shown(os.path.join(folder, file))
  return examples.Dropped(name, shown, f'{why} ({names.shown(path)}:{line})')


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


def _united(rows: list[_Row]) -> list[_Row]:
  """Makes one row of those that list the labels of one clip."""
  first: dict[tuple, _Row] = {}
  for row in rows:
    # An end of nan is not equal to itself.
    file = table_splits.spelled(row.path)
    key = (file, row.split, row.start, str(row.end))
    known = first.setdefault(key, row)
    known.labels = list(dict.fromkeys([*known.labels, *row.labels]))
  return list(first.values())


def _review(
  path: str, rows: list[_Row], kind: kinds.Kind
) -> list[oversights.Row]:
  """Returns the rows as they are compared, if they do not contradict.

  Raises:
    ValueError: for a clip that is labelled in two ways.
  """
  found = [
    oversights.Row(
      file=table_splits.spelled(row.file or row.path),
      labels=tuple(row.labels),
      split=row.split,
      where=f'{names.shown(path)}:{row.line}',
      start=row.start,
      end=float('inf') if np.isnan(row.end) else row.end,
    )
    for row in rows
  ]
  if not kind.several:
    oversights.require_one_label(found)
  return found


def _several_in_one(classes: Sequence[str], kind: kinds.Kind) -> Iterator[str]:
  """Finds names of classes that may be meant for several."""
  found = [name for name in classes if '|' in name]
  if found and not kind.several:
    yield (
      'names with a bar are one class each, and several with '
      f'task=multilabel: {oversights.some(found)}'
    )


def _indices(path: str, row: _Row, index: dict[str, int]) -> list[int]:
  """Returns the indices of a row's classes."""
  if strange := [label for label in row.labels if label not in index]:
    problem = f'label {strange[0]!r} is not among `classes`'
    raise text.fail(path, row.line, problem, ', '.join(index))
  return [index[label] for label in row.labels]


def _left_out(
  path: str, folder: str, rows: Sequence[_Row], chosen: Sequence[_Row], of: str
) -> Iterator[examples.Dropped]:
  """Yields rows without a video, and for training those without a split."""
  lost = [(row, row.missing) for row in chosen if not row.file]
  if of == 'train':
    lost += [(row, 'no split') for row in rows if not row.split]
  for row, why in lost:
    yield dropped(path, row.line, folder, row.path, row.id, why)


def span(path: str, line: int, row: dict[str, str]) -> tuple[float, float]:
  """Returns start and end in seconds; the end is nan if it is the file's.

  Raises:
    text.AnnotationError: unless 0 <= start < end.
  """
  start, end = (
    None
    if fields.is_missing(row.get(name, ''))
    else text.seconds(row[name], path, line, name)
    for name in ('start', 'end')
  )
  start = start or 0.0
  if start < 0 or (end is not None and end <= start):
    problem = f'start {row.get("start")}, end {row.get("end")}'
    raise text.fail(path, line, problem, '0 <= start < end, in seconds')
  return start, float('nan') if end is None else end
