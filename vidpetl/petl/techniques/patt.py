"""PATT: attention adapted in parallel (V-PETL, Yu et al. 2022)."""

from __future__ import annotations

import math
from typing import Annotated

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import options, ranges
from vidpetl.backbones import torch_layers
from vidpetl.petl import qkv, scales

COMBINES = ('add', 'concat')
SOURCES = ('given', 'learned')


class PATT(nn.Module):
  """K' = K + s K_p and V' = V + s V_p (eq. 10), with

    [K_p, V_p] = Up(tanh(Down(z)))  (eq. 9),

  z what the attention is given: one Down for all, one Up to all. Its layers
  start as PyTorch's do, so that training starts off the pretrained function.

  Attributes:
    bottleneck: width between Down and Up.
    to: which of 'q', 'k', 'v' are adapted; 'kv' is the paper's choice.
    scale: s; 0.8 in the paper, or 'learned' from 1 on.
    activation: 'tanh', or 'relu' and 'gelu', which may replace it (sec. 2.3).
    combine: 'add', or 'concat': s K_p and s V_p are further keys and values
      (its Table 4).
    source: 'given' is z; 'learned' has a vector per token of a row instead, as
      prefix-tuning does (its Table 4, "No Z").
  """

  bottleneck: ranges.Count = 128
  to: qkv.Letters = 'kv'
  scale: scales.Scale = 0.8
  activation: Annotated[str, ranges.OneOf(torch_layers.ACTIVATIONS)] = 'tanh'
  combine: Annotated[str, ranges.OneOf(COMBINES)] = 'add'
  source: Annotated[str, ranges.OneOf(SOURCES)] = 'given'

  def __post_init__(self):
    options.hold_fields(self, 'patt')
    if self.combine == 'concat' and set(self.to) != set('kv'):
      raise ValueError("patt: combine='concat' needs to='kv'")
    super().__post_init__()

  @nn.compact
  def __call__(self, y, given: jax.Array, grid):
    """Returns (q, k, v); each [..., n, heads, c], k and v twice as long if
    concatenated."""
    parts = qkv.named('patt', y)
    names = qkv.chosen(self.to)
    join = qkv.add if self.combine == 'add' else _in_front
    updates = self.updates(given, len(names), y[0].shape[-2:])
    for name, update in zip(names, updates):
      parts[name] = join(parts[name], update)
    return tuple(parts.values())

  @nn.nowrap
  def updates(
    self, given: jax.Array, count: int, split: tuple[int, int]
  ) -> list[jax.Array]:
    """Maps z [..., n, d] to s Up(act(Down(z))), each [..., n, heads, c].

    Args:
      given: z.
      count: how many of (q, k, v) are adapted.
      split: (heads, c), which are wider than d where a block widens tokens.
    """
    n, d = given.shape[-2:]
    if self.source == 'learned':
      table = self.param('tokens', nn.initializers.normal(1.0), (n, d))
      z = table.astype(given.dtype)
    else:
      z = given
    width = count * math.prod(split)
    x = torch_layers.bottleneck(z, self.bottleneck, width, self.activation)
    x = scales.factor(self, self.scale, x.dtype) * x
    shape = (*given.shape[:-1], *split)
    each = (x.reshape(*x.shape[:-1], *split) for x in jnp.split(x, count, -1))
    return [jnp.broadcast_to(x, shape) for x in each]


def _in_front(x: jax.Array, update: jax.Array) -> jax.Array:
  return qkv.prepend(update, x)


build = PATT
