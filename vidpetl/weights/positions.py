"""Position tables of checkpoints, resized to other grids (numpy only)."""

from __future__ import annotations

import math

import numpy as np


def resize(
  table: np.ndarray,
  old: tuple[int, ...],
  new: tuple[int, ...],
  *,
  cls: int = 0,
) -> np.ndarray:
  """Interpolates a table linearly along each axis of its grid.

  The first and last entries stay at the ends, as in `scipy.ndimage.zoom` with
  `order=1`, with which the public checkpoints were resized; `jax.image.resize`
  places them elsewhere. An axis of one entry is repeated, so that an image's
  table, (1, h, w), fills a clip's.

  Args:
    table: [1, cls + prod(old), d].
    old: sizes of the grid it was made for, e.g. (h, w) or (t,). They are never
      guessed: 576 entries are a grid of 24 x 24 or one of 18 x 32.
    new: sizes wanted, as many.
    cls: leading entries of class tokens, which are kept.

  Returns:
    [1, cls + prod(new), d], in the dtype of `table`.

  Raises:
    ValueError: if the sizes do not fit the table or each other.
  """
  if len(old) != len(new):
    raise ValueError(f'a grid of {old} cannot be resized to {new}')
  if table.ndim != 3 or table.shape[1] != cls + math.prod(old):
    raise ValueError(
      f'position table {table.shape} has {table.shape[1]} entries, not those '
      f'of {cls} class tokens and a grid of {" x ".join(map(str, old))}'
    )
  grid = table[0, cls:].reshape(*old, -1).astype(np.float64)
  for axis, size in enumerate(new):
    if size != old[axis]:
      grid = np.moveaxis(
        np.tensordot(_weights(old[axis], size), grid, (1, axis)), 0, axis
      )
  grid = grid.reshape(1, math.prod(new), -1).astype(table.dtype)
  return np.concatenate([table[:, :cls], grid], axis=1)


def _weights(old: int, new: int) -> np.ndarray:
  """Weights [new, old] of linear interpolation with aligned ends."""
  at = np.linspace(0, old - 1, new)[:, None]
  return np.maximum(0, 1 - np.abs(at - np.arange(old)))


# Scope of an encoder -> the axes of (t, h, w) that its table runs over.
_AXES = {
  'SpatialTransformer': (1, 2),
  'TemporalTransformer': (0,),
  'Transformer': (0, 1, 2),
}


def is_table(path: str) -> bool:
  """Whether 'a/b/c' is the path of a position table."""
  return path.endswith('pos_embedding')


def axes(path: str, grid: tuple[int, int, int]) -> tuple[int, ...]:
  """Returns those sizes of a grid (t, h, w) that an encoder's table is for."""
  encoder = next(name for name in path.split('/') if name in _AXES)
  return tuple(grid[i] for i in _AXES[encoder])


def is_relative(path: str) -> bool:
  """Whether 'a/b/c' is the path of a table of relative positions."""
  return path.endswith('relative_position_bias_table')


def resize_relative(
  table: np.ndarray, old: tuple[int, ...], new: tuple[int, ...]
) -> np.ndarray:
  """Interpolates a table of biases by relative position, for other windows.

  The largest offsets stay the largest, and 0 stays 0. Windows of images, whose
  extent in time is 1, are repeated along it.

  Args:
    table: [(2 t - 1) (2 h - 1) (2 w - 1), heads].
    old: (t, h, w) of the windows it was made for.
    new: (t, h, w) wanted.

  Returns:
    The table for these, in the dtype of `table`.

  Raises:
    ValueError: if the table is not for the windows `old`.
  """
  before, after = (tuple(2 * n - 1 for n in sizes) for sizes in (old, new))
  if len(table) != math.prod(before):
    raise ValueError(
      f'a table of {len(table)} relative positions is not for windows of '
      f'{old}, which have {math.prod(before)}'
    )
  return resize(table[None], before, after)[0]
