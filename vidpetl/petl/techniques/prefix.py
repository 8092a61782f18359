"""Prefix-tuning (Li and Liang 2021), in every attention."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import options, ranges
from vidpetl.backbones import torch_layers
from vidpetl.petl import qkv


class Prefix(nn.Module):
  """K' = [P_k; K] and V' = [P_v; V] (V-PETL's eq. 5), with

    [P_k, P_v] = Up(tanh(Down(P))),

  P learned, the same for every row of tokens.

  Attributes:
    tokens: number of rows of P.
    middle: width between Down and Up.
  """

  tokens: ranges.Count = 16
  middle: ranges.Count = 128

  def __post_init__(self):
    options.hold_fields(self, 'prefix')
    super().__post_init__()

  @nn.compact
  def __call__(self, y, given: jax.Array, grid):
    """Returns (q, k, v), k and v longer by `tokens`."""
    q, k, v = qkv.named('prefix', y).values()
    heads, c = q.shape[-2:]
    d = heads * c
    rows = self.param('tokens', nn.initializers.normal(1.0), (self.tokens, d))
    x = torch_layers.bottleneck(rows.astype(k.dtype), self.middle, 2 * d)
    for_k, for_v = jnp.moveaxis(x.reshape(self.tokens, 2, heads, c), 1, 0)
    return q, qkv.prepend(for_k, k), qkv.prepend(for_v, v)


build = Prefix
