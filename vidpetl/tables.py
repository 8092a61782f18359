"""The one writer of tables: Markdown for files, columns for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
  """Returns a Markdown table.

  Args:
    header: names of the columns.
    rows: as many cells each.
  """
  lines = [_line(header), '|' + '---|' * len(header)]
  return '\n'.join(lines + [_line(row) for row in rows])


def _line(cells: Sequence[str]) -> str:
  return '|' + '|'.join(f' {cell} ' if cell else ' ' for cell in cells) + '|'


def columns(rows: Sequence[Sequence[str]], sides: str, indent: str = '') -> str:
  """Returns lines of text whose cells stand below each other.

  Args:
    rows: the first may be a header; all have as many cells as there are
      `sides`.
    sides: where the cells of each column stand, '<' for left and '>' for
      right.
    indent: in front of each line.
  """
  widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
  return '\n'.join(
    indent
    + '  '.join(
      f'{cell:{side}{width}}'
      for cell, side, width in zip(row, sides, widths, strict=True)
    ).rstrip()
    for row in rows
  )


def mean_std(values: Sequence[float]) -> str:
  """Returns '55.0 ± 7.1': mean and standard deviation, both times 100.

  A single value has no deviation, and none is written. Where some of them are
  no numbers, as a constant's correlation, there is no mean.
  """
  if undefined := sum(map(math.isnan, values)):
    return f'undefined in {undefined} of {len(values)}'
  deviation = std(values)
  spread = '' if math.isnan(deviation) else f' ± {100 * deviation:.1f}'
  return f'{100 * np.mean(values):.1f}{spread}'


def std(values: Sequence[float]) -> float:
  """Returns the standard deviation of a sample (n - 1); nan of one value."""
  return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
