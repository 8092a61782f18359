"""LoRA: low-rank updates of projections (Hu et al. 2022)."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import options
from vidpetl.backbones import torch_layers
from vidpetl.petl import qkv

PROJECTIONS = {'q': 'query', 'k': 'key', 'v': 'value'}


class LoRA(nn.Module):
  """W x + (alpha / r) B (A x) for some of W_q, W_k, W_v; B is 0 at first.

  Attributes:
    rank: r.
    alpha: numerator of the scale.
    to: which of 'q', 'k', 'v'.
    dropout: rate, on x.
  """

  rank: int = 8
  alpha: float = 8.0
  to: str = 'qv'
  dropout: float = 0.0

  def __post_init__(self):
    qkv.check('lora', self.to)
    options.positive('lora', rank=self.rank)
    super().__post_init__()

  @nn.compact
  def __call__(self, y, given: jax.Array, grid):
    """Returns (q, k, v), each [..., n, heads, c]."""
    parts = qkv.named('lora', y)
    d, (heads, c) = given.shape[-1], y[0].shape[-2:]
    for letter in qkv.chosen(self.to):
      name = PROJECTIONS[letter]
      a = self.param(f'{name}_a', torch_layers.uniform(d), (d, self.rank))
      b = self.param(f'{name}_b', torch_layers.zeros, (self.rank, heads, c))
      x = nn.Dropout(self.dropout)(
        given, deterministic=not self.has_rng('dropout')
      )
      update = jnp.einsum(
        '...r,rhc->...hc', x @ a.astype(x.dtype), b.astype(x.dtype)
      )
      parts[letter] = qkv.add(parts[letter], self.alpha / self.rank * update)
    return tuple(parts.values())


def merged(
  kernel: jax.Array, a: jax.Array, b: jax.Array, alpha: float
) -> jax.Array:
  """Returns W + (alpha / r) B A, [d, heads, c].

  Args:
    kernel: W, [d, heads, c].
    a: [d, r].
    b: [r, heads, c].
    alpha: as in `LoRA`.
  """
  return kernel + alpha / a.shape[-1] * jnp.einsum('dr,rhc->dhc', a, b)


build = LoRA
