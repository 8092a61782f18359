"""Kernels for TPUs that cut a grid into windows, and put it together again.

A TPU holds the last two axes of an array in tiles of 8 x 128 numbers. Windows
are no multiples of 8 tokens wide, so that XLA cuts a grid in several passes
over all of it, and shifts it in others. Here a row of windows is on the chip at
a time, and what lies in the grid is read and written once, shifts included.
Parts of a row that lie together in the grid are moved one after the other.

Where the grid is no multiple of 8 tokens wide either, its lines fill tiles in
part, and dense layers, for which tokens are one axis, would copy all of it.
There some frames at a time are one line.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import layout
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu

from vidpetl.backbones import site as site_lib
from vidpetl.backbones.devices import LANES, MOST_ROOM, ROWS

Size = site_lib.Size
_ROOM = 14 * 2**20  # Bytes on the chip, by `_bytes`, where there is a choice.

# See `Cut.moves`.
Piece = tuple[int, int, int, int]


class Cut(NamedTuple):
  """How a grid is cut.

  Attributes:
    sizes: tokens of the grid along t, h and w, multiples of the window's.
    window: tokens of a window.
    shift: how far windows lie behind the beginning of the grid; the first
      tokens of it are in the last windows.
    unit: tokens along t and h that move at a time, in all of their lines along
      w: of a row of windows, or all of an axis.
    joined: whether the tokens of a unit are one line, and not one for each
      place along t and h.
  """

  sizes: Size
  window: Size
  shift: Size
  unit: tuple[int, int]
  joined: bool = False

  @property
  def rows(self) -> tuple[int, int]:
    """Rows of windows along t and h that are on the chip at a time."""
    return tuple(max(1, u // w) for u, w in zip(self.unit, self.window))

  @property
  def groups(self) -> tuple[int, int]:
    """How many times as many there are."""
    triples = zip(self.sizes, self.window, self.rows)
    return tuple(size // (w * rows) for size, w, rows in triples)

  @property
  def together(self) -> int:
    """Windows that are on the chip at a time."""
    return math.prod(self.rows) * (self.sizes[2] // self.window[2])

  @property
  def units(self) -> tuple[int, int]:
    """Units of these windows along t and h."""
    triples = zip(self.window, self.rows, self.unit)
    return tuple(w * rows // u for w, rows, u in triples)

  @property
  def lines(self) -> Size:
    """Lines of a unit along t and h, and the tokens of each."""
    if self.joined:
      return 1, 1, math.prod(self.unit) * self.sizes[2]
    return *self.unit, self.sizes[2]

  @property
  def view(self) -> Size:
    """The grid as lines: [lines along t, lines along h, tokens]."""
    pairs = zip(self.sizes, self.unit, self.lines)
    along = (size // u * lines for size, u, lines in pairs)
    return *along, self.lines[2]

  def place(self, group: Any, unit: Any) -> tuple[Any, Any]:
    """Returns which units of the grid, along t and h, is one of a group's.

    Args:
      group: of `groups`, counted along h first.
      unit: of `units`, the same.
    """
    groups, units = divmod(group, self.groups[1]), divmod(unit, self.units[1])

    def along(axis: int) -> Any:
      size = self.unit[axis]
      shift = self.shift[axis] % self.sizes[axis] // size
      at = groups[axis] * self.units[axis] + units[axis] + shift
      return at % (self.sizes[axis] // size)

    return along(0), along(1)

  def moves(self, unit: int) -> Iterator[tuple[int, int, list[Piece]]]:
    """Yields (t, h, pieces) of a unit's lines: where they are, and what moves.

    A piece is (token, window, first, length): the token of the line that it
    begins with, the window that it is of, and which token of that it begins at.
    """
    begin = *(n * u for n, u in zip(self.place(0, unit), self.unit)), 0
    length = *self.unit, self.sizes[2]
    count = *self.rows, self.sizes[2] // self.window[2]
    windows, tokens = [], []
    for axis in range(3):
      at = begin[axis] + np.arange(length[axis]) - self.shift[axis]
      row, token = np.divmod(at % self.sizes[axis], self.window[axis])
      windows.append(row % count[axis])
      tokens.append(token)
    windows, tokens = (
      np.ravel_multi_index(np.ix_(*at), of).reshape(self.lines)
      for at, of in ((windows, count), (tokens, self.window))
    )
    for line in np.ndindex(self.lines[:2]):
      yield *line, list(_pieces(windows[line], tokens[line]))


def _pieces(windows, tokens):
  """Yields what lies together both in a line and in a window."""
  apart = (np.diff(windows) != 0) | (np.diff(tokens) != 1)
  edges = [0, *(np.flatnonzero(apart) + 1), len(tokens)]
  for a, b in itertools.pairwise(edges):
    yield int(a), int(windows[a]), int(tokens[a]), int(b - a)


def make(
  sizes: Size, window: Size, shift: Size, channels: int, room: int
) -> Cut:
  """Returns how a grid of so many channels is cut.

  Lines that fill tiles in part are joined, where there is `room`, in bytes, for
  all windows of the frames that are on the chip.
  """
  pairs = zip(window[:2], shift[:2])
  unit = tuple(math.gcd(w, by) for w, by in pairs)
  lines = Cut(sizes, window, shift, unit)
  if sizes[2] % ROWS == 0:
    return lines
  frames = [t for t in range(unit[0], 0, -1) if unit[0] % t == 0]
  for t in (*frames, sizes[0]):
    how = lines._replace(unit=(t, sizes[1]), joined=True)
    if (
      how.lines[2] % ROWS == 0 and _bytes(how, _channels(how, channels)) <= room
    ):
      return how
  return lines


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def cut(x: jax.Array, how: Cut, interpret: bool = False) -> jax.Array:
  """Returns the windows [b, windows, tokens, d] of a grid [b, t, h, w, d]."""
  return _cut(x, how, interpret)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def put(x: jax.Array, how: Cut, interpret: bool = False) -> jax.Array:
  """Returns the grid [b, t, h, w, d] of its windows [b, windows, tokens, d]."""
  return _put(x, how, interpret)


cut.defvjp(
  lambda x, how, interpret: (cut(x, how, interpret), None),
  lambda how, interpret, _, g: (put(g, how, interpret),),
)
put.defvjp(
  lambda x, how, interpret: (put(x, how, interpret), None),
  lambda how, interpret, _, g: (cut(g, how, interpret),),
)


@functools.partial(jax.jit, static_argnums=(1, 2))
def _cut(x, how, interpret):
  b, *_, d = x.shape
  x = x.reshape(b, *how.view, d)
  of = _Specs(how, x)
  y = pl.pallas_call(
    functools.partial(_cut_kernel, how),
    out_shape=jax.ShapeDtypeStruct(of.windows_shape, x.dtype),
    grid=of.grid,
    in_specs=[of.unit],
    out_specs=of.windows,
    scratch_shapes=of.scratch,
    cost_estimate=_cost(x),
    compiler_params=tpu.CompilerParams(vmem_limit_bytes=MOST_ROOM),
    interpret=interpret,
    name='cut_windows',
  )(x)
  return y.reshape(b, -1, *y.shape[-2:])


@functools.partial(jax.jit, static_argnums=(1, 2))
def _put(x, how, interpret):
  b, *_, d = x.shape
  of = _Specs(how, x)
  y = pl.pallas_call(
    functools.partial(_put_kernel, how),
    out_shape=jax.ShapeDtypeStruct((b, *how.view, d), x.dtype),
    grid=of.grid,
    in_specs=[of.windows],
    out_specs=of.unit,
    scratch_shapes=of.scratch,
    cost_estimate=_cost(x),
    compiler_params=tpu.CompilerParams(vmem_limit_bytes=MOST_ROOM),
    interpret=interpret,
    name='put_windows',
  )(x.reshape(of.windows_shape))
  # Without it XLA makes 32 bits of the grid by itself, and norms read those.
  y = layout.with_layout_constraint(
    y.reshape(b, -1, d), layout.Layout((0, 1, 2))
  )
  return y.reshape(b, *how.sizes, d)


class _Specs:
  """Blocks of arrays, for a grid of clips, channels, groups and their units."""

  def __init__(self, how, x):
    b, *_, d = x.shape
    channels = _channels(how, d)
    groups, tokens = math.prod(how.groups), math.prod(how.window)
    self.grid = (b, d // channels, groups, math.prod(how.units))
    self.windows_shape = (b, groups, how.together, tokens, d)
    block = (how.together, tokens, channels)
    self.windows = pl.BlockSpec(
      (None, None, *block), lambda b, c, group, unit: (b, group, 0, 0, c)
    )
    self.unit = pl.BlockSpec(
      (None, *how.lines, channels),
      lambda b, c, group, unit: (b, *how.place(group, unit), 0, c),
    )
    line = (how.lines[2], min(channels, LANES))
    self.scratch = [tpu.VMEM(shape, jnp.float32) for shape in (block, line)]


def _channels(how, d):
  """Returns as many channels as there is room for, with windows of a group."""
  if d % LANES:
    return d
  fit = (
    c for c in range(d, 0, -LANES) if d % c == 0 and _bytes(how, c) <= _ROOM
  )
  return next(fit, LANES)


def _bytes(how, channels):
  """Of a group and a unit, twice in 16 bits, as one is moved, and once in 32.

  Of the unit, one line in 32 bits, and of that one register's channels.
  """
  tokens = how.together * math.prod(how.window)
  unit, line = math.prod(how.lines), how.lines[2]
  filled = -(-channels // LANES) * LANES
  return (8 * tokens + 4 * unit) * filled + 4 * line * LANES


def _cost(x):
  moved = 2 * x.size * x.dtype.itemsize
  return pl.CostEstimate(flops=0, transcendentals=0, bytes_accessed=moved)


def _cut_kernel(how, x, y, windows, line):
  """Moves a unit into windows, which are written when they are full.

  Registers shift in 32 bits.
  """

  def move(unit, lanes):
    for t, h, pieces in how.moves(unit):
      line[:, : lanes.size] = x[t, h, :, lanes].astype(jnp.float32)
      for place, window, first, length in pieces:
        to = windows.at[window, first : first + length, lanes]
        to[...] = line[place : place + length, : lanes.size]

  def write(lanes):
    y[..., lanes] = windows[..., lanes].astype(y.dtype)

  channels = windows.shape[-1]
  _of_each(how, channels, move)
  last = pl.program_id(3) == math.prod(how.units) - 1
  pl.when(last)(lambda: _by_register(channels, write))


def _put_kernel(how, x, y, windows, line):
  """Moves a unit out of windows, which are read at the first one."""

  def read(lanes):
    windows[..., lanes] = x[..., lanes].astype(jnp.float32)

  def move(unit, lanes):
    for t, h, pieces in how.moves(unit):
      for place, window, first, length in pieces:
        of = windows.at[window, first : first + length, lanes]
        line[place : place + length, : lanes.size] = of[...]
      y[t, h, :, lanes] = line[:, : lanes.size].astype(y.dtype)

  channels = windows.shape[-1]
  pl.when(pl.program_id(3) == 0)(lambda: _by_register(channels, read))
  _of_each(how, channels, move)


def _of_each(how, channels, move):
  """Moves the unit that is on the chip; what moves where differs."""
  for unit in range(math.prod(how.units)):
    of_it = functools.partial(move, unit)
    pl.when(pl.program_id(3) == unit)(
      functools.partial(_by_register, channels, of_it)
    )


def _by_register(channels, move):
  """Moves the channels of one register after the other.

  Whole registers are a loop, so that there is code for one of them alone.
  """
  whole, left = divmod(channels, LANES)

  def body(number, _):
    move(pl.ds(pl.multiple_of(number * LANES, LANES), LANES))

  if whole == 1:
    move(pl.ds(0, LANES))
  elif whole:
    jax.lax.fori_loop(0, whole, body, None)
  if left:
    move(pl.ds(whole * LANES, left))
