"""The csv files of AVA: annotations, detections and excluded timestamps.

Rows are `video, seconds, x1, y1, x2, y2, class` and an eighth column: the
person's number in annotations, the score in detections. A row of only video and
seconds is an image that was looked at and has no action (AVA-Kinetics). They
are read as the training's readers read them, see `vidpetl.data.annotations`.
"""

from __future__ import annotations

import array
import csv
import io
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from vidpetl import durable
from vidpetl.data.annotations import fields, headers, text
from vidpetl.metrics import columns

Path = str | os.PathLike[str]


def read_ground_truth(
  path: Path, protocol: columns.Protocol
) -> columns.GroundTruth:
  """Reads annotations.

  Args:
    path: of a csv file of 7 or 8 columns, of which the eighth is not used, or
      of 2.
    protocol: decides how images are told apart.

  Returns:
    All rows, of whatever class.

  Raises:
    ValueError: a row is malformed; the message begins with `file:line`.
  """
  table = _Table(path, protocol)
  for line, row in text.rows(path, (7, 8, 2), headers.check):
    if len(row) not in (2, 7, 8):
      raise ValueError(
        f'{path}:{line}: {len(row)} columns; annotations have 7 or 8 '
        '(video, seconds, x1, y1, x2, y2, class, person), or 2.'
      )
    table.add(line, row, scored=False)
  image, boxes, class_id, _ = table.columns()
  x1, y1, x2, y2 = boxes.T
  inverted = np.flatnonzero((x2 < x1) | (y2 < y1))
  if len(inverted):
    raise ValueError(
      f'{path}:{table.line[inverted[0]]}: box ends before it begins, x1, y1, '
      f'x2, y2 = {boxes[inverted[0]].tolist()}.'
    )
  return columns.GroundTruth(
    table.images, image, boxes, class_id, np.array(table.line)
  )


def read_detections(
  path: Path, protocol: columns.Protocol
) -> columns.Detections:
  """Reads scored boxes.

  Args:
    path: of a csv file of 8 columns; in protocols that allow it, also of 7
      (score 1) and 2 (nothing was detected).
    protocol: decides how images are told apart.

  Returns:
    All rows, of whatever class, in the file's order.

  Raises:
    ValueError: a row is malformed; the message begins with `file:line`.
  """
  widths = {8}
  if not protocol.scores_required:
    widths.add(7)
  if protocol.fractional_timestamps:
    widths.add(2)
  table = _Table(path, protocol)
  for line, row in text.rows(path, widths, headers.check):
    if len(row) not in widths:
      raise ValueError(
        f'{path}:{line}: {len(row)} columns; detections in protocol '
        f'{protocol.name} have {" or ".join(map(str, sorted(widths)))} '
        '(video, seconds, x1, y1, x2, y2, class, score).'
      )
    table.add(line, row, scored=len(row) == 8)
  return columns.Detections(
    table.images, *table.columns(), np.array(table.line)
  )


def read_excluded(path: Path, protocol: columns.Protocol) -> frozenset[str]:
  """Reads image keys from a csv file of `video, seconds`.

  Raises:
    ValueError: a row is malformed; the message begins with `file:line`.
  """
  keys = set()
  for line, row in text.rows(path, (2,), headers.check):
    if len(row) != 2:
      raise ValueError(
        f'{path}:{line}: {len(row)} columns; excluded timestamps have 2 '
        '(video, seconds).'
      )
    keys.add(_key(path, line, row, protocol))
  return frozenset(keys)


def write_detections(
  path: Path,
  dets: columns.Detections | columns.DenseDetections,
  class_ids: np.ndarray,
  box_digits: int | None = None,
  score_digits: int | None = None,
) -> None:
  """Writes detections in the format that every AVA evaluator reads.

  Args:
    path: of the csv file.
    dets: their image keys are `{video},{seconds}`.
    class_ids: int [c], the classes to write.
    box_digits: decimals of the boxes; None writes as many as it takes to read
      the same number back. SlowFast writes 3.
    score_digits: the same for scores. SlowFast writes 4.
  """
  cells = detection_columns(dets, class_ids, box_digits, score_digits)
  with durable.opened(path) as file:
    text = io.TextIOWrapper(file, encoding='utf-8', newline='')
    csv.writer(text, lineterminator='\n').writerows(zip(*cells.values()))
    text.detach()


def detection_columns(
  dets: columns.Detections | columns.DenseDetections,
  class_ids: Sequence[int] | np.ndarray,
  box_digits: int | None = None,
  score_digits: int | None = None,
) -> dict[str, Iterable[Any]]:
  """Returns what `write_detections` writes, column by column."""
  rows, _ = dets.rows(np.asarray(class_ids))
  images = [image.rpartition(',')[::2] for image in dets.images]
  boxes = [
    [_decimal(value, box_digits) for value in box]
    for box in np.asarray(dets.boxes)
  ]
  image = np.array(images, object).reshape(-1, 2)[rows.image]
  box = np.array(boxes, object).reshape(-1, 4)[rows.box]
  return {
    **dict(zip(('video', 'seconds'), image.T)),
    **dict(zip(('x1', 'y1', 'x2', 'y2'), box.T)),
    'class': rows.class_id.tolist(),
    'score': (_decimal(value, score_digits) for value in rows.score),
  }


class _Table:
  """Rows of a file, gathered column by column."""

  def __init__(self, path: Path, protocol: columns.Protocol):
    self.images: list[str] = []
    self.line = array.array('q')
    self._path = path
    self._protocol = protocol
    self._number_of: dict[str, int] = {}
    self._number_of_name: dict[tuple[str, str], int] = {}
    self._image = array.array('q')
    self._class_id = array.array('q')
    self._floats = array.array('d')
    # A model's file repeats a box for each class; parse it once.
    self._box_text: list[str] = []
    self._box: tuple[float, ...] = ()

  def add(self, line: int, row: list[str], scored: bool) -> None:
    """Adds a row; one of two columns adds its image only."""
    image = self._number_of_name.get((row[0], row[1]))
    if image is None:
      image = self._add_image(line, row)
    if len(row) == 2:
      return
    try:
      box = row[2:6]
      if box != self._box_text:
        self._box = _numbers(box)
        self._box_text = box
      self._floats.extend(self._box)
      self._class_id.append(int(row[6]))
      self._floats.extend(_numbers(row[7:]) if scored else (1.0,))
    except ValueError as error:
      raise ValueError(f'{self._path}:{line}: {error}') from None
    self._image.append(image)
    self.line.append(line)

  def _add_image(self, line: int, row: list[str]) -> int:
    """Numbers the image of a row that spells it in a way not met before."""
    key = _key(self._path, line, row, self._protocol)
    image = self._number_of.get(key)
    if image is None:
      image = self._number_of[key] = len(self.images)
      self.images.append(key)
    self._number_of_name[row[0], row[1]] = image
    return image

  def columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns image [n], boxes [n, 4], class_id [n] and score [n]."""
    floats = np.array(self._floats).reshape(-1, 5)
    bad = np.argwhere(~np.isfinite(floats))
    if len(bad):
      name = ('x1', 'y1', 'x2', 'y2', 'score')[bad[0, 1]]
      raise ValueError(
        f'{self._path}:{self.line[bad[0, 0]]}: {name} is {floats[*bad[0]]}, '
        'which is not finite.'
      )
    return (
      np.array(self._image, np.int64),
      floats[:, :4],
      np.array(self._class_id, np.int64),
      floats[:, 4],
    )


def _numbers(row: Sequence[str]) -> tuple[float, ...]:
  try:
    return tuple(map(float, row))
  except ValueError:
    values = tuple(map(fields.decimal, row))  # One may have a decimal comma.
    if np.isnan(values).any():
      raise
    return values


def _key(
  path: Path, line: int, row: list[str], protocol: columns.Protocol
) -> str:
  try:
    return columns.image_key(row[0], row[1], protocol)
  except ValueError as error:
    raise ValueError(f'{path}:{line}: {error}') from None


def _decimal(value: np.floating, digits: int | None) -> str:
  if digits is not None:
    return f'{value:.{digits}f}'
  return np.format_float_positional(value, trim='-')
