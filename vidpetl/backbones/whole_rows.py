"""Attention to whole rows of keys, of tokens as they lie, on TPUs.

Heads are read where a dense layer puts them, [n, heads c], 128 channels at a
time, so that nothing is transposed or filled up before: a TPU keeps the last
two axes of an array in tiles of 8 x 128, in which heads of 64 channels take
twice their memory. Of the tokens of a row that are on the chip a head sees its
own channels, as those of others are zeros in its queries. A product of 64
channels takes as long as one of 128.

All keys of a row are on the chip with some of its queries, and so are their
scores: the softmax is made in one go (`row_kernels`). A bias that all rows
share stays on the chip while one row after the other is attended to.

Rows of a few tokens, as those of a location over time, lie side by side in one
of a register's 128, in which each sees the keys of its own.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vidpetl.backbones import devices, meshes, windows
from vidpetl.backbones.devices import LANES

# Rows of a TPU's register of 16 bits. Axes that are joined stay in place where
# the inner one fills registers of 32 bits.
_ROWS = 2 * devices.ROWS
# Rows of fewer keys lie side by side.
_FEWEST_KEYS = 64
# Queries of a block: the most without a bias, and the fewest. For each block a
# chip loads all keys of the row into its units of products, 128 x 128 at a
# time, which takes as long as products with 128 queries. More queries are more
# code, which is unrolled.
_QUERIES, _FEWEST_QUERIES = 640, 96
# Bytes on the chip of several registers' channels.
_ROOM = 12 * 2**20
_MOST_HEADS = 16


class Blocks(NamedTuple):
  """What is on the chip at a time.

  Attributes:
    queries: of a row.
    keys: of a row, all of them, filled up.
    channels: of a token.
    n: queries of a row in all.
    m: keys of a row in all.
    width: channels of a head.
    biased: whether there is a bias.
    together: how many rows lie side by side, as one of n queries and m keys.
  """

  queries: int
  keys: int
  channels: int
  n: int
  m: int
  width: int
  biased: bool = False
  together: int = 1

  @property
  def heads(self) -> int:
    return self.channels // self.width

  @property
  def parts(self) -> int:
    """Blocks of queries of a row."""
    return -(-self.n // self.queries)

  @property
  def large(self) -> bool:
    """Whether they need more than kernels have unless they ask for it."""
    return self.biased or self.bytes > devices.SMALL_ROOM

  @property
  def bytes(self) -> int:
    """The most that is on the chip, backward."""
    moved = 3 * self.queries + 4 * self.keys
    scores = self.queries * self.keys
    # In 16 bits, and its gradient in 32; two of each, as one is moved.
    bias = 12 * self.heads * scores if self.biased else 0
    return (4 * moved + 8 * self.keys) * self.channels + 16 * scores + bias


def blocks(
  n: int,
  m: int,
  heads: int,
  width: int,
  biased: bool = False,
  together: int = 1,
  room: int = devices.LARGE_ROOM,
) -> Blocks:
  """Returns blocks that fill up little, and the most channels that fit.

  As many queries are in a block as there is `room` for: with a bias up to all
  of a row, as its gradient is then made beside the others'.
  """
  up = lambda x, size: -(-x // size) * size
  most = heads * width
  channels = [most]
  if most % LANES == 0:
    channels = [c for c in range(most, 0, -LANES) if most % c == 0]

  def of(parts: int, c: int) -> Blocks:
    queries, keys = up(-(-n // parts), _ROWS), up(m, LANES)
    return Blocks(queries, keys, c, n, m, width, biased, together)

  least = 1 if biased else -(-n // _QUERIES)
  tried = range(least, n // _ROWS + 1)
  fewest = (i for i in tried if of(i, channels[-1]).bytes <= room)
  parts = next(fewest, tried[-1] if tried else 1)
  sizes = [of(parts, c) for c in channels]
  fit = [x for x in sizes if x.heads <= _MOST_HEADS and x.bytes <= _ROOM]
  return fit[0] if fit else sizes[-1]


def side_by_side(rows: int, n: int, m: int) -> int:
  """How many rows of n queries and m keys lie in one of a register's length.

  All rows are to be in some.
  """
  if n != m or n >= _FEWEST_KEYS:
    return 1
  return max(i for i in range(1, LANES // n + 1) if rows % i == 0)


def takes(shapes: Any, on: Any) -> bool:
  """Whether the kernel takes them, and is worth it: see `attending.Way`.

  Tokens whose channels fill registers in part are on the chip whole. Fewer keys
  than `_FEWEST_KEYS` are taken where rows can lie side by side as they are.
  """
  channels = shapes.heads * shapes.width
  n, m = shapes.queries, shapes.keys
  long = n >= _ROWS and m >= _FEWEST_KEYS
  short = n == m < _FEWEST_KEYS and m % devices.ROWS == 0 and not shapes.biased
  return (
    on.platform == 'tpu'
    and shapes.shared
    and not shapes.capped
    and shapes.dtype == jnp.bfloat16
    and LANES % shapes.width == 0
    and (channels % LANES == 0 or channels <= 2 * LANES)
    and (short or (long and _fits(shapes, on)))
  )


def _fits(shapes, on):
  """Whether there is room for enough queries of a row, and all of its keys."""
  n, room = shapes.queries, devices.room(on)
  found = blocks(*shapes[:4], shapes.biased, room=room)
  return found.bytes <= room and found.queries >= min(n, _FEWEST_QUERIES)


def attend(
  q: jax.Array,
  k: jax.Array,
  v: jax.Array,
  bias: jax.Array | None = None,
  cap: None = None,
  parts: np.ndarray | None = None,
  interpret: bool = False,
) -> jax.Array:
  """softmax(q k^T / sqrt(c) + bias) v, with the softmax in float32.

  Args:
    q: [b, ..., n, heads, c].
    k: [b, ..., m, heads, c].
    v: [b, ..., m, heads, c].
    bias: [heads, n, l] for the last l of the m keys, or None.
    cap: none.
    parts: see `attending.attend`.
    interpret: runs on any device, slowly.

  Returns:
    [b, ..., n, heads, c] in the dtype of `v`.
  """
  del cap
  n, m = q.shape[-3], k.shape[-3]
  same = []
  if bias is not None:
    same = [windows.in_front(bias, m).astype(q.dtype)]
  if parts is not None:
    rows = parts.reshape(-1, parts.shape[-1])
    queries, keys = (windows.in_front(rows, length) for length in (n, m))
    same += [queries[..., None], keys[:, None]]
  own = functools.partial(_rows, interpret)
  return meshes.on_each(own, (q, k, v), same)


def chosen(
  rows: int, n: int, m: int, heads: int, width: int, biased: bool, on: Any
) -> Blocks:
  """Returns the `blocks` of a device's rows, side by side if they are short."""
  side = 1 if biased else side_by_side(rows, n, m)
  return blocks(
    side * n, side * m, heads, width, biased, side, devices.room(on)
  )


def _rows(interpret, q, k, v, *more):
  """Attends on one device."""
  (n, heads, width), m = q.shape[-3:], k.shape[-3]
  rows = math.prod(q.shape[:-3])
  size = chosen(rows, n, m, heads, width, bool(more), devices.current())
  flat = lambda x: x.reshape(-1, size.together * x.shape[-3], heads * width)
  # Kernels are slow to import, and needed on TPUs alone.
  from vidpetl.backbones import row_kernels  # noqa: PLC0415

  y = row_kernels.attend(size, interpret, *map(flat, (q, k, v)), more)
  return y.reshape(q.shape)
