"""The files that an evaluation leaves: predictions, figures of each class.

    predictions/<task>.<step>.csv         a row for each example
    predictions/<task>.<step>.votes.csv   of tasks whose exemplars vote
    predictions/<task>.<step>.npz         arrays, where a table is too small
    per_class/<task>.<step>.csv           a row for each class
    classes.json                          task -> names of its classes

Predictions of most steps are removed in the course of a run: those stay that
the reported number may be of, and the latest.
"""

from __future__ import annotations

import csv
import functools
import io
import itertools
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

from vidpetl import durable, lock
from vidpetl.data import examples, opening
from vidpetl.data.names import shown
from vidpetl.metrics import metric as metric_lib
from vidpetl.metrics import predictions
from vidpetl.parameters import sums
from vidpetl.training import writers
from vidpetl.training.writers import json_lines

FOLDER, PER_CLASS, CLASSES = 'predictions', 'per_class', 'classes.json'
_AT_A_TIME = 10_000  # rows that are in memory as text
_STEP = re.compile(r'[\w-]+\.(\d+)\.(?:\w+\.)?(?:csv|npz)')


class Files:
  """What is written of the evaluations of a run, by its first process."""

  def __init__(
    self, workdir: epath.PathLike, train: Mapping[str, examples.Source]
  ):
    """Takes the run's folder, and the training source of each task."""
    self._workdir = epath.Path(workdir)
    self._train = train
    self._shown = functools.cache(self._count)

  def write_classes(self) -> None:
    """Writes the classes' names, of those tasks that have any."""
    named = {
      task: {str(i): shown(name) for i, name in source.info.classes.items()}
      for task, source in self._train.items()
      if source.info.classes
    }
    if not named:
      return
    text = json.dumps(named, indent=1, ensure_ascii=False)
    durable.write(self._workdir / CLASSES, text)

  def write(
    self, task: str, step: int, metric: metric_lib.Metric, prefix: str = ''
  ) -> None:
    """Writes predictions of a task, and figures of its classes.

    Args:
      task: its name.
      step: of the evaluation.
      metric: of the evaluation.
      prefix: before the task's name in those of files.
    """
    lock.check(self._workdir)
    said = metric.predictions()
    stem = f'{stem_of(prefix + task)}.{step}'
    folder = self._workdir / FOLDER
    tables = {'csv': said.columns}
    tables |= {f'{name}.csv': table for name, table in said.more.items()}
    for suffix, columns in tables.items():
      write_csv(folder / f'{stem}.{suffix}', columns, said.header)
    if said.arrays:
      folder.mkdir(parents=True, exist_ok=True)
      with durable.opened(folder / f'{stem}.npz') as file:
        np.savez(file, **said.arrays)
    if rows := self._per_class(task, metric):
      columns = {name: [row[name] for row in rows] for name in rows[0]}
      write_csv(self._workdir / PER_CLASS / f'{stem}.csv', columns)

  def read_arrays(self, task: str, step: int) -> dict[str, np.ndarray]:
    """Returns the arrays that `write` wrote of a task; {} if it has none."""
    path = self._workdir / FOLDER / f'{stem_of(task)}.{step}.npz'
    return sums.read_npz(path) if path.exists() else {}

  def _per_class(
    self, task: str, metric: metric_lib.Metric
  ) -> list[dict[str, Any]]:
    """Returns rows as of `PerClass`, with 'train'; [] of other metrics."""
    if not isinstance(metric, metric_lib.PerClass):
      return []
    counts = self._shown(task)
    return [
      {
        'index': row['index'],
        'class': row['class'],
        'truth': row['truth'],
        'train': int(counts[row['index']]),
        **row,
      }
      for row in metric.per_class()
    ]

  def read_per_class(self, task: str, step: int) -> list[dict[str, Any]]:
    """Returns what `write` wrote of a task's classes, as JSON holds it.

    Returns:
      A row per class, None for what is not defined; [] if the task has none.
    """
    path = self._workdir / PER_CLASS / f'{stem_of(task)}.{step}.csv'
    return [
      {
        k: json_lines.number(v) if isinstance(v, float) else v
        for k, v in r.items()
      }
      for r in (read_per_class(path) if path.exists() else ())
    ]

  def _count(self, task: str) -> np.ndarray:
    source = self._train[task]
    _, classes = source.shown()
    return np.bincount(classes, minlength=source.info.num_classes)

  def prune(self, kept: Collection[int]) -> None:
    """Removes predictions after other steps than these."""
    for path in (self._workdir / FOLDER).glob('*'):
      match = _STEP.fullmatch(path.name)
      if match and int(match[1]) not in kept:
        path.unlink()


def measured(path: epath.Path) -> dict[int, dict[str, Any]]:
  """Returns what each evaluation of metrics.jsonl measured, by step.

  A run's last words, which may be means over evaluations, are none of it.
  """
  found: dict[int, dict[str, Any]] = {}
  for row in json_lines.read_lines(path):
    if not of_training(row) and not any(map(writers.is_reported, row)):
      found.setdefault(row['step'], {}).update(row)
  return found


def of_training(row: Mapping[str, Any]) -> bool:
  """Returns whether a line of metrics.jsonl is of training."""
  return 'learning_rate' in row or 'seconds_to_first_step' in row


def stem_of(task: str) -> str:
  """Returns what files of a task begin with."""
  return re.sub(r'[^\w-]', '_', task)


def write_csv(
  path: epath.Path, columns: predictions.Columns, header: bool = True
) -> None:
  """Writes columns of one length in UTF-8, in place of what was there.

  Texts with commas, quotes and ends of lines come back as they were by any
  reader of csv files; bytes of a file's name that are no UTF-8 are escaped.

  Args:
    path: of the file; its folder is made.
    columns: cells, by name.
    header: whether the names are written.
  """
  rows = zip(*columns.values(), strict=True)
  if header:
    rows = itertools.chain([tuple(columns)], rows)
  path.parent.mkdir(parents=True, exist_ok=True)
  with durable.opened(path) as file:
    while text := _text_of(itertools.islice(rows, _AT_A_TIME)):
      file.write(shown(text).encode())


def _text_of(rows: Iterable[Sequence[Any]]) -> str:
  text = io.StringIO(newline='')
  csv.writer(text, lineterminator='\n').writerows(rows)
  return text.getvalue()


def read_csv(path: epath.PathLike) -> list[dict[str, str]]:
  """Returns the rows of a file with a header that `write_csv` wrote.

  Raises:
    ValueError: naming the file, if it is damaged.
  """
  try:
    text = io.StringIO(opening.content(path, 'text').decode(), newline='')
    rows = list(csv.DictReader(text, strict=True))
  except (ValueError, csv.Error) as error:
    raise _damaged(path, str(error)) from None
  for number, row in enumerate(rows, 1):
    if None in row or None in row.values():
      raise _damaged(path, f'row {number} has not as many cells as the header')
  return rows


def read_per_class(path: epath.PathLike) -> list[dict[str, Any]]:
  """Returns the rows of per_class/<task>.<step>.csv, numbers as such.

  Raises:
    ValueError: naming the file, if it is damaged.
  """
  try:
    return [
      {k: v if k == 'class' else _number(v) for k, v in row.items()}
      for row in read_csv(path)
    ]
  except ValueError as error:
    raise _damaged(path, str(error)) from None


def _damaged(path: epath.PathLike, why: str) -> ValueError:
  return ValueError(
    f'{path} is damaged: {why}. Evaluate the run again with --config.mode=eval.'
  )


def _number(text: str) -> int | float:
  return int(text) if text.isdigit() else float(text)
