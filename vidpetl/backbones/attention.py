"""Multi-head attention, with the sites around its dense layers."""

from __future__ import annotations

from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl.backbones import attending, dense
from vidpetl.backbones import rotary as rotary_lib
from vidpetl.backbones import site as site_lib

Grid = site_lib.Grid
site = site_lib.site


class Attention(nn.Module):
  """Multi-head self-attention within rows.

  Sites: `attn_qkv`, `attn_out`, `attn_proj`.

  It has the parameters of `nn.MultiHeadDotProductAttention`: `query`, `key`,
  `value` with kernels [d, heads, d / heads], and `out`.

  Attributes:
    heads: number of heads; divides the width.
    grid: where the tokens sit.
    dtype: of the computation.
    key_bias: whether keys have a bias, as queries and values do.
    rotary: how queries and keys are turned by their positions, if they are.
    width: of what it makes; 0 is that of what it is given.
    made: where what it makes sits, if queries are fewer than keys.
  """

  heads: int
  grid: Grid
  dtype: Any = jnp.float32
  key_bias: bool = True
  rotary: rotary_lib.Rotary | None = None
  width: int = 0
  made: Grid | None = None

  # Whether any tokens may make up a row, and not only those of `grid`.
  any_rows: ClassVar[bool] = True
  # Dense layers that read what this is given, and the one that ends it.
  reads: ClassVar[tuple[str, ...]] = ('query', 'key', 'value')
  ends: ClassVar[str] = 'out'

  @nn.nowrap
  def has_bias(self, name: str) -> bool:
    """Whether a layer of `reads` has a bias."""
    return self.key_bias or name != 'key'

  @nn.nowrap
  def attend(self, q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
    return attending.attend(q, k, v)

  @nn.compact
  def __call__(self, x: jax.Array, placed: bool = True) -> jax.Array:
    """Maps [..., n, d] to [..., n, d].

    Args:
      x: rows of tokens.
      placed: whether these are the rows of `grid`; others have no positions.
    """
    q, k, v = self.project_in(x)
    if self.rotary and placed:
      q, k = (self.rotary.turn(each, self.grid) for each in (q, k))
    return self.project_out(x, self.attend(q, k, v))

  @nn.nowrap
  def project_in(self, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns queries, keys and values [..., n, heads, c] of x [..., n, d]."""
    d = self.width or x.shape[-1]
    if d % self.heads:
      raise ValueError(
        f'config.backbone.heads={self.heads}: a width of {d} cannot be split '
        f'into {self.heads} heads'
      )
    return site(
      'attn_qkv',
      tuple(
        dense.Dense(
          (self.heads, d // self.heads),
          dtype=self.dtype,
          use_bias=self.has_bias(name),
          name=name,
        )(x)
        for name in self.reads
      ),
      given=x,
      grid=self.grid,
      behind=self.reads,
    )

  @nn.nowrap
  def project_out(self, x: jax.Array, y: jax.Array) -> jax.Array:
    """Maps what was attended to, [..., n, heads, c], to the width it makes."""
    split, grid = y.shape[-2:], self.made or self.grid
    width = (self.width or x.shape[-1],)
    y = self.gather(y.reshape(*y.shape[:-2], -1))
    y = site('attn_out', y, grid=grid, before=('out',))
    out = dense.Dense(width, split, self.dtype, name='out')(y)
    return site('attn_proj', out, given=y, grid=grid, behind=('out',))

  @nn.nowrap
  def gather(self, y: jax.Array) -> jax.Array:
    """What is computed of all heads' channels [..., n, d], before `out`."""
    return y
