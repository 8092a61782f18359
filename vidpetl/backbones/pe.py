"""Meta's Perception Encoder, PE-core: of a clip, every frame by itself.

A ViT with a LayerNorm before its blocks, rotary positions besides the learned
ones, and a summary that a learned token pools (Bolya et al. 2025). Names and
shapes of parameters are those of `vit.py`.
"""

from __future__ import annotations

from typing import Annotated, Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import ranges
from vidpetl.backbones import (
  activations,
  attention_pooling,
  axial,
  features,
  layers,
  variants,
  vit,
)
from vidpetl.backbones import site as site_lib

VARIANTS = {
  'B': {'width': 768, 'depth': 12, 'heads': 12, 'mlp': 3072},
  'L': {'width': 1024, 'depth': 24, 'heads': 16, 'mlp': 4096},
  'G': {'width': 1536, 'depth': 50, 'heads': 16, 'mlp': 8960},
}


class PE(vit.ViT):
  """PE-core without its projection.

  Attributes:
    class_token: whether there is one, as in B and L.
    reference: rows and columns of tokens that rotary positions are scaled to.
      0 scales nothing, as Meta's code does; timm's scales to the frames that
      a model was trained on.
    pool_heads: heads of the attention that makes the summary.
    pool_mlp: hidden width of the MLP behind it; 0 is 4 times the width.
    summary: 'pooled', or the 'mean' of the normalised patches; averaged over
      frames.
  """

  patch: ranges.Count = 14
  epsilon: ranges.Positive = 1e-5
  activation: activations.ActivationName = 'gelu'
  class_token: bool = True
  reference: ranges.Natural = 0
  pool_heads: ranges.Count = 8
  pool_mlp: ranges.Natural = 0
  summary: Annotated[str, ranges.OneOf(('pooled', 'mean'))] = 'pooled'

  @property
  def rotary(self) -> axial.Axial:
    # The class token is at (0, 0), where there is one.
    return axial.Axial(self.reference, int(self.class_token), True)

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> features.Features:
    x = self.embed(video, use_bias=False)
    lead = int(self.class_token)
    frames = site_lib.Grid(*x.shape[1:4], cls=lead, rows='frame')
    x = frames.flatten(x)
    if lead:
      draw = nn.initializers.normal(0.02)
      x = layers.prepend(self.param('cls', draw, (1, 1, self.width)), x)
    encoder = self.encoder('SpatialTransformer', pre_norm=True)
    tokens = self.norm('norm')(encoder(x, frames, train))
    cls, x = frames.to_volume(tokens)
    # Without tokens that techniques added.
    tokens = jnp.concatenate([cls[:, :, :lead], frames.flatten(x)], axis=2)
    pooled = self._pool(tokens)
    read = pooled if self.summary == 'pooled' else x.mean((2, 3))
    return features.Features(x, read.mean(1))

  @nn.nowrap
  def _pool(self, tokens: jax.Array) -> jax.Array:
    """Maps [b, t, n, d] to [b, t, d]."""
    return attention_pooling.AttentionPooling(
      self.pool_heads,
      self.pool_mlp or 4 * self.width,
      self.epsilon,
      self.activation,
      self.dtype,
      name='pool',
    )(tokens)


def build(
  *,
  variant: Annotated[str, ranges.OneOf(VARIANTS)] | None = None,
  **fields: Any,
) -> PE:
  """Builds a Perception Encoder.

  Args:
    variant: 'B', 'L' or 'G': its width, depth, heads and mlp; B has patches of
      16 pixels, and G no class token. Without it, `fields` must have these
      four.
    **fields: of `PE`; they precede the variant's.

  Raises:
    ValueError: if there is no such variant or field.
  """
  own = {'B': {'patch': 16}, 'G': {'class_token': False}}.get(variant, {})
  return variants.make(PE, {**own, **fields}, variant, VARIANTS)
