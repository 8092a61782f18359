"""SigLIP's image towers (Zhai et al. 2023; Tschannen et al. 2025).

Of a clip, every frame is encoded by itself. There is no class token: a learned
probe attends to the normalised patches of a frame, and makes its vector.

Names and shapes of parameters are those of `vit.py`.
"""

from __future__ import annotations

import functools
from typing import Annotated, Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import ranges
from vidpetl.backbones import (
  activations,
  attending,
  dense,
  features,
  layers,
  variants,
  vit,
)
from vidpetl.backbones import site as site_lib

Features = features.Features

VARIANTS = {
  'B': vit.VARIANTS['B'],
  'L': vit.VARIANTS['L'],
  'So400m': {'width': 1152, 'depth': 27, 'heads': 16, 'mlp': 4304},
}


class Pool(nn.Module):
  """y + MLP(LayerNorm(y)), y = attention of a probe to tokens.

  Attributes:
    heads: of the attention.
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


class SigLIP(vit.ViT):
  """An image tower without class token.

  Attributes:
    summary: what the probe 'pooled' of a frame, or the 'mean' of its
      normalised patches; averaged over frames. The probe's parameters are there
      in either case.
  """

  summary: Annotated[str, ranges.OneOf(('pooled', 'mean'))] = 'pooled'
  activation: activations.ActivationName = 'gelu_tanh'

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> Features:
    x = self.embed(video)
    frames = site_lib.Grid(*x.shape[1:4], rows='frame')
    x = self.encoder('SpatialTransformer')(frames.flatten(x), frames, train)
    _, x = frames.to_volume(x)
    x = self.norm('norm')(x)
    read = x.mean((2, 3))
    if self.summary == 'pooled' or self.is_initializing():
      pool = Pool(
        self.heads,
        self.mlp,
        self.epsilon,
        self.activation,
        self.dtype,
        name='pool',
      )
      pooled = pool(frames.flatten(x))
      read = pooled if self.summary == 'pooled' else read
    return Features(x, read.mean(1))


def build(
  *,
  variant: Annotated[str, ranges.OneOf(VARIANTS)] | None = None,
  **fields,
) -> SigLIP:
  """Builds a tower.

  Args:
    variant: 'B', 'L' or 'So400m': its width, depth, heads and mlp. Without it,
      `fields` must have these four.
    **fields: of `SigLIP`; they precede the variant's.

  Raises:
    ValueError: if there is no such variant or field.
  """
  return variants.make(SigLIP, fields, variant, VARIANTS)
