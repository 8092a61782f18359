"""Kernels for TPUs that cut a grid into windows, and put it together again.

A TPU holds the last two axes of an array in tiles of 8 x 128 numbers. Windows
are no multiples of 8 tokens wide, so that XLA cuts a grid in several passes
over all of it, and shifts it in others. Here a row of windows is on the chip at
a time, and what lies in the grid is read and written once, shifts included.
Parts of a row that lie together in the grid are moved one after the other.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu

from vidpetl.backbones import site as site_lib
from vidpetl.backbones.devices import LANES

Size = site_lib.Size
# Bytes on the chip: what there are at most, and, where there is a choice, of a
# row of windows twice in 16 bits, as one is moved, and once in 32.
_MOST, _ROOM = 32 * 2**20, 14 * 2**20


class Cut(NamedTuple):
  """How a grid is cut.

  Attributes:
    sizes: tokens of the grid along t, h and w, multiples of the window's.
    window: tokens of a window.
    shift: how far windows lie behind the beginning of the grid; the first
      tokens of it are in the last windows.
  """

  sizes: Size
  window: Size
  shift: Size

  @property
  def counts(self) -> Size:
    """Windows along each axis."""
    return tuple(size // w for size, w in zip(self.sizes, self.window))

  @property
  def part(self) -> tuple[int, int]:
    """What moves at a time along t and h: of one window, and together."""
    pairs = zip(self.window[:2], self.shift[:2])
    return tuple(math.gcd(w, by) for w, by in pairs)

  @property
  def parts(self) -> tuple[int, int]:
    """How many parts a window has along t and h."""
    return tuple(w // p for w, p in zip(self.window, self.part))

  def lines(self, number: int) -> Iterator[tuple[int, int, int]]:
    """Yields (t, h, token) of the lines along w of a part.

    t and h are those within the part, and the token is the first of the line's
    in a window.
    """
    (t, h), (_, high, wide) = self.part, self.window
    first_t, first_h = (
      n * p for n, p in zip(divmod(number, self.parts[1]), self.part)
    )
    for i in range(t):
      for j in range(h):
        yield i, j, ((first_t + i) * high + first_h + j) * wide

  def pieces(self) -> Iterator[tuple[int, int, int, int]]:
    """Yields (window, first, place, length) of pieces of a line along w.

    First is that within the window, and place that within the grid.
    """
    size, wide = self.sizes[2], self.window[2]
    for number in range(self.counts[2]):
      start = (number * wide + self.shift[2]) % size
      length = min(wide, size - start)
      yield number, 0, start, length
      if length < wide:
        yield number, length, 0, wide - length


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
  counts, tokens = how.counts, math.prod(how.window)
  of = _Specs(how, x)
  y = pl.pallas_call(
    functools.partial(_cut_kernel, how),
    out_shape=jax.ShapeDtypeStruct((b, *counts, tokens, d), x.dtype),
    grid=of.grid,
    in_specs=[of.grid_part],
    out_specs=of.windows,
    scratch_shapes=[tpu.VMEM((counts[2], tokens, of.channels), jnp.float32)],
    cost_estimate=_cost(x),
    compiler_params=tpu.CompilerParams(vmem_limit_bytes=_MOST),
    interpret=interpret,
    name='cut_windows',
  )(x)
  return y.reshape(b, -1, tokens, d)


@functools.partial(jax.jit, static_argnums=(1, 2))
def _put(x, how, interpret):
  b, _, tokens, d = x.shape
  x = x.reshape(b, *how.counts, tokens, d)
  of = _Specs(how, x)
  return pl.pallas_call(
    functools.partial(_put_kernel, how),
    out_shape=jax.ShapeDtypeStruct((b, *how.sizes, d), x.dtype),
    grid=of.grid,
    in_specs=[of.windows],
    out_specs=of.grid_part,
    scratch_shapes=[
      tpu.VMEM((how.counts[2], tokens, of.channels), jnp.float32),
      tpu.VMEM((how.sizes[2], of.channels), jnp.float32),
    ],
    cost_estimate=_cost(x),
    compiler_params=tpu.CompilerParams(vmem_limit_bytes=_MOST),
    interpret=interpret,
    name='put_windows',
  )(x)


class _Specs:
  """Blocks of arrays, for a grid of clips, channels, rows, and parts of one."""

  def __init__(self, how, x):
    d, wide = x.shape[-1], how.sizes[2]
    self.channels = _channels(how, d)
    t, h, _ = how.counts
    inner = math.prod(how.parts)
    self.grid = (len(x), d // self.channels, t, h, inner)
    self.windows = pl.BlockSpec(
      (None, None, None, how.counts[2], math.prod(how.window), self.channels),
      lambda b, c, i, j, p: (b, i, j, 0, 0, c),
    )

    def place(b, c, i, j, p):
      parts = p // how.parts[1], p % how.parts[1]
      t, h = (
        (n * many + by // one + part) % (size // one)
        for n, many, by, one, part, size in zip(
          (i, j), how.parts, how.shift, how.part, parts, how.sizes
        )
      )
      return b, t, h, 0, c

    self.grid_part = pl.BlockSpec((None, *how.part, wide, self.channels), place)


def _channels(how, d):
  """Returns as many channels as there is room for, with a row of windows."""
  if d % LANES:
    return d
  row = math.prod(how.window[:2]) * how.sizes[2]
  fit = (c for c in range(d, 0, -LANES) if d % c == 0 and 12 * row * c <= _ROOM)
  return next(fit, LANES)


def _cost(x):
  moved = 2 * x.size * x.dtype.itemsize
  return pl.CostEstimate(flops=0, transcendentals=0, bytes_accessed=moved)


def _cut_kernel(how, x, y, windows):
  """Moves a part of a row of windows into it; registers shift in 32 bits."""
  part = pl.program_id(4)
  for number in range(math.prod(how.parts)):

    @pl.when(part == number)
    def _(number=number):
      for t, h, token in how.lines(number):
        line = x[t, h].astype(jnp.float32)
        for window, first, place, length in how.pieces():
          start = token + first
          windows[window, start : start + length] = line[place : place + length]

  @pl.when(part == math.prod(how.parts) - 1)
  def _():
    y[...] = windows[...].astype(y.dtype)


def _put_kernel(how, x, y, windows, line):
  """Moves a part of a row of windows out of it."""
  part = pl.program_id(4)

  @pl.when(part == 0)
  def _():
    windows[...] = x[...].astype(jnp.float32)

  for number in range(math.prod(how.parts)):

    @pl.when(part == number)
    def _(number=number):
      for t, h, token in how.lines(number):
        for window, first, place, length in how.pieces():
          start = token + first
          line[place : place + length] = windows[window, start : start + length]
        y[t, h] = line[...].astype(y.dtype)
