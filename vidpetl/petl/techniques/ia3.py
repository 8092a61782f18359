"""(IA)^3: learned vectors that scale activations (Liu et al. 2022)."""

from __future__ import annotations

import operator
from collections.abc import Mapping

import flax.linen as nn
import jax

from vidpetl import options
from vidpetl.backbones import dense, site
from vidpetl.petl import linear, qkv

Flat = Mapping[str, jax.Array]


class IA3(nn.Module):
  """l * y, channel by channel; l is 1 at first.

  At `attn_qkv` these are the paper's l_k and l_v, at `mlp_hidden` its l_ff.

  Attributes:
    to: which of 'q', 'k', 'v' at `attn_qkv`.
  """

  to: qkv.Letters = 'kv'

  def __post_init__(self):
    options.hold_fields(self, 'ia3')
    super().__post_init__()

  @nn.compact
  def __call__(self, y, given, grid):
    """Returns tokens [..., d], or (q, k, v), of the shape of y."""
    return qkv.each(y, self.to, self.scaled, site.channels(given))

  @nn.nowrap
  def scaled(self, y: jax.Array, axes: int, prefix: str) -> jax.Array:
    """Returns l * y; l has the last `axes` of y."""
    ones = nn.initializers.ones
    vector = self.param(f'{prefix}vector', ones, y.shape[-axes:])
    return dense.as_one(operator.mul, axes, y, vector.astype(y.dtype))

  @nn.nowrap
  def merge(self, learned: Flat, layer: linear.Layer) -> linear.Layer:
    return layer.scaled(learned['vector'])


build = IA3
