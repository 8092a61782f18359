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


def resize_table(
  path: str,
  table: np.ndarray,
  old: tuple[int, int, int],
  new: tuple[int, int, int],
) -> np.ndarray:
  """Resizes the table of an encoder.

  Args:
    path: of the parameter; the encoder's scope says which axes it is over.
    table: [1, n, d].
    old: (t, h, w) of the tokens that it was made for.
    new: (t, h, w) that it is wanted for.

  Returns:
    [1, m, d], class tokens kept in front.

  Raises:
    ValueError: if the table is not of the grid `old`.
  """
  encoder = next(name for name in path.split('/') if name in _AXES)
  before, after = (tuple(g[i] for i in _AXES[encoder]) for g in (old, new))
  tokens = table.shape[1] - math.prod(before)
  if tokens not in (0, 1):
    raise ValueError(
      f'{path} has {table.shape[1]} positions, which are not those of the grid '
      f'{before}; config.init.grid must be (t, h, w) of the tokens that the '
      'checkpoint was trained with.'
    )
  return resize(table, before, after, cls=tokens)
