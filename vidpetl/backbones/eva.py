"""BAAI's image ViTs: of a clip, every frame by itself.

  EVA-01       a ViT whose keys have no bias (Fang et al. 2023).
  EVA-02       the same with rotary positions besides the learned ones, and
               SwiGLU with a LayerNorm before its second layer (Fang et al.
               2024).
  EVA-02-CLIP  EVA-02 with a LayerNorm behind the heads as well, trained with
               texts (Sun et al. 2023).

Names and shapes of parameters are those of `vit.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import flax.linen as nn
import jax

from vidpetl import options, ranges
from vidpetl.backbones import (
  activations,
  attention,
  axial,
  layers,
  mlp,
  variants,
  vit,
)
from vidpetl.backbones import site as site_lib

VARIANTS = {
  'B': {'width': 768, 'depth': 12, 'heads': 12, 'mlp': 2048},
  'L': {'width': 1024, 'depth': 24, 'heads': 16, 'mlp': 2730},
  'g': {'width': 1408, 'depth': 40, 'heads': 16, 'mlp': 6144},
}


class Attention(attention.Attention):
  """Attention whose heads are normalised together, before its last layer.

  Attributes:
    epsilon: of that LayerNorm.
  """

  epsilon: float = layers.LAYER_NORM_EPSILON

  @nn.nowrap
  def gather(self, y: jax.Array) -> jax.Array:
    return layers.layer_norm(self.dtype, 'norm', self.epsilon)(y)


class GatedBlock(layers.Block):
  """A block of EVA-02."""

  @nn.nowrap
  def make_mlp(self, name: str) -> mlp.Gated:
    return mlp.Gated(
      self.mlp,
      self.dtype,
      self.activation,
      self.grid,
      norm=self.epsilon,
      name=name,
    )


class NormedBlock(GatedBlock):
  """A block of EVA-02-CLIP."""

  @nn.nowrap
  def make_attention(
    self, name: str, grid: site_lib.Grid | None = None
  ) -> Attention:
    return Attention(
      self.heads,
      grid or self.grid,
      self.dtype,
      self.key_bias,
      self.rotary,
      epsilon=self.epsilon,
      name=name,
    )


class EVA01(vit.MAE):
  """EVA-01, and the image tower of EVA-01-CLIP."""

  key_bias: ClassVar[bool] = False

  patch: ranges.Count = 14


class EVA02(EVA01):
  """EVA-02.

  Attributes:
    reference: rows and columns of tokens that rotary positions are scaled to.
  """

  block: ClassVar[type[layers.Block]] = GatedBlock

  activation: activations.ActivationName = 'silu'
  reference: ranges.Count = 16

  @property
  def rotary(self) -> axial.Axial:
    return axial.Axial(self.reference)


class EVA02CLIP(EVA02):
  """The image tower of EVA-02-CLIP, without its projection."""

  block: ClassVar[type[layers.Block]] = NormedBlock

  summary: vit.Summary = 'cls'


_KINDS = {'eva01': EVA01, 'eva02': EVA02, 'eva02_clip': EVA02CLIP}


def build(
  *,
  kind: Annotated[str, ranges.OneOf(_KINDS)],
  variant: Annotated[str, ranges.OneOf(VARIANTS)] | None = None,
  **fields: Any,
) -> EVA01:
  """Builds an EVA.

  Args:
    kind: 'eva01', 'eva02' or 'eva02_clip'.
    variant: 'B', 'L' or 'g': its width, depth, heads and mlp. Without it,
      `fields` must have these four.
    **fields: of the class that `kind` names; they precede the variant's.

  Raises:
    ValueError: if there is no such kind, variant or field.
  """
  options.hold({'kind': kind}, options.hints(build), 'config.backbone')
  return variants.make(_KINDS[kind], fields, variant, VARIANTS)
