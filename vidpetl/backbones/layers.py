"""Layers that the transformers share."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl.backbones import attention as attention_lib
from vidpetl.backbones import blocks as blocks_lib
from vidpetl.backbones import (
  dense,
  gradients,
  meshes,
  norms,
  rounded,
  tubelets,
)
from vidpetl.backbones import mlp as mlp_lib
from vidpetl.backbones import rotary as rotary_lib
from vidpetl.backbones import site as site_lib

Grid = site_lib.Grid
site = site_lib.site

LAYER_NORM_EPSILON = 1e-6


def constrain_batch(x: jax.Array) -> jax.Array:
  """Keeps the leading axis of an activation split over the devices.

  Left alone, the partitioner may follow the sharding of a layer's parameters
  and gather the batch; stating it once per block prevents that. Without a mesh
  (`jax.set_mesh`) that has such axes it does nothing.
  """
  axes = meshes.batch_axes()
  if not axes:
    return x
  return jax.lax.with_sharding_constraint(x, jax.sharding.PartitionSpec(axes))


class StochasticDepth(nn.Module):
  """Drops a branch for whole examples (Huang et al. 2016).

  One draw per entry of the leading axis. Where a clip's frames or locations
  are rows of their own, [b, rows, n, d], they share the draw of their clip.

  Attributes:
    rate: probability of dropping; None does nothing. At 0 the draw is made in
      vain, so that all blocks of an encoder are alike.
    rescale: whether branches that are kept are divided by `1 - rate`. ViViT
      was published without it, so that its branches weigh more in evaluation
      than they did, on average, in training.
  """

  rate: float | None
  rescale: bool = False

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    if self.rate is None:
      return x
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    keep = 1 - self.rate
    kept = jax.random.bernoulli(self.make_rng('dropout'), keep, shape)
    x = jnp.where(kept, x, 0)
    return x / keep if self.rescale else x


class Block(nn.Module):
  """Pre-norm transformer block.

  Sites: `block_in`, and `attn_in`, `attn`, `attn_residual`, `mlp_in`, `mlp`,
  `mlp_residual`, and those within the attention and the MLP.

  Attributes:
    heads: of the attention.
    mlp: hidden width of the MLP.
    grid: where the tokens sit.
    drop: probability of dropping each of the two branches, for this call; None
      where no block of the model drops any.
    rescale: see `StochasticDepth`.
    dtype: of the computation.
    activation: of the MLP, one of `activations.ACTIVATIONS`.
    epsilon: of the LayerNorms.
    key_bias: see `attention.Attention`.
    rotary: the same.
  """

  attention: ClassVar[type[attention_lib.Attention]] = attention_lib.Attention

  heads: int
  mlp: int
  grid: Grid
  drop: float | None = None
  rescale: bool = False
  dtype: Any = jnp.float32
  activation: str = 'gelu_tanh'
  epsilon: float = LAYER_NORM_EPSILON
  key_bias: bool = True
  rotary: rotary_lib.Rotary | None = None

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [b, ..., n, d] to the same shape."""
    attention = self.make_attention('MultiHeadDotProductAttention_0')
    norm = self.make_norm('LayerNorm_0')
    x = self.enter(x, norm, attention)
    x = self.branch('attn', norm, attention, x)
    return self.branch(
      'mlp', self.make_norm('LayerNorm_1'), self.make_mlp('MlpBlock_0'), x
    )

  @nn.nowrap
  def make_attention(
    self, name: str, grid: Grid | None = None
  ) -> attention_lib.Attention:
    return self.attention(
      self.heads,
      grid or self.grid,
      self.dtype,
      self.key_bias,
      self.rotary,
      name=name,
    )

  @nn.nowrap
  def make_norm(self, name: str) -> norms.LayerNorm:
    return layer_norm(self.dtype, name, self.epsilon)

  @nn.nowrap
  def make_mlp(self, name: str) -> mlp_lib.Mlp:
    return mlp_lib.Mlp(
      self.mlp, self.dtype, self.activation, self.grid, name=name
    )

  @nn.nowrap
  def enter(self, x: jax.Array, norm: nn.Module, layer: nn.Module) -> jax.Array:
    """The site `block_in`, given the attention that may be used again."""
    alone = functools.partial(layer, placed=False)
    branch = site_lib.Branch(norm, alone) if layer.any_rows else None
    return site('block_in', constrain_batch(x), given=branch, grid=self.grid)

  @nn.nowrap
  def branch(
    self,
    f: str,
    norm: nn.Module,
    layer: attention_lib.Attention | mlp_lib.Mlp,
    x: jax.Array,
    grid: Grid | None = None,
    call: Callable[[jax.Array], jax.Array] | None = None,
  ) -> jax.Array:
    """x + layer(norm(x)), with the sites f_in, f and f_residual.

    Args:
      f: name of the branch.
      norm: its LayerNorm.
      layer: what it computes.
      x: [b, ..., n, d].
      grid: where its tokens sit, if not on the block's.
      call: calls `layer`, where that takes more than tokens.
    """
    at = functools.partial(site, grid=grid or self.grid)
    reads = tuple(f'{layer.name}/{name}' for name in layer.reads)
    y = at(f'{f}_in', norm(x), behind=(norm.name,), before=reads)
    z = at(
      f, (call or layer)(y), given=y, behind=(f'{layer.name}/{layer.ends}',)
    )
    z = StochasticDepth(self.drop, self.rescale, name=f'{f}_drop')(z)
    return at(f'{f}_residual', gradients.stored(x + z), given=x)


class GatedBlock(Block):
  """A block whose MLP is gated by SiLU, whatever `activation` says."""

  @nn.nowrap
  def make_mlp(self, name: str) -> mlp_lib.Mlp:
    return mlp_lib.Gated(self.mlp, self.dtype, grid=self.grid, name=name)


def layer_norm(
  dtype: Any, name: str, epsilon: float = LAYER_NORM_EPSILON
) -> norms.LayerNorm:
  return norms.LayerNorm(epsilon=epsilon, dtype=dtype, name=name)


class PositionTable(nn.Module):
  """Adds a learned vector to each token of a row, [..., n, d].

  Attributes:
    dtype: of the computation.
    registers: tokens behind the first of a row that have no position.
    init: draws the table.
  """

  dtype: Any = jnp.float32
  registers: int = 0
  init: Callable[..., jax.Array] = nn.initializers.normal(0.02)

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    n, d = x.shape[-2:]
    shape = (1, n - self.registers, d)
    table = self.param('pos_embedding', self.init, shape)
    if self.registers:
      first, others = jnp.split(table, [1], axis=1)
      none = jnp.zeros((1, self.registers, d), table.dtype)
      table = jnp.concatenate([first, none, others], axis=1)
    return dense.placed(x, table.squeeze(0).astype(self.dtype))


class Embedding(nn.Module):
  """Linear embedding of tubelets that do not overlap.

  It has the parameters of a convolution whose strides are its kernel, `kernel`
  [t, h, w, c, width] and `bias` (see `tubelets.embed`).
  Site: `layer`, which reads tubelets [..., t h w c].

  Attributes:
    width: of a token.
    tubelet: (frames, height, width) that a token covers.
    dtype: of the computation.
    use_bias: whether there is a bias.
  """

  width: int
  tubelet: tuple[int, int, int]
  dtype: Any = jnp.float32
  use_bias: bool = True

  @nn.compact
  def __call__(self, video: jax.Array) -> jax.Array:
    """Maps [b, T, H, W, c] to [b, t, h, w, width]."""
    sizes = video.shape[1:4]
    for what, size, part in zip(
      ('frames', 'height', 'width'), sizes, self.tubelet
    ):
      if size % part:
        raise ValueError(
          f'config.backbone: tokens of {self.tubelet} (frames, height, width) '
          f'do not tile clips of {sizes}: {what} {size} is no multiple of '
          f'{part}'
        )
    shape = (*self.tubelet, video.shape[-1], self.width)
    kernel = self.param('kernel', nn.initializers.lecun_normal(), shape)
    video = video.astype(self.dtype)
    x = tubelets.cut(video, self.tubelet)
    product = lambda x, kernel: x @ kernel.reshape(x.shape[-1], -1)
    apply = functools.partial(rounded.apply, product)
    y, bias = rounded.apply(tubelets.embed, video, kernel), None
    if self.use_bias:
      bias = self.param('bias', nn.initializers.zeros, (self.width,))
      y = dense.biased(y, bias.astype(self.dtype))
    return site_lib.layer(y, site_lib.Linear(x, kernel, bias, 1, apply))


def prepend(tokens: jax.Array, x: jax.Array) -> jax.Array:
  """Puts tokens [1, m, d] before rows [..., n, d]: [..., m + n, d]."""
  tokens = jnp.broadcast_to(tokens, (*x.shape[:-2], *tokens.shape[1:]))
  return jnp.concatenate([tokens.astype(x.dtype), x], axis=-2)


class Encoder(nn.Module):
  """Position table, blocks, and LayerNorms around them. Site: `tokens`.

  Attributes:
    block: makes a block, given `grid`, `drop` and `name`.
    depth: number of blocks.
    stochastic_depth: rate of the last block. Rates grow linearly from 0 at the
      first, in each encoder of a model separately.
    dtype: of the computation.
    positions: whether there is a position table.
    registers: see `PositionTable`.
    pre_norm: whether there is a LayerNorm before the blocks.
    post_norm: whether there is one behind them.
    epsilon: of these LayerNorms.
    patch: pixels that a token covers, over its frames.
    running: how the blocks run.
  """

  block: Callable[..., nn.Module]
  depth: int
  stochastic_depth: float = 0.0
  dtype: Any = jnp.float32
  positions: bool = True
  registers: int = 0
  pre_norm: bool = False
  post_norm: bool = True
  epsilon: float = LAYER_NORM_EPSILON
  patch: int = 256
  running: blocks_lib.Running = blocks_lib.Running()

  @nn.compact
  def __call__(self, x: jax.Array, grid: Grid, train: bool) -> jax.Array:
    """Encodes rows of tokens.

    Args:
      x: [b, ..., n, d], class tokens first.
      grid: where the tokens sit.
      train: whether branches are dropped.

    Returns:
      [b, ..., n, d]; more than n where a technique added tokens.
    """
    norm = functools.partial(layer_norm, self.dtype, epsilon=self.epsilon)
    grid = dataclasses.replace(grid, patch=self.patch)
    if self.positions:
      table = PositionTable(self.dtype, self.registers, name='posembed_input')
      x = table(x)
    x = site('tokens', x, grid=grid)
    if self.pre_norm:
      x = norm(name='pre_norm')(x)
    rate = self.stochastic_depth if train else 0.0
    blocks = []
    for i in range(self.depth):
      depth = i / max(self.depth - 1, 1)
      block = functools.partial(
        self.block,
        grid=dataclasses.replace(grid, depth=depth),
        drop=rate * depth if rate else None,
        name=f'encoderblock_{i}',
      )
      blocks.append(block)
    x = blocks_lib.run(blocks, dense.in_order(x), grid, self.running)
    x = constrain_batch(x)
    return norm(name='encoder_norm')(x) if self.post_norm else x
