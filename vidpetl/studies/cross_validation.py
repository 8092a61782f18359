"""Results of a cross-validation: a mean over folds, an average over tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from etils import epy

from vidpetl import tables
from vidpetl.metrics import rank

with epy.lazy_imports():
  from vidpetl.training import reporting

AVERAGES = {'fisher_z': rank.fisher_z, 'arithmetic': np.mean}


@dataclasses.dataclass(frozen=True)
class Row:
  """One variant, over all folds.

  Attributes:
    name: of the variant.
    folds: value of each fold, the mean over seeds.
    seeds: of each seed the mean over folds.
    reported: which evaluations the values come from.
  """

  name: str
  folds: tuple[float, ...]
  seeds: tuple[float, ...]
  reported: str

  @property
  def mean(self) -> float:
    return float(np.mean(self.folds))


def value(results: Mapping[str, Any], metric: str, where: str) -> float:
  """Returns '<task>/<metric>' of a run's results.

  Raises:
    ValueError: if they do not have it, or if it is not defined there.
  """
  task, _, name = metric.partition('/')
  metrics = results['tasks'].get(task, {}).get('metrics', {})
  if name not in metrics:
    raise ValueError(f'{where}: metric {metric!r} is none of {list(metrics)}')
  if metrics[name] is None:
    raise ValueError(
      f'{where}: {metric} is not defined; its results.json says why'
    )
  return metrics[name]


def row(
  name: str, values: np.ndarray, results: Sequence[Mapping[str, Any]] = ()
) -> Row:
  """Returns the row of a variant.

  Args:
    name: of the variant.
    values: [seeds, folds].
    results: of all its runs.
  """
  values = np.asarray(values, np.float64)
  reported = reporting.words([each.get('reported', {}) for each in results])
  return Row(name, tuple(values.mean(0)), tuple(values.mean(1)), reported)


def table(
  rows: Sequence[Row], folds: Sequence[str], metric: str, average: str
) -> str:
  """Returns a Markdown table, all values times 100.

  Args:
    rows: of the variants that are finished.
    folds: names of the columns.
    metric: '<task>/<metric>'.
    average: over rows, a key of `AVERAGES`; shown if there are several.
  """
  seeds = len(rows[0].seeds)
  cells = [
    [
      r.name or 'all',
      *(f'{100 * v:.1f}' for v in r.folds),
      tables.mean_std(r.seeds),
      r.reported,
    ]
    for r in rows
  ]
  if len(rows) > 1:
    mean = AVERAGES[average]([r.mean for r in rows])
    name = f'average ({average.replace("_", " ")})'
    cells.append([name, *([''] * len(folds)), f'{100 * mean:.1f}', ''])
  return (
    f'{metric} x 100, {seeds} {"seed" if seeds == 1 else "seeds"}\n\n'
    + tables.markdown(['', *folds, 'mean over folds', 'reported'], cells)
  )
