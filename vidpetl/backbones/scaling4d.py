"""4DS: a video ViT trained by masked autoencoding (Carreira et al. 2024).

ViViT's joint attention with learned positions, without a LayerNorm behind the
blocks and without a class token. Its authors read blocks within it, at 95 % of
the depth: of twelve, what the tenth makes.

Parameters have the names of `vivit.py`.
"""

from __future__ import annotations

from typing import Annotated

import flax.linen as nn
import jax

from vidpetl import ranges
from vidpetl.backbones import features, variants, vivit
from vidpetl.backbones import site as site_lib

Features = features.Features

VARIANTS = {name: vivit.VARIANTS[name] for name in 'B'}


class Scaling4D(vivit.ViViT):
  """All tokens of a clip attend to each other; the summary is their mean."""

  stochastic_depth: ranges.Rate = 0.0
  rescale: bool = True

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> Features:
    x = self.embed(video)
    clip = site_lib.Grid(*x.shape[1:4])
    encoder = self.encoder('Transformer', self.depth, post_norm=False)
    _, grid = clip.to_volume(encoder(clip.flatten(x), clip, train))
    return Features(grid, grid.mean((1, 2, 3)))


_Variant = Annotated[str, ranges.OneOf(VARIANTS)]


def build(*, variant: _Variant | None = None, **fields) -> Scaling4D:
  """Builds a 4DS.

  Args:
    variant: 'B': its width, depth, heads and mlp. Without it, `fields` must
      have these four.
    **fields: of the class; they precede the variant's.

  Raises:
    ValueError: if there is no such variant or field.
  """
  return variants.make(Scaling4D, fields, variant, VARIANTS)
