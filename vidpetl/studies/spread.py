"""Whether the seeds of a setting are runs of their own.

A sweep shows the same batches to all seeds. What they draw beside these may be
nothing: a linear head begins at zeros, and trains on what a frozen trunk makes
of a clip. Its seeds are then one run, and their spread is none of the method.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from etils import epath

from vidpetl import tables
from vidpetl.training import predictions
from vidpetl.training.writers import json_lines

# Relative, of float32: runs of one program and of another round otherwise.
_ROUNDING = 1e-6


def alike(workdirs: Iterable[epath.Path]) -> bool:
  """Whether several runs logged the same losses of training, to rounding.

  Args:
    workdirs: of the runs, one at least.
  """
  first, *others = map(_losses, workdirs)
  return bool(first and others) and all(
    each.keys() == first.keys()
    and np.allclose(
      [each[point] for point in first], [*first.values()], _ROUNDING, atol=0.0
    )
    for each in others
  )


def _losses(workdir: epath.Path) -> dict[tuple[int, str], float]:
  """Returns (step, tag) -> loss, of all that a run logged."""
  path = workdir / json_lines.FILE
  rows = json_lines.read_lines(path) if path.exists() else ()
  return {
    (row['step'], tag): value
    for row in filter(predictions.of_training, rows)
    for tag, value in row.items()
    if tag.endswith('/loss') and value is not None
  }


def mean_std(values: Sequence[float], one: bool) -> str:
  """Returns mean and deviation of seeds, see `tables`.

  Args:
    values: of each seed.
    one: whether they are `alike`, and have no deviation.
  """
  return tables.mean_std(values[:1] if one else values)
