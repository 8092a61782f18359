"""VideoPrism (Zhao et al. 2024), as its public encoders have it.

The factorised encoder of ViViT whose space is kept: a spatial encoder per
frame, then a temporal encoder at every location. Scores of attention are
capped. The tower of LvT, which was trained beside a text encoder, has blocks
over all tokens behind that, and a query that pools them.

Parameters have the names of `vivit.py`; LayerNorms multiply by their scale,
where the authors' multiply by 1 + scale.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Annotated

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import ranges
from vidpetl.backbones import (
  attending,
  attention,
  dense,
  features,
  layers,
  querying,
  variants,
  vivit,
)
from vidpetl.backbones import site as site_lib

Features = features.Features
Grid = site_lib.Grid

VARIANTS = {name: vivit.VARIANTS[name] for name in 'BL'}

# Width of the pooling attention, over that of a token.
_POOLED = 4
SUMMARIES = ('mean', 'pooled', 'embedding')


class Attention(attention.Attention):
  """Multi-head attention with capped scores.

  Attributes:
    cap: see `attending.attend`.
  """

  cap: float = 50.0

  @nn.nowrap
  def attend(self, q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
    return attending.attend(q, k, v, cap=self.cap)


class Block(layers.Block):
  """A pre-norm block with GELU.

  Attributes:
    cap: of its attention.
  """

  activation: str = 'gelu'
  cap: float = 50.0

  @nn.nowrap
  def make_attention(self, name: str, grid: Grid | None = None) -> Attention:
    return Attention(
      self.heads, grid or self.grid, self.dtype, cap=self.cap, name=name
    )


class Pooler(nn.Module):
  """LN(W_o A(q, x) + b_o): a learned query q attends to all tokens x.

  A is four times as wide as a token, and has a learned factor for each channel
  of its heads; see `querying.Pooling`.

  Attributes:
    heads: of the attention.
  """

  heads: int

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps tokens [b, n, d] to [b, d]."""
    d = x.shape[-1]
    width = _POOLED * d
    query = self.param('query', nn.initializers.normal(0.02), (1, d))
    pooling = querying.Pooling(self.heads, width, scaled=True, name='attention')
    y = pooling(query, x)[:, 0]
    split = self.heads, width // self.heads
    y = dense.Dense((d,), split, x.dtype, name='out')(y)
    return layers.layer_norm(x.dtype, 'norm')(y)


class VideoPrism(vivit.FactorisedEncoder):
  """The encoder, with what LvT has behind it.

  Attributes:
    logit_cap: scores s of attention become cap tanh(s / cap); the pooler's do
      not.
    auxiliary_depth: number of blocks over all tokens of the clip, 0 or, in
      LvT, 2. Nothing normalises what they make.
    summary: 'mean' of the tokens; 'pooled', what a query reads of them; or
      'embedding', the same with unit length, as LvT compares it with texts.
  """

  tubelet: ranges.Size = (1, 18, 18)
  stochastic_depth: ranges.Rate = 0.0
  rescale: bool = True
  logit_cap: ranges.Positive = 50.0
  auxiliary_depth: ranges.Natural = 0
  summary: Annotated[str, ranges.OneOf(SUMMARIES)] = 'mean'

  @nn.nowrap
  def encoder(
    self,
    name: str,
    depth: int,
    block: type[nn.Module] = Block,
    **options,
  ) -> layers.Encoder:
    block = functools.partial(block, cap=self.logit_cap)
    return super().encoder(name, depth, block, **options)

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> Features:
    x = self.encode_frames(video, train)
    clip = Grid(*x.shape[1:4])
    locations = dataclasses.replace(clip, rows='location')
    x = self.temporal()(locations.flatten(x), locations, train)
    _, x = locations.to_volume(x)
    if self.auxiliary_depth:
      encoder = self.encoder(
        'AuxiliaryTransformer',
        self.auxiliary_depth,
        positions=False,
        post_norm=False,
      )
      _, x = clip.to_volume(encoder(clip.flatten(x), clip, train))
    return Features(x, self.summarise(x))

  @nn.nowrap
  def summarise(self, x: jax.Array) -> jax.Array:
    """Maps tokens [b, t, h, w, d] to [b, d]."""
    if self.summary == 'mean':
      return x.mean((1, 2, 3))
    tokens = Grid(*x.shape[1:4]).flatten(x)
    y = Pooler(self.heads, name='pool')(tokens)
    if self.summary == 'pooled':
      return y
    length = jnp.sum(jnp.square(y.astype(jnp.float32)), -1, keepdims=True)
    return (y * jax.lax.rsqrt(length + 1e-12)).astype(y.dtype)


_Variant = Annotated[str, ranges.OneOf(VARIANTS)]


def build(*, variant: _Variant | None = None, **fields) -> VideoPrism:
  """Builds a VideoPrism.

  Args:
    variant: 'B' or 'L': its width, depth, heads and mlp. Without it, `fields`
      must have these four.
    **fields: of the class; they precede the variant's.

  Raises:
    ValueError: if there is no such variant or field.
  """
  return variants.make(VideoPrism, fields, variant, VARIANTS)
