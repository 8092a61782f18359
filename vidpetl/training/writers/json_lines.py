"""Scalars as lines of JSON: <workdir>/metrics.jsonl, which every run has."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from etils import epath

from vidpetl import durable
from vidpetl.training.writers import scalars_only


def number(value: Any) -> float | None:
  """Returns what JSON can hold: it knows neither NaN nor infinity."""
  value = float(value)
  return value if math.isfinite(value) else None


class JsonLines(scalars_only.ScalarsOnly):
  """Appends {'step': s, tag: value, ...} to a file.

  It leaves out hyperparameters, which config.json holds, texts and pictures.
  """

  def __init__(self, path: epath.Path):
    # epath cannot append to a file of an object store.
    self._file = tf.io.gfile.GFile(str(path), 'a')

  def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
    row = {'step': int(step)} | {k: number(v) for k, v in scalars.items()}
    self._file.write(json.dumps(row) + '\n')
    self._file.flush()

  def flush(self) -> None:
    self._file.flush()

  def close(self) -> None:
    self._file.close()


def forget_after(path: epath.Path, step: float) -> frozenset[tuple[int, str]]:
  """Drops lines beyond `step`: a resumed run will write them again.

  Returns:
    (step, tag) of what is dropped.
  """
  if not path.exists():
    return frozenset()
  rows = read_lines(path)
  kept = [row for row in rows if row['step'] <= step]
  durable.write(path, ''.join(json.dumps(row) + '\n' for row in kept))
  return frozenset(
    (row['step'], tag)
    for row in rows
    for tag in row
    if row['step'] > step and tag != 'step'
  )


def read_lines(path: epath.Path) -> list[dict[str, Any]]:
  """Returns what `JsonLines` wrote, without the last line of a killed run."""
  rows = []
  for line in path.read_text().splitlines():
    try:
      rows.append(json.loads(line))
    except json.JSONDecodeError:
      continue
  return rows
