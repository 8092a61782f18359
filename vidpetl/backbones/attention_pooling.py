"""A token that is learned pools others by attention (Zhai et al. 2022).

SigLIP and Perception Encoder read images so.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl.backbones import activations, attending, layers
from vidpetl.backbones import dense as dense_lib


class AttentionPooling(nn.Module):
  """y = z + mlp(norm(z)), z = attention(probe, x).

  Kernels of the attention are [d, d]; heads are parts of the last axis.

  Attributes:
    heads: of the attention; divides the width.
    mlp: hidden width of the MLP.
    activation: of it, one of `activations.ACTIVATIONS`.
    epsilon: of the LayerNorm.
    dtype: of the computation.
  """

  heads: int
  mlp: int
  activation: str = 'gelu'
  epsilon: float = layers.LAYER_NORM_EPSILON
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps tokens [..., n, d] to [..., d]."""
    d = x.shape[-1]
    if d % self.heads:
      raise ValueError(
        f'config.backbone.pool_heads={self.heads}: a width of {d} cannot be '
        f'split into {self.heads} heads'
      )
    probe = self.param('probe', nn.initializers.xavier_uniform(), (1, 1, d))
    probe = jnp.broadcast_to(probe, (*x.shape[:-2], 1, d))
    q = self._heads('query', probe)
    y = attending.attend(q, self._heads('key', x), self._heads('value', x))
    z = self._dense('out', d, y.reshape(probe.shape))
    y = layers.layer_norm(self.dtype, 'norm', self.epsilon)(z)
    y = self._dense('fc1', self.mlp, y)
    y = activations.ACTIVATIONS[self.activation](y)
    return (z + self._dense('fc2', d, y))[..., 0, :]

  @nn.nowrap
  def _dense(self, name: str, width: int, x: jax.Array) -> jax.Array:
    return dense_lib.Dense((width,), dtype=self.dtype, name=name)(x)

  @nn.nowrap
  def _heads(self, name: str, x: jax.Array) -> jax.Array:
    y = self._dense(name, x.shape[-1], x)
    return y.reshape(*y.shape[:-1], self.heads, -1)
