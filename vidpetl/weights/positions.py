"""Position tables of checkpoints, resized to other grids (numpy only).

Every code resizes its own by a rule of its own, and a table resized by another
moves tokens by up to 2 %. The rule is a family's: `Family.positions`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np


def _linear(old: int, new: int) -> np.ndarray:
  """Weights [new, old] of linear interpolation with aligned ends.

  As `scipy.ndimage.zoom` with `order=1` has them, which google's ViTs and
  scenic use; `jax.image.resize` places the ends elsewhere.
  """
  at = np.linspace(0, old - 1, new)[:, None]
  return np.maximum(0, 1 - np.abs(at - np.arange(old)))


def _cubic(x: np.ndarray, a: float) -> np.ndarray:
  """Returns Keys' kernel of convolution at distances x from its centre."""
  x = np.abs(x)
  near = ((a + 2) * x - (a + 3)) * x * x + 1
  far = a * (((x - 5) * x + 8) * x - 4)
  return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def _bicubic(old: int, new: int) -> np.ndarray:
  """Weights [new, old] of PyTorch's `mode='bicubic'`, unaligned corners.

  Keys' kernel with a = -3/4, over four entries however many there are to a new
  one; entries beyond an end are that at the end.
  """
  centre = (np.arange(new) + 0.5) * old / new - 0.5
  taps = np.floor(centre)[:, None].astype(int) + np.arange(-1, 3)
  weights = np.zeros((new, old))
  rows = np.broadcast_to(np.arange(new)[:, None], taps.shape)
  values = _cubic(taps - centre[:, None], -0.75)
  np.add.at(weights, (rows, taps.clip(0, old - 1)), values)
  return weights


def _centred(old: int, new: int) -> np.ndarray:
  """Weights [new, old] of PyTorch's `mode='linear'`, unaligned corners.

  Between the centres of entries; those beyond an end are that at the end.
  """
  centre = (np.arange(new) + 0.5)[:, None] * old / new - 0.5
  return np.maximum(0, 1 - np.abs(centre.clip(0, old - 1) - np.arange(old)))


def _widened(old: int, new: int) -> np.ndarray:
  """Weights [new, old] of `jax.image.resize` with `method='linear'`.

  Also those of PyTorch's `mode='bilinear', antialias=True`: as `_centred`, with
  a kernel as wide as a new entry where that is more than an old one.
  """
  scale = old / new
  centre = (np.arange(new) + 0.5)[:, None] * scale - 0.5
  distance = np.abs(np.arange(old) - centre)
  weights = np.maximum(0, 1 - distance / max(scale, 1.0))
  return weights / weights.sum(1, keepdims=True)


def _antialiased(old: int, new: int) -> np.ndarray:
  """Weights [new, old] of PyTorch's `mode='bicubic', antialias=True`.

  Keys' kernel with a = -1/2, as wide as a new entry where that is more than an
  old one; entries beyond an end are left out. It is another function than
  `_bicubic` for larger grids, too.
  """
  scale = old / new
  centre = (np.arange(new) + 0.5)[:, None] * scale - 0.5
  weights = _cubic((np.arange(old) - centre) / max(scale, 1.0), -0.5)
  return weights / weights.sum(1, keepdims=True)


# How codes resize positions.
RULES = {
  'linear': _linear,
  'linear_centred': _centred,
  'linear_antialias': _widened,
  'bicubic': _bicubic,
  'bicubic_antialias': _antialiased,
}
# Rules of height and width -> that of time, where it is another: codes of
# PyTorch have no cubic interpolation along one axis.
_IN_TIME = {
  'bicubic': 'linear_centred',
  'bicubic_antialias': 'linear_centred',
}


def resize(
  table: np.ndarray,
  old: tuple[int, ...],
  new: tuple[int, ...],
  *,
  cls: int = 0,
  rule: str = 'linear',
) -> np.ndarray:
  """Interpolates a table along each axis of its grid.

  Height and width are resized by the rule; time by the same, or linearly
  between centres where that is bicubic, as InternVideo2 has it. An axis of one
  entry is repeated, so that an image's table, (1, h, w), fills a clip's.

  Args:
    table: [1, cls + prod(old), d].
    old: sizes of the grid it was made for, e.g. (h, w) or (t,). They are never
      guessed: 576 entries are a grid of 24 x 24 or one of 18 x 32.
    new: sizes wanted, as many.
    cls: leading entries of class tokens, which are kept.
    rule: one of `RULES`.

  Returns:
    [1, cls + prod(new), d], in the dtype of `table`.

  Raises:
    ValueError: if the sizes do not fit the table or each other, or there is no
      such rule.
  """
  if rule not in RULES:
    raise ValueError(f'positions {rule!r} is none of {", ".join(RULES)}')
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
      in_space = len(old) - axis <= 2 <= len(old)
      along = rule if in_space else _IN_TIME.get(rule, rule)
      weights = RULES[along](old[axis], size)
      grid = np.moveaxis(np.tensordot(weights, grid, (1, axis)), 0, axis)
  grid = grid.reshape(1, math.prod(new), -1).astype(table.dtype)
  return np.concatenate([table[:, :cls], grid], axis=1)


# Scope of a table, or its encoder -> the axes of (t, h, w) that it runs over.
_AXES = {
  'SpatialTransformer': (1, 2),
  'TemporalTransformer': (0,),
  'Transformer': (0, 1, 2),
  'space': (1, 2),
  'time': (0,),
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
  table: np.ndarray,
  old: tuple[int, ...],
  new: tuple[int, ...],
  rule: str = 'linear',
) -> np.ndarray:
  """Interpolates a table of biases by relative position, for other windows.

  0 stays 0, and where ends are aligned, the largest offsets stay the largest.
  Windows of images, whose extent in time is 1, are repeated along it.

  Args:
    table: [(2 t - 1) (2 h - 1) (2 w - 1), heads].
    old: (t, h, w) of the windows it was made for.
    new: (t, h, w) wanted.
    rule: see `resize`.

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
  return resize(table[None], before, after, rule=rule)[0]


def is_offsets(path: str) -> bool:
  """Whether 'a/b/c' is a table of relative positions along one axis."""
  return path.endswith(('rel_pos_t', 'rel_pos_h', 'rel_pos_w'))


def resize_offsets(table: np.ndarray, rows: int) -> np.ndarray:
  """Interpolates a table along one axis, as MViTv2's code does.

  Linearly, with unaligned ends (PyTorch's `mode='linear'`), so that the largest
  offsets do not stay the largest.

  Args:
    table: [n, c].
    rows: of the new one.
  """
  weights = _centred(len(table), rows)
  return (weights @ table.astype(np.float64)).astype(table.dtype)


def places(window: Sequence[int]) -> np.ndarray:
  """Returns a number for each token of a window, [n].

  Two tokens i and j are of the row `places[i] - places[j] + places[-1]` of a
  table of relative positions.

  Args:
    window: (t, h, w), with a table of (2t-1)(2h-1)(2w-1) rows.
  """
  t, h, w = map(np.arange, window)
  _, rows, columns = (2 * size - 1 for size in window)
  return ((t[:, None, None] * rows + h[:, None]) * columns + w).ravel()


def relative(window: Sequence[int]) -> np.ndarray:
  """Returns rows of a table for pairs of a window's tokens, [n, n].

  Args:
    window: see `places`.
  """
  at = places(window)
  return at[:, None] - at + at[-1]


def lengths(shapes: Mapping[str, Sequence[int]]) -> dict[str, int]:
  """Returns how many positions each table has, by its name."""
  return {name: shape[1] for name, shape in shapes.items() if is_table(name)}


def misfit(tables: Mapping[str, int], grid: tuple[int, int, int]) -> str:
  """Returns which table is not for a grid of tokens, '' if all are.

  Args:
    tables: name -> number of positions, of which one may be a class token's.
    grid: (t, h, w).

  Returns:
    The end of a sentence about the grid.
  """
  for name, positions in tables.items():
    sizes = axes(name, grid)
    if positions - math.prod(sizes) not in (0, 1):
      by = ' x '.join(map(str, sizes))
      return f'has {by} tokens for {name}, a table of {positions} positions'
  return ''
