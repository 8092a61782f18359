"""LoRA: low-rank updates of dense layers (Hu et al. 2022)."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import flax.linen as nn
import jax

from vidpetl import options, ranges
from vidpetl.backbones import dense, site, torch_layers
from vidpetl.petl import linear, qkv

Flat = Mapping[str, jax.Array]


class LoRA(nn.Module):
  """W x + (alpha / r) B (A x), behind a dense layer W x; B is 0 at first.

  Attributes:
    rank: r.
    alpha: numerator of the scale.
    to: which of 'q', 'k', 'v' at `attn_qkv`.
    dropout: rate, on x.
  """

  rank: ranges.Count = 8
  alpha: ranges.Positive = 8.0
  to: qkv.Letters = 'qv'
  dropout: ranges.Rate = 0.0

  def __post_init__(self):
    options.hold_fields(self, 'lora')
    super().__post_init__()

  @nn.compact
  def __call__(self, y, given: jax.Array, grid):
    """Returns tokens [..., d], or (q, k, v), of the shape of y."""
    site.check_dense('lora', self.parent)
    return qkv.each(y, self.to, functools.partial(self.updated, given))

  @nn.nowrap
  def updated(
    self, x: jax.Array, y: jax.Array, axes: int, prefix: str
  ) -> jax.Array:
    """Returns y + (alpha / r) B (A x); its channels are the last `axes`."""
    d, shape = x.shape[-1], y.shape[-axes:]
    a = self.param(f'{prefix}a', torch_layers.uniform(d), (d, self.rank))
    b = self.param(f'{prefix}b', torch_layers.zeros, (self.rank, *shape))
    x = nn.Dropout(self.dropout)(x, deterministic=not self.has_rng('dropout'))
    x = dense.product(x, a.astype(x.dtype))
    update = dense.product(x, b.astype(x.dtype))
    update = self.alpha / self.rank * update
    return qkv.add(y, update) if axes == 2 else y + update

  @nn.nowrap
  def merge(self, learned: Flat, layer: linear.Layer) -> linear.Layer:
    """W + (alpha / r) A B."""
    a, b = learned['a'], learned['b']
    return layer.plus(self.alpha / self.rank * a @ b.reshape(self.rank, -1))


build = LoRA
