"""LoSA: low-rank side adaptation (Mercea et al. 2024)."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import options, ranges
from vidpetl.backbones import activations, layers, torch_layers
from vidpetl.petl import side

# What is mixed, and its axis of [b, t, h w, d].
_MIXED = {'channels': 3, 'space': 2, 'time': 1}


class LoSA(side.Side):
  """Low-rank mixers that refine what blocks made, in a path of width d.

    y_i = y_(i-1) + M_i(b_i + y_(i-1)),  y_0 = 0;  LayerNorm(b_n + y_n),

  with b_i what the i-th block made that is read. M_i mixes in turn over
  channels, over the locations of each frame, and over time at each location,
  each time with what the ones before added:

    z <- z + U GELU(D LayerNorm(z)),

  D to rank r and U back, along that axis. The paper alternates low-rank
  mixing of channels and of tokens, and of a video takes the tokens' two axes
  apart. It has no public code: the LayerNorms, the last step, and U = 0 at
  first, so that training starts at what the last block made, are choices here.

  A block that is narrower or wider than the last, as in Video Swin's first
  stages, enters by a product of rank r, and on the features' grid by means.

  Attributes:
    rank: r, or what is mixed has, where that is less: no more moments than
      there are.
  """

  rank: ranges.Count = 16

  def __post_init__(self):
    options.hold_fields(self, 'losa')
    super().__post_init__()

  @nn.compact
  def __call__(self, y: side.Features, given, grid) -> side.Features:
    """Returns features [b, t, h, w, d] and [b, d]."""
    blocks = self.read('losa', y, given)
    d, (t, h, w) = blocks[-1].grid.shape[-1], blocks[-1].grid.shape[1:4]
    mixers, path = Mixers(self.rank, parent=None), None
    for i, block in enumerate(blocks):
      b = block.grid.reshape(-1, t, h * w, block.grid.shape[-1])
      if b.shape[-1] != d:
        b = torch_layers.dense(b, self.rank, f'enter_{i}_down')
        b = torch_layers.dense(b, d, f'enter_{i}_up')
      path = jnp.zeros_like(b) if path is None else path
      path = self.run(f'mixers_{i}', mixers, b, path)
    x = layers.layer_norm(b.dtype, 'norm')(b + path)
    return side.ended(y, x.reshape(-1, t, h, w, d), x.mean((1, 2)))


class Mixers(nn.Module):
  """y + M(b + y).

  Attributes:
    rank: r.
  """

  rank: int

  @nn.compact
  def __call__(self, b: jax.Array, y: jax.Array) -> jax.Array:
    """Maps [b, t, h w, d] and what was added to it so far to the latter."""
    for name, axis in _MIXED.items():
      x = layers.layer_norm(b.dtype, f'{name}_norm')(b + y)
      x = jnp.moveaxis(x, axis, -1)
      n = x.shape[-1]
      rank = min(self.rank, n)
      x = activations.gelu(torch_layers.dense(x, rank, f'{name}_down'))
      x = torch_layers.dense(x, n, f'{name}_up', kernel=torch_layers.zeros)
      y = y + jnp.moveaxis(x, -1, axis)
    return y


build = LoSA
