"""ViViT: a video vision transformer (Arnab et al. 2021).

Names and shapes of parameters are those of the public scenic checkpoints.

What a classifier reads of a factorised encoder is one vector per frame: space
is gone before the temporal encoder. To localise people, space has to stay, in
one of two ways:

  `Dense`      the temporal encoder runs over the frames of every location. Its
               tokens z^L in R^(t x h x w x d) are what ROI-Align pools, and
               their mean is the clip (Arnab et al. 2022, eq. 1).
  `PerPerson`  ROI-Align pools the spatial encoder; the temporal encoder runs
               over the frames of each person.

Both have the parameters of `PooledMean`, the published classifier. A model
trained from scratch starts with a variance-scaling embedding; scenic's
"central frame" start, which blanks 15 of 16 columns, is not repeated here.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Annotated, Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import ranges
from vidpetl.backbones import attending, blocks, features, layers, variants
from vidpetl.backbones import attention as attention_lib
from vidpetl.backbones import remat as remat_lib
from vidpetl.backbones import site as site_lib

Features = features.Features
Grid = site_lib.Grid

VARIANTS = {
  'Ti': {'width': 192, 'depth': 12, 'heads': 3, 'mlp': 768},
  'B': {'width': 768, 'depth': 12, 'heads': 12, 'mlp': 3072},
  'L': {'width': 1024, 'depth': 24, 'heads': 16, 'mlp': 4096},
}


class ViViT(nn.Module):
  """What all variants share.

  A video may have any number of frames, height and width that the tubelet
  divides: position tables are made for the grid of the video that the model is
  initialised with.

  Attributes:
    width: d of a token.
    depth: of the (spatial) encoder.
    heads: of each attention.
    mlp: hidden width of each MLP.
    tubelet: (frames, height, width) that a token covers.
    stochastic_depth: rate of an encoder's last block, see `layers.Encoder`.
    rescale: see `layers.StochasticDepth`.
    remat: what the backward pass computes again, to save memory: False is
      nothing, True or 'nothing' all of each block; 'dots' keeps its products,
      'dense' those of its dense layers. A number n is all of each n-th block.
      'offload' is True, with what blocks are given in the host's memory.
    scan: compile blocks that are alike once, as a loop. What is computed, and
      the names of parameters, stay as they are.
    dtype: of the computation; parameters are float32.
  """

  width: ranges.Count = 768
  depth: ranges.Count = 12
  heads: ranges.Count = 12
  mlp: ranges.Count = 3072
  tubelet: ranges.Size = (2, 16, 16)
  stochastic_depth: ranges.Rate = 0.2
  rescale: bool = False
  remat: remat_lib.Remat = False
  scan: bool = False
  dtype: Any = jnp.float32

  @nn.nowrap
  def embed(self, video: jax.Array) -> jax.Array:
    """Maps [b, T, H, W, 3] to [b, t, h, w, d]."""
    return layers.Embedding(
      self.width, self.tubelet, self.dtype, name='embedding'
    )(video)

  @nn.nowrap
  def encoder(
    self,
    name: str,
    depth: int,
    block: type[nn.Module] = layers.Block,
    **options,
  ) -> layers.Encoder:
    block = functools.partial(
      block,
      heads=self.heads,
      mlp=self.mlp,
      rescale=self.rescale,
      dtype=self.dtype,
    )
    return layers.Encoder(
      block,
      depth,
      self.stochastic_depth,
      self.dtype,
      patch=math.prod(self.tubelet),
      running=blocks.Running(self.scan, self.remat),
      name=name,
      **options,
    )

  @nn.nowrap
  def prepend_token(self, name: str, x: jax.Array) -> jax.Array:
    """Maps rows [..., n, d] to [..., 1 + n, d]."""
    token = self.param(name, nn.initializers.zeros, (1, 1, self.width))
    return layers.prepend(token, x)


class FactorisedEncoder(ViViT):
  """A spatial encoder per frame, then a temporal encoder (Model 2).

  Attributes:
    temporal_depth: depth of the temporal encoder: 4 as published, but 24 in
      the Kinetics checkpoints of ViViT-L.
  """

  temporal_depth: ranges.Count = 4

  @nn.nowrap
  def encode_frames(self, video: jax.Array, train: bool) -> jax.Array:
    """Returns the spatial encoder's tokens, [b, t, h, w, d]."""
    x = self.embed(video)
    frames = Grid(*x.shape[1:4], rows='frame')
    encoder = self.encoder('SpatialTransformer', self.depth)
    return frames.to_volume(encoder(frames.flatten(x), frames, train))[1]

  @nn.nowrap
  def temporal(self) -> layers.Encoder:
    return self.encoder('TemporalTransformer', self.temporal_depth)


class Dense(FactorisedEncoder):
  """The temporal encoder runs at every location, and nothing is reduced."""

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> Features:
    x = self.encode_frames(video, train)
    locations = Grid(*x.shape[1:4], rows='location')
    x = self.temporal()(locations.flatten(x), locations, train)
    _, grid = locations.to_volume(x)
    return Features(grid, grid.mean((1, 2, 3)))


class PerPerson(FactorisedEncoder):
  """The temporal encoder runs over what is pooled from each frame."""

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> Features:
    grid = self.encode_frames(video, train)
    temporal = self.temporal()

    def tube(x):  # [n, t, d]; each person has its own draw of dropped layers.
      line = Grid(x.shape[-2], 1, 1)
      return line.to_volume(temporal(x, line, train))[1][:, :, 0, 0]

    return Features(grid, tube(grid.mean((2, 3))).mean(1), tube)


class PooledMean(FactorisedEncoder):
  """The published classifier: a frame is the mean of its tokens."""

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> Features:
    grid = self.encode_frames(video, train)
    line = Grid(grid.shape[1], 1, 1)
    x = self.temporal()(grid.mean((2, 3)), line, train)
    return Features(grid, line.to_volume(x)[1].mean((1, 2, 3)))


class PooledToken(FactorisedEncoder):
  """The published classifier that reads class tokens."""

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> Features:
    x = self.embed(video)
    frames = Grid(*x.shape[1:4], cls=1, rows='frame')
    x = self.prepend_token('cls_SpatialTransformer', frames.flatten(x))
    x = self.encoder('SpatialTransformer', self.depth)(x, frames, train)
    _, grid = frames.to_volume(x)
    line = Grid(frames.t, 1, 1, cls=1)
    x = self.prepend_token('cls_TemporalTransformer', x[:, :, 0])
    return Features(grid, self.temporal()(x, line, train)[:, 0])


class JointMean(ViViT):
  """All tokens of a clip attend to each other (Model 1)."""

  block: ClassVar[type[nn.Module]] = layers.Block

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> Features:
    x = self.embed(video)
    clip = Grid(*x.shape[1:4])
    encoder = self.encoder('Transformer', self.depth, self.block)
    _, grid = clip.to_volume(encoder(clip.flatten(x), clip, train))
    return Features(grid, grid.mean((1, 2, 3)))


class JointToken(ViViT):
  """All tokens of a clip, and a class token that is read (Model 1)."""

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> Features:
    x = self.embed(video)
    clip = Grid(*x.shape[1:4], cls=1)
    x = self.prepend_token('cls', clip.flatten(x))
    x = self.encoder('Transformer', self.depth)(x, clip, train)
    return Features(clip.to_volume(x)[1], x[:, 0])


class SelfAttentionBlock(layers.Block):
  """Attends over time and over space, then the MLP (Model 3).

  Sites: those of `layers.Block`, with branches `attn_time` and `attn_space`
  for `attn`. All three branches are dropped by stochastic depth; in scenic
  this block ignores its rate.
  """

  # The axes in turn, and what rows of tokens attend to each other then.
  axes: ClassVar[tuple[tuple[str, str], ...]] = (
    ('time', 'location'),
    ('space', 'frame'),
  )

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    clip = self.grid
    branches = [
      (
        dataclasses.replace(clip, rows=rows),
        f'attn_{axis}',
        self.make_norm(f'LayerNorm_{axis}'),
        self.make_attention(
          f'MultiHeadDotProductAttention_{axis}',
          dataclasses.replace(clip, rows=rows),
        ),
      )
      for axis, rows in self.axes
    ]
    x = self.enter(x, *branches[0][2:])
    lead, x = clip.to_volume(x)
    if lead.shape[-2]:
      raise ValueError(
        'factorised self-attention has no place for tokens off the grid: a '
        f'technique added {lead.shape[-2]}'
      )
    for grid, f, norm, attention in branches:
      x = self.branch(f, norm, attention, grid.flatten(x), grid)
      x = grid.to_volume(x)[1]
    mlp = self.make_mlp('MlpBlock')
    return self.branch(
      'mlp', self.make_norm('LayerNorm_mlp'), mlp, clip.flatten(x)
    )


class SpaceFirstBlock(SelfAttentionBlock):
  """Attends over space first."""

  axes = SelfAttentionBlock.axes[::-1]


class DotProductAttention(attention_lib.Attention):
  """The first half of the heads attends over time, the other over space."""

  any_rows = False

  @nn.nowrap
  def attend(self, q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
    if self.heads % 2:
      raise ValueError(
        f'config.backbone.heads={self.heads}: factorised dot-product attention '
        'halves them, so that they must be even'
      )
    for x in (q, k, v):
      if x.shape[-3] != self.grid.row_length:
        raise ValueError(
          'factorised dot-product attention has no place for tokens or keys '
          f'off the grid: a technique made {x.shape[-3]} of '
          f'{self.grid.row_length}'
        )
    halves = zip(*(jnp.split(x, 2, axis=-2) for x in (q, k, v)))
    outs = [
      self.attend_in(rows, *half)
      for rows, half in zip(('location', 'frame'), halves)
    ]
    return jnp.concatenate(outs, axis=-2)

  @nn.nowrap
  def attend_in(self, rows: str, *qkv: jax.Array) -> jax.Array:
    """Attends within `rows`; q, k, v and the result: [b, t h w, heads, c]."""
    grid = dataclasses.replace(self.grid, rows=rows)
    b, n, heads, c = qkv[0].shape

    def split(x):
      x = grid.flatten(self.grid.to_volume(x.reshape(b, n, heads * c))[1])
      return x.reshape(*x.shape[:-1], heads, c)

    y = attending.attend(*map(split, qkv))
    y = grid.to_volume(y.reshape(*y.shape[:-2], heads * c))[1]
    return self.grid.flatten(y).reshape(b, n, heads, c)


class DotProductBlock(layers.Block):
  """`layers.Block` with factorised dot-product attention (Model 4)."""

  attention = DotProductAttention


ORDERS = {'time_space': SelfAttentionBlock, 'space_time': SpaceFirstBlock}


class FactorisedSelfAttention(JointMean):
  """Attention over one axis at a time (Model 3).

  Attributes:
    order: of the axes, one of `ORDERS`.
  """

  order: Annotated[str, ranges.OneOf(ORDERS)] = 'time_space'

  @property
  def block(self) -> type[nn.Module]:
    return ORDERS[self.order]


class FactorisedDotProduct(JointMean):
  block = DotProductBlock


MODELS = {
  ('factorised_encoder', 'dense', 'gap'): Dense,
  ('factorised_encoder', 'per_person', 'gap'): PerPerson,
  ('factorised_encoder', 'pooled', 'gap'): PooledMean,
  ('factorised_encoder', 'pooled', 'token'): PooledToken,
  ('spacetime', None, 'gap'): JointMean,
  ('spacetime', None, 'token'): JointToken,
  ('factorised_self_attention', None, 'gap'): FactorisedSelfAttention,
  ('factorised_dot_product', None, 'gap'): FactorisedDotProduct,
}

_ATTENTIONS, _TEMPORALS, _CLASSIFIERS = (
  sorted({key[i] for key in MODELS if key[i]}) for i in range(3)
)


def build(
  *,
  variant: Annotated[str, ranges.OneOf(VARIANTS)] | None = None,
  attention: Annotated[str, ranges.OneOf(_ATTENTIONS)] = 'factorised_encoder',
  temporal: Annotated[str, ranges.OneOf(_TEMPORALS)] | None = None,
  classifier: Annotated[str, ranges.OneOf(_CLASSIFIERS)] = 'gap',
  **fields,
) -> ViViT:
  """Builds a ViViT.

  Args:
    variant: 'Ti', 'B' or 'L': its width, depth, heads and mlp. Without it,
      `fields` must have these four.
    attention: 'factorised_encoder', 'spacetime', 'factorised_self_attention'
      or 'factorised_dot_product'.
    temporal: of a factorised encoder: 'dense' (its default), 'per_person' or
      'pooled'.
    classifier: what `Features.summary` is: 'gap', a mean, or 'token', a class
      token, which only 'pooled' and 'spacetime' have.
    **fields: of the class that these choose; they precede the variant's.
      `dtype` may be a name, such as 'bfloat16'.

  Returns:
    A linen module `(video, train) -> Features`.

  Raises:
    ValueError: if there is no such model, variant or field.
  """
  if attention == 'factorised_encoder' and temporal is None:
    temporal = 'dense'
  model = MODELS.get((attention, temporal, classifier))
  if model is None:
    raise ValueError(
      f'config.backbone: no ViViT with attention={attention!r}, '
      f'temporal={temporal!r} and classifier={classifier!r}. There are: '
      f'{sorted(MODELS, key=str)}'
    )
  return variants.make(model, fields, variant, VARIANTS)
