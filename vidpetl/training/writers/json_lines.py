"""Scalars as lines of JSON: <workdir>/metrics.jsonl, which every run has."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from etils import epath, epy

from vidpetl import durable, mistakes
from vidpetl.data import opening
from vidpetl.training.writers import scalars_only

with epy.lazy_imports():
  import tensorflow as tf


def number(value: Any) -> float | None:
  """Returns what JSON can hold: it knows neither NaN nor infinity."""
  value = float(value)
  return value if math.isfinite(value) else None


FILE = 'metrics.jsonl'
# (step, tag) each.
Points = frozenset[tuple[int, str]]


class JsonLines(scalars_only.ScalarsOnly):
  """Appends {'step': s, tag: value, ...} to a file.

  It leaves out hyperparameters, which config.json holds, texts and pictures.
  """

  def __init__(self, path: epath.Path, there: Points = frozenset()):
    """Opens the file, which has some points that are written no second time."""
    self._there = there
    # epath cannot append to a file of an object store.
    self._file = tf.io.gfile.GFile(str(path), 'a')

  def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
    row = {
      tag: number(value)
      for tag, value in scalars.items()
      if (step, tag) not in self._there
    }
    if row:
      self._file.write(json.dumps({'step': int(step), **row}) + '\n')
      self._file.flush()

  def flush(self) -> None:
    self._file.flush()

  def close(self) -> None:
    self._file.close()


def forget_after(path: epath.Path, step: float) -> tuple[Points, Points]:
  """Drops lines beyond `step`: a resumed run will write them again.

  Those of single steps that `leave` wrote are dropped as well, if any are.

  Returns:
    All points that there were; those that stay.
  """
  if not path.exists():
    return frozenset(), frozenset()
  rows = read_lines(path)
  kept = [row for row in rows if row['step'] <= step]
  if step < math.inf:
    kept = [row for row in kept if not _is_left(row)]
  durable.write(path, ''.join(json.dumps(row) + '\n' for row in kept))
  return _points(rows), _points(kept)


def leave(path: epath.Path, rows: Sequence[Mapping[str, Any]]) -> None:
  """Adds lines of steps of a run that stops before it logs their means.

  Args:
    path: of the file.
    rows: 'step', 'learning_rate' and scalars each, without rates of speed, by
      which they are known again.
  """
  writer = JsonLines(path)
  for row in rows:
    writer.write_scalars(row['step'], {k: row[k] for k in row if k != 'step'})
  writer.close()


def _is_left(row: Mapping[str, Any]) -> bool:
  return 'learning_rate' in row and not any(k.startswith('speed/') for k in row)


def _points(rows: Sequence[Mapping[str, Any]]) -> Points:
  return frozenset(
    (row['step'], tag) for row in rows for tag in row if tag != 'step'
  )


def read_lines(path: epath.Path) -> list[dict[str, Any]]:
  """Returns what `JsonLines` wrote, without the last line of a killed run.

  Other lines that are damaged are left out, and that is noted.
  """
  lines = opening.content(path).split(b'\n')
  rows = [_row(line) for line in lines]
  damaged = [
    number
    for number, (line, row) in enumerate(zip(lines, rows, strict=True), 1)
    if row is None and line.strip() and number < len(lines)
  ]
  if damaged:
    mistakes.note(
      f'{path} is damaged: lines that are no numbers of a step are left out, '
      f'{len(damaged)} in all, the first of them line {damaged[0]}'
    )
  return [row for row in rows if row is not None]


def _row(line: bytes) -> dict[str, Any] | None:
  """Returns what a line says of a step; None if it is damaged."""
  try:
    row = json.loads(line.decode())
  except (ValueError, RecursionError):
    return None
  if not isinstance(row, dict) or type(row.get('step')) is not int:
    return None
  sound = all(isinstance(value, float | int | None) for value in row.values())
  return row if sound else None
