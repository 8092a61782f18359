"""TensorBoard through CLU, and the same scalars as lines of JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from clu import metric_writers
from etils import epath


def number(value: Any) -> float | None:
  """Returns what JSON can hold: it knows neither NaN nor infinity."""
  value = float(value)
  return value if math.isfinite(value) else None


class JsonLines(metric_writers.MetricWriter):
  """Appends {'step': s, tag: value, ...} to a file."""

  def __init__(self, path: epath.Path):
    # epath cannot append to a file of an object store.
    self._file = tf.io.gfile.GFile(str(path), 'a')

  def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
    row = {'step': int(step)} | {k: number(v) for k, v in scalars.items()}
    self._file.write(json.dumps(row) + '\n')
    self._file.flush()

  def write_hparams(self, hparams: Mapping[str, Any]) -> None:
    pass  # config.json holds them.

  def write_summaries(self, step, values, metadata=None) -> None:
    pass

  def write_images(self, step, images) -> None:
    pass

  def write_videos(self, step, videos) -> None:
    pass

  def write_audios(self, step, audios, *, sample_rate) -> None:
    pass

  def write_texts(self, step, texts) -> None:
    pass

  def write_histograms(self, step, arrays, num_buckets=None) -> None:
    pass

  def write_pointcloud(self, step, point_clouds, **unused) -> None:
    pass

  def flush(self) -> None:
    self._file.flush()

  def close(self) -> None:
    self._file.close()


def forget_after(path: epath.Path, step: float) -> None:
  """Drops lines beyond `step`: a resumed run will write them again."""
  if not path.exists():
    return
  kept = [row for row in read_lines(path) if row['step'] <= step]
  new = path.with_name(path.name + '.new')
  new.write_text(''.join(json.dumps(row) + '\n' for row in kept))
  new.replace(path)


def read_lines(path: epath.Path) -> list[dict[str, Any]]:
  """Returns what `JsonLines` wrote, without the last line of a killed run."""
  rows = []
  for line in path.read_text().splitlines():
    try:
      rows.append(json.loads(line))
    except json.JSONDecodeError:
      continue
  return rows


def create(
  workdir: epath.Path, *, resumed_at: float = math.inf
) -> metric_writers.MetricWriter:
  """Returns the writer of a run: TensorBoard events and metrics.jsonl.

  Args:
    workdir: of the run.
    resumed_at: step behind which lines are dropped: they will be written again.
  """
  path = workdir / 'metrics.jsonl'
  forget_after(path, resumed_at)
  return metric_writers.AsyncMultiWriter(
    [metric_writers.SummaryWriter(str(workdir)), JsonLines(path)]
  )


def silent() -> metric_writers.MetricWriter:
  """The writer of all processes but the first."""
  return metric_writers.MultiWriter([])


def as_images(pictures: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """[h, w, 3] uint8 each -> [1, h, w, 3], as CLU wants them."""
  return {name: picture[None] for name, picture in pictures.items()}
