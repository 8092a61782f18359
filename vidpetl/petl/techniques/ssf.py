"""SSF: features are scaled and shifted (Lian et al. 2022)."""

from __future__ import annotations

from collections.abc import Mapping

import flax.linen as nn
import jax

from vidpetl import options
from vidpetl.backbones import dense, site
from vidpetl.petl import linear, qkv

Flat = Mapping[str, jax.Array]


class SSF(nn.Module):
  """gamma * y + beta, channel by channel.

  The paper has it behind every LayerNorm and dense layer. gamma starts near 1
  and beta near 0, both with a deviation of 0.02, as in its code.

  Attributes:
    to: which of 'q', 'k', 'v' at `attn_qkv`. What shifts all keys alike is
      without effect; the paper counts it.
  """

  to: qkv.Letters = 'qkv'

  def __post_init__(self):
    options.hold_fields(self, 'ssf')
    super().__post_init__()

  @nn.compact
  def __call__(self, y, given, grid):
    """Returns tokens [..., d], or (q, k, v), of the shape of y."""
    return qkv.each(y, self.to, self.moved, site.channels(given))

  @nn.nowrap
  def moved(self, y: jax.Array, axes: int, prefix: str) -> jax.Array:
    """Returns gamma * y + beta; these have the last `axes` of y."""
    shape, near_0 = y.shape[-axes:], nn.initializers.normal(0.02)
    scale = self.param(f'{prefix}scale', _near_1, shape)
    shift = self.param(f'{prefix}shift', near_0, shape)
    scale, shift = scale.astype(y.dtype), shift.astype(y.dtype)
    move = lambda y, scale, shift: y * scale + shift
    return dense.as_one(move, axes, y, scale, shift)

  @nn.nowrap
  def merge(self, learned: Flat, layer: linear.Layer) -> linear.Layer:
    return layer.scaled(learned['scale'], learned['shift'])


def _near_1(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  return 1 + nn.initializers.normal(0.02)(key, shape)


build = SSF
