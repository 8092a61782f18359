"""Rotary positions on frames, as codes that derive from EVA-02's have them."""

from __future__ import annotations

import dataclasses

import numpy as np

from vidpetl.backbones import rotary

_BASE = 10000.0


@dataclasses.dataclass(frozen=True)
class Axial(rotary.Rotary):
  """Half of a head's channels turn by a token's row, half by its column.

  Channels 2 j and 2 j + 1 of a half of c / 2 turn by p 10000^(-4 j / c).

  Attributes:
    reference: rows and columns that positions are scaled to, whatever the grid
      is: p = i n / h. 0 is p = i.
    first: p of the first row and column, before it is scaled.
    columns_first: whether the first half is the columns'.
  """

  reference: int = 0
  first: int = 0
  columns_first: bool = False

  def positions(self, grid: rotary.Grid) -> np.ndarray:
    """Returns (row, column) of a frame's tokens, [h w, 2]."""
    return rotary.coordinates(*map(self._axis, (grid.h, grid.w)))

  def _axis(self, size: int) -> np.ndarray:
    places = np.arange(size) + float(self.first)
    return places / size * self.reference if self.reference else places

  def rates(self, channels: int) -> np.ndarray:
    """Returns [2, c]."""
    if channels % 4:
      raise ValueError(
        f'config.backbone.heads: {channels} channels of a head are no multiple '
        'of 4, so rows and columns cannot turn them'
      )
    half = channels // 2
    rate = np.repeat(_BASE ** (-np.arange(0, half, 2) / half), 2)
    none = np.zeros(half)
    of_rows, of_columns = [rate, none], [none, rate]
    if self.columns_first:
      of_rows, of_columns = of_columns, of_rows
    return np.stack([np.concatenate(of_rows), np.concatenate(of_columns)])
