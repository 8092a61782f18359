"""RVM: recurrent video masked autoencoders (Zoran et al. 2025).

A ViT encodes each frame by itself. A recurrent core then goes over the frames:
its state s has a token for each of a frame's tokens x, and becomes

  u = sigmoid(U x + U' s),  r = sigmoid(R x + R' s)
  s <- (1 - u) s + u core(x, r LN(s))

where core is blocks of cross-attention, MLP and self-attention. The states are
the features. Nothing reads a frame that is still to come.

Positions are fixed sines of a token's number on a grid of 16 x 16, resized to
other grids as the authors' code does.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Annotated, Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from vidpetl import ranges
from vidpetl.backbones import (
  attending,
  dense,
  features,
  layers,
  norms,
  tapping,
  variants,
  vit,
  vivit,
)
from vidpetl.backbones import site as site_lib
from vidpetl.weights import positions as positions_lib

Features = features.Features
Grid = site_lib.Grid

_WIDE = {'core_heads': 16, 'core_mlp': 4096}
VARIANTS = {
  'S': {**vit.VARIANTS['S'], 'core_heads': 8, 'core_mlp': 2048},
  'B': {**vit.VARIANTS['B'], 'core_heads': 12, 'core_mlp': 3072},
  'L': {**vit.VARIANTS['L'], **_WIDE},
}

# Rows and columns that positions are numbered on.
_SIDES = (16, 16)
_STATE_EPSILON = 1e-4


class CrossAttention(nn.Module):
  """Multi-head attention to tokens of a context.

  Sites: `layer` of its dense layers.

  Attributes:
    heads: number of heads; divides the width.
    dtype: of the computation.
  """

  # The dense layer that reads the tokens, and the one that ends it.
  reads: ClassVar[tuple[str, ...]] = ('query',)
  ends: ClassVar[str] = 'out'

  heads: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array, context: jax.Array) -> jax.Array:
    """Maps [..., n, d] and a context [..., m, d] to [..., n, d]."""
    d = x.shape[-1]
    split = self.heads, d // self.heads
    q, k, v = (
      dense.Dense(split, dtype=self.dtype, name=name)(y)
      for name, y in (('query', x), ('key', context), ('value', context))
    )
    y = attending.attend(q, k, v)
    y = y.reshape(*y.shape[:-2], d)
    return dense.Dense((d,), split, self.dtype, name='out')(y)


class CoreBlock(layers.Block):
  """Cross-attention, MLP and self-attention, each behind its LayerNorm.

  Sites: those of `layers.Block` but for `block_in`, as the rows have to stay as
  long as those of the state; `cross_in`, `cross`, `cross_residual`.
  """

  @nn.compact
  def __call__(self, x: jax.Array, context: jax.Array) -> jax.Array:
    """Maps [b, n, d] and a context [b, n, d] to [b, n, d]."""
    cross = CrossAttention(self.heads, self.dtype, name='CrossAttention_0')
    norm = self.make_norm
    call = lambda y: cross(y, context)
    x = self.branch('cross', norm('LayerNorm_cross'), cross, x, call=call)
    mlp = self.make_mlp('MlpBlock_0')
    x = self.branch('mlp', norm('LayerNorm_1'), mlp, x)
    attention = self.make_attention('MultiHeadDotProductAttention_0')
    return self.branch('attn', norm('LayerNorm_0'), attention, x)


class Core(nn.Module):
  """One step of the recurrence.

  Attributes:
    block: makes a block, given its name.
    depth: number of blocks.
    dtype: of the computation.
  """

  block: Any
  depth: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, state: jax.Array, x: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    """Returns the new state, twice, of a state and tokens [b, n, d] both."""

    def gate(name):
      of = lambda side, y: dense.Dense(
        y.shape[-1:], dtype=self.dtype, use_bias=False, name=f'{side}_{name}'
      )(y)
      return nn.sigmoid(of('input', x) + of('state', state))

    update, reset = gate('update'), gate('reset')
    context = reset * norms.LayerNorm(
      epsilon=_STATE_EPSILON,
      use_bias=False,
      dtype=self.dtype,
      name='state_norm',
    )(state)
    y = x
    for i in range(self.depth):
      y = self.block(name=f'encoderblock_{i}')(y, context)
    y = layers.layer_norm(self.dtype, 'output_norm')(y)
    state = ((1 - update) * state + update * y).astype(state.dtype)
    return state, state


class RVM(vivit.ViViT):
  """A ViT for frames, and the recurrent core.

  The core counts as one block for what reads blocks. Its stochastic depth is
  the encoder's alone.

  Attributes:
    core_depth: blocks of the core.
    core_heads: of its attentions.
    core_mlp: hidden width of its MLPs.
    summary: 'mean' of the states' tokens, or 'last', of those of the last
      frame's.
  """

  tubelet: ranges.Size = (1, 16, 16)
  stochastic_depth: ranges.Rate = 0.0
  rescale: bool = True
  core_depth: ranges.Count = 4
  core_heads: ranges.Count = 8
  core_mlp: ranges.Count = 2048
  summary: Annotated[str, ranges.OneOf(('mean', 'last'))] = 'mean'

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> Features:
    x = self.embed(video)
    frames = Grid(*x.shape[1:4], cls=1, rows='frame')
    x += positions(*x.shape[2:]).astype(x.dtype)
    x = self.prepend_token('cls', frames.flatten(x))
    encoder = self.encoder('SpatialTransformer', self.depth, positions=False)
    x = self.recur(encoder(x, frames, train), frames)
    _, grid = frames.to_volume(tapping.tap(x, frames))
    read = grid if self.summary == 'mean' else grid[:, -1:]
    return Features(grid, read.mean((1, 2, 3)))

  @nn.nowrap
  def recur(self, x: jax.Array, frames: Grid) -> jax.Array:
    """Returns the states of frames' tokens x, [b, t, n, d] both."""
    if x.shape[-1] % self.core_heads:
      raise ValueError(
        f'config.backbone.core_heads={self.core_heads}: a width of '
        f'{x.shape[-1]} cannot be split into {self.core_heads} heads'
      )
    block = functools.partial(
      CoreBlock,
      heads=self.core_heads,
      mlp=self.core_mlp,
      grid=dataclasses.replace(
        frames, t=1, rows='clip', patch=math.prod(self.tubelet)
      ),
      dtype=self.dtype,
    )
    core = nn.scan(
      nn.remat(Core, prevent_cse=False) if self.remat else Core,
      variable_broadcast='params',
      split_rngs={'params': False, 'dropout': True},
      in_axes=1,
      out_axes=1,
    )
    core = core(block, self.core_depth, self.dtype, name='core')
    return core(jnp.zeros_like(x[:, 0]), x)[1]


def positions(rows: int, columns: int, width: int) -> np.ndarray:
  """Returns the positions of a grid, [rows, columns, width]."""
  table = vit.sinusoids(math.prod(_SIDES), width)[None]
  rule = 'bicubic_antialias'
  table = positions_lib.resize(table, _SIDES, (rows, columns), rule=rule)
  return table.reshape(rows, columns, width)


_Variant = Annotated[str, ranges.OneOf(VARIANTS)]


def build(*, variant: _Variant | None = None, **fields) -> RVM:
  """Builds an RVM.

  Args:
    variant: 'S', 'B' or 'L': its width, depth, heads and mlp, and those of the
      core. Without it, `fields` must have them.
    **fields: of the class; they precede the variant's.

  Raises:
    ValueError: if there is no such variant or field.
  """
  return variants.make(RVM, fields, variant, VARIANTS)
