"""SigLIP's image towers (Zhai et al. 2023; Tschannen et al. 2025).

Of a clip, every frame is encoded by itself. There is no class token: a learned
probe attends to the normalised patches of a frame, and makes its vector.

Names and shapes of parameters are those of `vit.py`.
"""

from __future__ import annotations

from typing import Annotated

import flax.linen as nn
import jax

from vidpetl import ranges
from vidpetl.backbones import (
  activations,
  attention_pooling,
  features,
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
      pool = attention_pooling.AttentionPooling(
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
