"""A learned probe pools tokens by attention (Zhai et al. 2022).

SigLIP and Perception Encoder read images so.
"""

from __future__ import annotations

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl.backbones import activations, attending, dense, layers


class AttentionPooling(nn.Module):
  """y + MLP(LayerNorm(y)), y = attention of a probe to tokens.

  Attributes:
    heads: of the attention; divides the width.
    mlp: hidden width of the MLP.
    epsilon: of the LayerNorm.
    activation: of the MLP, one of `activations.ACTIVATIONS`.
    dtype: of the computation.
  """

  heads: int
  mlp: int
  epsilon: float = 1e-6
  activation: str = 'gelu_tanh'
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [..., n, d] to [..., d]."""
    d = x.shape[-1]
    if d % self.heads:
      raise ValueError(
        f'{self.heads} heads of what pools tokens do not divide {d} channels: '
        'config.backbone.heads, or pool_heads where there is such a field'
      )
    split = (self.heads, d // self.heads)
    layer = functools.partial(dense.Dense, dtype=self.dtype)
    probe = self.param('probe', nn.initializers.xavier_uniform(), (1, 1, d))
    probe = jnp.broadcast_to(probe.astype(x.dtype), (*x.shape[:-2], 1, d))
    q = layer(split, name='query')(probe)
    k, v = (layer(split, name=name)(x) for name in ('key', 'value'))
    y = attending.attend(q, k, v)
    y = layer((d,), split, name='out')(y.reshape(*y.shape[:-2], d))
    z = layers.layer_norm(self.dtype, 'norm', self.epsilon)(y)
    z = layer((self.mlp,), name='Dense_0')(z)
    z = activations.ACTIVATIONS[self.activation](z)
    return (y + layer((d,), name='Dense_1')(z))[..., 0, :]
