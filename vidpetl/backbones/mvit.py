"""MViTv2 for clips (Li et al. 2022): attention over pooled queries and keys.

Queries, keys and values of a head are pooled by depthwise convolutions with a
LayerNorm behind each; keys and values are pooled to the same 7 x 7 of a frame
in all stages but the first blocks of theirs, queries only where a stage begins.
What is attended to is added to the pooled queries. Logits have biases by
relative position, q R_t + q R_h + q R_w, one table for each axis.

The class token, and tokens that techniques add, pass all pooling; they have no
relative positions, and no query is added to them.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Annotated, Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from vidpetl import ranges
from vidpetl.backbones import (
  attending,
  convolution,
  features,
  layers,
  stages,
  variants,
)
from vidpetl.backbones import attention as attention_lib
from vidpetl.backbones import site as site_lib

Grid = site_lib.Grid
Size = stages.Size

VARIANTS = {
  'S': {'width': 96, 'depths': (1, 2, 11, 2), 'heads': 1},
  'B': {'width': 96, 'depths': (2, 3, 16, 3), 'heads': 1},
}

_KERNEL = (3, 3, 3)
_POOL = (1, 2, 2)
_ONE = (1, 1, 1)


def pooled_sizes(sizes: Size, strides: Size) -> Size:
  """Returns how many tokens are left: one for each that has begun."""
  return tuple(-(-size // by) for size, by in zip(sizes, strides))


class Pool(nn.Module):
  """A depthwise convolution of the grid's tokens, and LayerNorm of all.

  The kernel is that of all heads, and it has no site `layer`: no product of a
  matrix is it.

  Attributes:
    sizes: (t, h, w) of the tokens.
    strides: of the kernel.
    epsilon: of the LayerNorm.
    dtype: of the computation.
  """

  sizes: Size
  strides: Size
  epsilon: float
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [b, lead + n, heads, c] to [b, lead + n', heads, c]."""
    shape = (*_KERNEL, x.shape[-1])
    init = nn.initializers.truncated_normal(0.02)
    kernel = self.param('kernel', init, shape).astype(self.dtype)
    pool = functools.partial(_by_taps, kernel=kernel, strides=self.strides)
    x = stages.on_volume(x, self.sizes, pool, channels=2)
    return layers.layer_norm(self.dtype, 'norm', self.epsilon)(x)


def _by_taps(x: jax.Array, kernel: jax.Array, strides: Size) -> jax.Array:
  """Convolves [b, t, h, w, heads, c] with [i, j, k, c], a channel each.

  A sum over the kernel's taps is one loop, which XLA's convolutions of single
  channels are not.
  """
  made = pooled_sizes(x.shape[1:4], strides)
  around = [(1, 1) if 1 <= axis <= 3 else (0, 0) for axis in range(x.ndim)]
  x = jnp.pad(x, around)
  total = 0
  for tap in itertools.product(*map(range, _KERNEL)):
    part = x
    for axis, (at, count, by) in enumerate(zip(tap, made, strides), 1):
      end = at + (count - 1) * by + 1
      part = jax.lax.slice_in_dim(part, at, end, by, axis)
    total = total + part * kernel[tap]
  return total


def offsets(queries: int, keys: int) -> np.ndarray:
  """Returns rows of a table of 2 max - 1 for pairs along an axis, [q, k].

  Where there are fewer of one, they lie further apart.
  """
  of_q, of_k = max(keys / queries, 1.0), max(queries / keys, 1.0)
  at = np.arange(queries)[:, None] * of_q - np.arange(keys) * of_k
  return (at + (keys - 1) * of_k).astype(int)


class PoolingAttention(attention_lib.Attention):
  """Attention over pooled queries, keys and values.

  Attributes:
    strides: of the queries' pooling.
    key_strides: of the keys' and values'.
    epsilon: of LayerNorms.
  """

  any_rows = False

  strides: Size = _ONE
  key_strides: Size = _ONE
  epsilon: float = 1e-6

  @nn.compact
  def __call__(self, x: jax.Array, placed: bool = True) -> jax.Array:
    """Maps [b, lead + n, d] to [b, lead + n', width]."""
    sizes = stages.row_sizes(self.grid)
    pool = functools.partial(
      Pool, sizes, epsilon=self.epsilon, dtype=self.dtype
    )
    q, k, v = self.project_in(x)
    q = pool(self.strides, name='pool_q')(q)
    k = pool(self.key_strides, name='pool_k')(k)
    v = pool(self.key_strides, name='pool_v')(v)
    of_q = pooled_sizes(sizes, self.strides)
    lead = q.shape[-3] - math.prod(of_q)
    bias = self.biases(q[:, lead:], of_q, pooled_sizes(sizes, self.key_strides))
    bias = jnp.pad(bias, [(0, 0), (0, 0), (lead, 0), (0, 0)])
    y = attending.attend(q, k, v, bias)
    y = jnp.concatenate([y[:, :lead], y[:, lead:] + q[:, lead:]], axis=1)
    return self.project_out(x, y)

  @nn.nowrap
  def biases(self, q: jax.Array, of_q: Size, of_k: Size) -> jax.Array:
    """Returns [b, heads, n, m] of the grid's queries [b, n, heads, c]."""
    q = q.reshape(q.shape[0], *of_q, *q.shape[-2:])
    total = 0
    for i, axis in enumerate('thw'):
      rows = 2 * max(of_q[i], of_k[i]) - 1
      table = self.param(
        f'rel_pos_{axis}',
        nn.initializers.truncated_normal(0.02),
        (rows, q.shape[-1]),
      )
      near = table.astype(q.dtype)[offsets(of_q[i], of_k[i])]
      # Left in float32, its gradient would make two products of float32.
      part = jnp.einsum(f'bthwnc,{axis}kc->bnthwk', q, near)
      part = part.astype(jnp.float32)
      spread = [1, 1, 1]
      spread[i] = of_k[i]
      total = total + part.reshape(*part.shape[:-1], *spread)
    return total.reshape(*total.shape[:2], math.prod(of_q), math.prod(of_k))


class MViTBlock(stages.StageBlock):
  """A block with pooling attention.

  Attributes:
    strides: of the queries.
    key_strides: of the keys and values.
  """

  strides: Size = _ONE
  key_strides: Size = _ONE

  @nn.nowrap
  def make_attention(
    self, name: str, grid: Grid | None = None
  ) -> attention_lib.Attention:
    return PoolingAttention(
      self.heads,
      self.grid,
      self.dtype,
      width=self.width,
      made=self.after,
      strides=self.strides,
      key_strides=self.key_strides,
      epsilon=self.epsilon,
      name=name,
    )

  @nn.nowrap
  def shortened(self, x: jax.Array) -> jax.Array:
    kernel = tuple(by + 1 if by > 1 else 1 for by in self.strides)
    pads = tuple((size // 2, size // 2) for size in kernel)
    pool = functools.partial(
      convolution.max_pool, kernel=kernel, strides=self.strides, pads=pads
    )
    return stages.on_volume(x, stages.row_sizes(self.grid), pool)


class MViT(stages.Staged):
  """MViTv2. Sites: `tokens`, and those of its blocks.

  Its parameters are for clips of one size: tables of relative positions are
  resized for others where a run starts.

  Attributes:
    depths: blocks of each stage.
    key_strides: of keys and values in the first stage; divided by 2 where a
      stage begins.
  """

  depths: ranges.Counts = (1, 2, 11, 2)
  key_strides: ranges.Size = (1, 8, 8)

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> features.Features:
    x = self.embed(video)
    grids = self.grids(x.shape[1:4])
    init = nn.initializers.truncated_normal(0.02)
    token = self.param('cls', init, (1, 1, self.width))
    x = self.encoder(grids)(layers.prepend(token, grids[0].flatten(x)), train)
    x = layers.layer_norm(self.dtype, 'norm', self.epsilon)(x)
    lead, x = grids[-1].to_volume(x)
    return features.Features(x, lead[:, 0])

  @nn.nowrap
  def grids(self, sizes: Size) -> list[Grid]:
    """Returns where the tokens of each stage sit."""
    made = []
    for i in range(len(self.depths)):
      sizes = pooled_sizes(sizes, _POOL) if i else sizes
      made.append(Grid(*sizes, cls=1, patch=math.prod(self.patch)))
    return made

  @nn.nowrap
  def stage(self, number: int, grids: list[Grid]) -> stages.Stage:
    """Returns a stage by its number, from 0."""
    by = tuple(pool**number for pool in _POOL)
    key_strides = tuple(
      max(size // divisor, 1) for size, divisor in zip(self.key_strides, by)
    )
    block = functools.partial(MViTBlock, key_strides=key_strides)
    return self.made_of(block, number, grids, strides=_POOL)


_Variant = Annotated[str, ranges.OneOf(VARIANTS)]


def build(*, variant: _Variant | None = None, **fields) -> MViT:
  """Builds an MViTv2.

  Args:
    variant: 'S' or 'B': its width, depths and heads. Without it, `fields` must
      have these three.
    **fields: of `MViT`; they precede the variant's.

  Raises:
    ValueError: if there is no such variant or field.
  """
  return variants.make(MViT, fields, variant, VARIANTS)
