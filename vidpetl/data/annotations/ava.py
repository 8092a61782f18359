"""AVA's csv files: ground truth, excluded timestamps, person boxes.

Rows of one box (one per action) are merged by the *text* of video, second and
box, as two persons may have nearly the same box.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np

from vidpetl import mistakes, options, ranges
from vidpetl.data import names
from vidpetl.data.annotations import boxes, headers, restricted_pickle, text

_TRUTH = (
  'video_id,seconds,x1,y1,x2,y2,action_id,person_id (AVA), the same without '
  'person_id (AVA-Kinetics), or video_id,seconds (annotated, but empty)'
)
_PERSONS = 'video_id,seconds,x1,y1,x2,y2,label (empty, -1 or action id),score'
_CORNERS = ('x1', 'y1', 'x2', 'y2')
# What becomes of boxes that leave the frame: by how much of it they may, and
# are cut. Tools round (a pixel of 200), and detectors guess what is not seen.
DEGENERATE = ('error', 'drop')
OUTSIDE = {'error': 0.0, 'rounding': 0.005, 'clip': 0.1}
Degenerate = Annotated[str, ranges.OneOf(DEGENERATE)]
Outside = Annotated[str, ranges.OneOf(OUTSIDE)]


def read_ground_truth(
  path: str,
  num_classes: int,
  known: set[int] | None = None,
  outside: str = 'rounding',
) -> boxes.Boxes:
  """Reads ground truth of AVA v2.2 (8 columns) or AVA-Kinetics (7 or 2).

  AVA's files use all 80 ids although its label map names 60, so for them only
  the range is checked; with one's own label map, pass its ids as `known`.

  Args:
    path: of the csv, see `headers.check` for its header if it has one.
    num_classes: ids must lie in 1..num_classes.
    known: ids that may occur; None admits the range.
    outside: what becomes of boxes that leave the frame, one of `OUTSIDE`. How
      many are cut is noted.

  Returns:
    The boxes, all labelled, score 1. Keyframes with no box are in `keys`.

  Raises:
    text.AnnotationError: with file and line.
  """
  rows = _Rows(path, num_classes, known, outside=outside)
  for lines, block in _read(path, (2, 7, 8), _TRUTH):
    full = []
    for i, row in enumerate(block):
      if len(row) > 2:
        full.append(i)
      else:
        rows.keyframe(row, lines[i])
    block, lines = [block[i] for i in full], [lines[i] for i in full]
    rows.add(block, lines, np.ones(len(block)), 6)
  return rows.boxes()


def read_excluded(path: str) -> set[boxes.Key]:
  """Reads excluded timestamps: rows `video_id,seconds`; notes if there is none.

  Raises:
    text.AnnotationError: with file and line.
  """
  keys = set()
  for lines, block in _read(path, (2,), 'video_id,seconds'):
    for line, (video, seconds) in zip(lines, block):
      keys.add(boxes.key(video, text.seconds(seconds, path, line, 'seconds')))
  if not keys:
    mistakes.note(f'{names.shown(path)} is empty: no keyframe is excluded.')
  return keys


def read_persons(
  path: str,
  num_classes: int,
  degenerate: str = 'error',
  outside: str = 'rounding',
) -> boxes.Boxes:
  """Reads detected persons.

  A `.pkl` is taken for mmaction2's proposals ('video,0902' -> [n, 5]), anything
  else for the csv that LFB and SlowFast publish (8 columns; in training the
  label is an action id or -1, in validation it is empty).

  Args:
    path: of the file.
    num_classes: labels must lie in 1..num_classes.
    degenerate: what to do with boxes without area, 'error' or 'drop'.
    outside: as of `read_ground_truth`.

  Returns:
    The boxes. `labelled` is False where the file has no label; a label of -1
    is labelled with no action.

  Raises:
    text.AnnotationError: with file and line (or key of the pickle).
  """
  options.one_of(names.shown(path), 'degenerate_boxes', degenerate, DEGENERATE)
  drop = degenerate == 'drop'
  rows = _Rows(path, num_classes, None, drop=drop, outside=outside)
  if path.lower().endswith(('.pkl', '.pickle')):
    return _read_proposals(path, rows)
  for lines, block in _read(path, (8,), _PERSONS):
    score = text.floats(block, (7,), ('score',), path, lines)[:, 0]
    wrong = (score < 0) | (score > 1)
    if wrong.any():  # e.g. ground truth, whose last column is a person
      i = int(np.argmax(wrong))
      raise text.fail(path, lines[i], f'score {score[i]:g}', 'one in [0, 1]')
    rows.add(block, lines, score, 6, by_score=True)
  return rows.boxes()


def _read(path: str, widths: Sequence[int], expected: str) -> Iterator:
  """Reads blocks of rows, without a header if there is one."""
  return text.read_rows(path, widths, expected, is_header=headers.check)


def _read_proposals(path, rows):
  expected = "a dict 'video_id,seconds' -> float array [n, 5] (box and score)"
  proposals = restricted_pickle.load(path)
  if not isinstance(proposals, dict):
    raise text.fail(path, None, f'a {type(proposals).__name__}', expected)
  for name, array in proposals.items():
    video, comma, seconds = str(name).rpartition(',')
    array = np.asarray(array)
    if array.size == 0:
      array = np.zeros((0, 5))
    good = array.ndim == 2 and array.shape[1] == 5 and array.dtype.kind == 'f'
    if not comma or not good:
      problem = f'{name!r} -> {array.dtype} {list(array.shape)}'
      raise text.fail(path, None, problem, expected)
    rows.add_array(video, seconds, array)
  return rows.boxes()


def _timestamp(field: str, seconds: float) -> str:
  """Returns a time as it is spelled, or as seconds if that is a clock's."""
  if not {':', ','}.isdisjoint(field):
    return f'{seconds:.6f}'.rstrip('0').rstrip('.')
  return field


class _Rows:
  """Collects rows into `boxes.Boxes`, merging those of one box."""

  def __init__(self, path, num_classes, known, drop=False, outside='rounding'):
    options.one_of(names.shown(path), 'boxes', outside, OUTSIDE)
    self.path, self.c, self.known, self.drop = path, num_classes, known, drop
    self.margin = OUTSIDE[outside]
    self.cut: list[float] = []  # by how much each of these left the frame
    self.first_cut: int | str = ''
    self.keyframes: dict[boxes.Key, int] = {}
    self.timestamps: list[str] = []
    self.spellings: dict[str, int] = {}
    self.texts: dict[str, int] = {}  # a box as it is written -> its number
    self.labels: dict[str, int] = {'': -1, '-1': 0}
    self.owner: list[int] = []  # keyframe of each box
    self.blocks: list[np.ndarray] = []  # [n, 5] of new boxes
    self.row_box: list[int] = []
    self.row_label: list[int] = []

  def keyframe(self, row, line):
    """Returns the number of the keyframe that a row names."""
    spelling = f'{row[0]},{row[1]}'
    if spelling in self.spellings:
      return self.spellings[spelling]
    seconds = text.seconds(row[1], self.path, line, 'seconds')
    key = boxes.key(row[0], seconds)
    if key not in self.keyframes:
      self.keyframes[key] = len(self.keyframes)
      self.timestamps.append(_timestamp(row[1].strip(), seconds))
    self.spellings[spelling] = self.keyframes[key]
    return self.keyframes[key]

  def label(self, field, line):
    """Returns action id, 0 for none, -1 for not known."""
    if field not in self.labels:
      plain = field.isdigit() and 1 <= int(field) <= self.c
      if not plain or (self.known is not None and int(field) not in self.known):
        expected = f'an id in 1..{self.c} (ids count from 1)'
        if self.known is not None:
          expected = f'an id of the label map ({sorted(self.known)})'
        raise text.fail(self.path, line, f'action id {field!r}', expected)
      self.labels[field] = int(field)
    return self.labels[field]

  def inside(self, corners, where):
    """Returns boxes within the frame, and which of them have an area.

    Args:
      corners: [n, 4].
      where: index -> line, or key of a pickle.

    Raises:
      text.AnnotationError: for what is no box.
    """
    kept = np.clip(corners, 0, 1)
    beyond = np.abs(corners - kept).max(axis=1, initial=0)
    outside = beyond > self.margin
    flat = (kept[:, :2] >= kept[:, 2:]).any(axis=1)
    bad = outside if self.drop else outside | flat
    if bad.any():
      i = int(np.argmax(bad))
      raise self.no_box(corners[i], beyond[i], bool(outside[i]), where(i))
    cut = np.flatnonzero(beyond)
    if len(cut) and not self.cut:
      self.first_cut = where(int(cut[0]))
    self.cut += beyond[cut].tolist()
    return kept, ~flat

  def no_box(self, corners, beyond, outside, where):
    """Returns the error for a box that is none; the caller raises it."""
    expected = (
      'corners as fractions of the frame (not pixels, not width and height) '
      'with x1 < x2 and y1 < y2'
    )
    problem = 'has no area'
    if outside:
      problem = f'leaves [0, 1] by {float(beyond)!r}'
      if beyond <= OUTSIDE['clip']:
        expected += "; boxes='clip' cuts those that leave it by up to "
        expected += f'{OUTSIDE["clip"]:g}'
    elif beyond:
      problem += ' in the frame'
    box = ','.join(map(repr, np.asarray(corners, float).tolist()))
    by_line = isinstance(where, int)
    return text.fail(
      self.path if by_line else f'{self.path}[{where!r}]',
      where if by_line else None,
      f'box {box} {problem}',
      expected,
    )

  def note_cut(self):
    """Tells how many boxes were cut."""
    if self.cut:
      count = '1 box' if len(self.cut) == 1 else f'{len(self.cut)} boxes'
      place = self.first_cut
      place = f'line {place}' if isinstance(place, int) else repr(place)
      mistakes.note(
        f'{names.shown(self.path)}: {count} left the frame by up to '
        f'{max(self.cut):.2g} of it; cut to its edge (the first: {place}).'
      )

  def add(self, block, lines, score, label, by_score=False):
    """Adds csv rows; `label` is the column of the action."""
    if not block:
      return
    corners = text.floats(block, (2, 3, 4, 5), _CORNERS, self.path, lines)
    corners, good = self.inside(corners, lambda i: lines[i])
    fresh = []
    for i in np.flatnonzero(good).tolist():
      row = block[i]
      box = ','.join(row[:6]) + (row[7] if by_score else '')
      number = self.texts.get(box)
      if number is None:
        number = self.texts[box] = len(self.owner)
        self.owner.append(self.keyframe(row, lines[i]))
        fresh.append(i)
      action = self.labels.get(row[label])
      if action is None:
        action = self.label(row[label].strip(), lines[i])
      if action < 1 and not by_score:
        raise text.fail(
          self.path, lines[i], 'no action id', f'an id in 1..{self.c}'
        )
      self.row_box.append(number)
      self.row_label.append(action)
    self.blocks.append(np.column_stack([corners, score])[fresh])

  def add_array(self, video, seconds, array):
    """Adds a keyframe's boxes [n, 5] without labels."""
    number = self.keyframe((video, seconds), None)
    if not np.isfinite(array).all():
      problem = f"'{video},{seconds}' is not finite"
      raise text.fail(self.path, None, problem, 'numbers')
    corners, good = self.inside(array[:, :4], lambda i: f'{video},{seconds}')
    array = np.column_stack([corners, array[:, 4]])[good]
    self.row_box += range(len(self.owner), len(self.owner) + len(array))
    self.row_label += [-1] * len(array)
    self.owner += [number] * len(array)
    self.blocks.append(array)

  def boxes(self):
    self.note_cut()
    n = len(self.owner)
    values = np.concatenate([np.zeros((0, 5)), *self.blocks])
    row_box = np.array(self.row_box, np.int64)
    row_label = np.array(self.row_label, np.int64)
    acts = row_label > 0
    labelled = np.zeros(n, bool)
    labelled[row_box[row_label >= 0]] = True
    return boxes.Boxes(
      keys=list(self.keyframes),
      timestamps=self.timestamps,
      keyframe=np.array(self.owner, np.int64),
      box=values[:, :4].astype(np.float32),
      actions=boxes.pack(row_box[acts], row_label[acts] - 1, n, self.c),
      labelled=labelled,
      score=values[:, 4].astype(np.float32),
    )
