"""Transformers of stages, whose first blocks shorten the grid and widen tokens.

A block that begins a stage has an attention with fewer queries than keys, and
a shortcut that is shortened and widened alike. There, `given` of the sites
`attn` and `attn_residual` is what the shortcut makes of the tokens, so that
whatever acts beside the branch has tokens of its shape.

Tokens off the grid, which class tokens and techniques are, pass all pooling.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import ranges
from vidpetl.backbones import attention as attention_lib
from vidpetl.backbones import blocks as blocks_lib
from vidpetl.backbones import convolution, dense, layers, pooling
from vidpetl.backbones import mlp as mlp_lib
from vidpetl.backbones import remat as remat_lib
from vidpetl.backbones import site as site_lib

Grid = site_lib.Grid
Size = site_lib.Size


def row_sizes(grid: Grid) -> Size:
  """Returns (t, h, w) of a row's tokens, whose t is 1 in rows of a frame."""
  return (1 if grid.rows == 'frame' else grid.t, grid.h, grid.w)


def on_volume(
  x: jax.Array,
  sizes: Size,
  layer: Callable[[jax.Array], jax.Array],
  channels: int = 1,
) -> jax.Array:
  """Applies a layer to the grid's tokens of rows, and leaves the others.

  Args:
    x: [..., lead + t h w, *channels].
    sizes: (t, h, w).
    layer: [..., t, h, w, *channels] -> the same with other sizes.
    channels: number of their axes.

  Returns:
    [..., lead + t' h' w', *channels].
  """
  axis = x.ndim - 1 - channels
  lead = x.shape[axis] - math.prod(sizes)
  off, x = jnp.split(x, [lead], axis=axis)
  before, after = x.shape[:axis], x.shape[axis + 1 :]
  x = layer(x.reshape(*before, *sizes, *after))
  x = x.reshape(*before, -1, *after)
  return jnp.concatenate([off, x], axis=axis) if lead else x


def largest(x: jax.Array, strides: Size, channels: int = 1) -> jax.Array:
  """Max-pools [..., t, h, w, *channels] over boxes that do not overlap."""
  first = x.ndim - 3 - channels
  lead, ends = x.shape[:first], x.shape[first + 3 :]
  rows = (math.prod(lead), *x.shape[first : first + 3], math.prod(ends))
  # Not `x.max`: its gradient compares what XLA may compute twice, and is 0 / 0
  # where the two differ.
  x = pooling.by_axes(x.reshape(rows), strides, strides)
  return x.reshape(*lead, *x.shape[1:4], *ends)


class StageBlock(layers.Block):
  """A block that may begin a stage. Sites: `layers.Block`'s.

  Attributes:
    width: of the tokens that it makes, where it widens them; 0 is as given.
    made: where these sit, where that is another grid.
  """

  width: int = 0
  made: Grid | None = None

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [..., lead + n, d] to [..., lead + n', d']."""
    attention = self.make_attention('MultiHeadDotProductAttention_0')
    norm = self.make_norm('LayerNorm_0')
    x = self.enter(x, norm, attention)
    call = functools.partial(self.attend, attention)
    if self.width:
      x = self.begin(norm, attention, x, call)
    else:
      x = self.branch('attn', norm, attention, x, call=call)
    mlp = self.make_mlp('MlpBlock_0')
    return self.branch('mlp', self.make_norm('LayerNorm_1'), mlp, x, self.after)

  @property
  def after(self) -> Grid:
    """Where what it makes sits."""
    if self.made is None:
      return self.grid
    return dataclasses.replace(self.made, depth=self.grid.depth)

  @nn.nowrap
  def attend(
    self, attention: attention_lib.Attention, y: jax.Array
  ) -> jax.Array:
    """Calls the attention with tokens."""
    return attention(y)

  @nn.nowrap
  def shortened(self, x: jax.Array) -> jax.Array:
    """Pools what the shortcut takes along, [..., lead + n, d']."""
    raise NotImplementedError

  @nn.nowrap
  def begin(
    self,
    norm: nn.Module,
    layer: attention_lib.Attention,
    x: jax.Array,
    call: Callable[[jax.Array], jax.Array],
  ) -> jax.Array:
    """pool(proj(norm(x))) + layer(norm(x)), with the sites of a branch."""
    reads = (*(f'{layer.name}/{name}' for name in layer.reads), 'proj')
    y = site_lib.site(
      'attn_in', norm(x), grid=self.grid, behind=(norm.name,), before=reads
    )
    widen = dense.Dense((self.width,), dtype=self.dtype, name='proj')
    short = self.shortened(widen(y))
    at = functools.partial(site_lib.site, grid=self.after, given=short)
    z = at('attn', call(y), behind=(f'{layer.name}/{layer.ends}',))
    drop = layers.StochasticDepth(self.drop, self.rescale, name='attn_drop')
    return at('attn_residual', short + drop(z))

  @nn.nowrap
  def make_mlp(self, name: str) -> mlp_lib.Mlp:
    return mlp_lib.Mlp(
      self.mlp, self.dtype, self.activation, self.after, name=name
    )


@dataclasses.dataclass(frozen=True)
class Stage:
  """Blocks that end on one grid.

  Attributes:
    count: how many.
    first: makes the first, given `grid`, `drop` and `name`.
    others: the same for those behind it.
    given: where what the first is given sits.
    grid: where what all of them make sits.
  """

  count: int
  first: Callable[..., nn.Module]
  others: Callable[..., nn.Module]
  given: Grid
  grid: Grid


class Stages(nn.Module):
  """Blocks of all stages, one after the other. Site: `tokens`.

  Attributes:
    stages: in order.
    stochastic_depth: rate of the last block; rates grow linearly from 0.
    running: how the blocks run.
  """

  stages: Sequence[Stage]
  stochastic_depth: float = 0.0
  running: blocks_lib.Running = blocks_lib.Running()

  @nn.compact
  def __call__(self, x: jax.Array, train: bool) -> jax.Array:
    """Maps [b, ..., n, d] to what the last stage makes."""
    x = site_lib.site('tokens', x, grid=self.stages[0].given)
    rate = self.stochastic_depth if train else 0.0
    last = max(sum(stage.count for stage in self.stages) - 1, 1)
    number = 0
    for stage in self.stages:
      blocks = []
      for i in range(stage.count):
        depth = number / last
        grid = stage.grid if i else stage.given
        block = functools.partial(
          stage.others if i else stage.first,
          grid=dataclasses.replace(grid, depth=depth),
          drop=rate * depth if rate else None,
          name=f'encoderblock_{number}',
        )
        blocks.append(block)
        number += 1
      x = blocks_lib.run(blocks, x, stage.grid, self.running)
    return layers.constrain_batch(x)


class Staged(nn.Module):
  """What backbones of stages share, in which widths double.

  Subclasses have `depths`, and say by `stage` what each stage is.

  Attributes:
    width: d of a token in the first stage; doubles from stage to stage.
    heads: of the first stage; they double as the width does.
    kernel: (frames, height, width) that a token sees.
    patch: how far apart tokens are, in pixels of the same axes.
    mlp_ratio: hidden width of an MLP over d.
    stochastic_depth: rate of the last block; rates grow linearly from 0.
    epsilon: of all LayerNorms.
    remat: what the backward pass computes again, to save memory: False is
      nothing, True or 'nothing' all of each block; 'dots' keeps its products,
      'dense' those of its dense layers. A number n is all of each n-th block.
      'offload' is True, with what blocks are given in the host's memory.
    scan: compile blocks that are alike once, as a loop. What is computed, and
      the names of parameters, stay as they are.
    dtype: of the computation; parameters are float32.
  """

  width: ranges.Count = 96
  heads: ranges.Count = 1
  kernel: ranges.Size = (3, 7, 7)
  patch: ranges.Size = (2, 4, 4)
  mlp_ratio: ranges.Count = 4
  stochastic_depth: ranges.Rate = 0.0
  epsilon: ranges.Positive = 1e-6
  remat: remat_lib.Remat = False
  scan: bool = False
  dtype: Any = jnp.float32

  @nn.nowrap
  def embed(self, video: jax.Array) -> jax.Array:
    """Maps [b, T, H, W, 3] to [b, t, h, w, d]."""
    return convolution.Conv(
      self.width,
      self.kernel,
      self.patch,
      use_bias=True,
      dtype=self.dtype,
      name='embedding',
    )(video)

  @nn.nowrap
  def encoder(self, grids: list[Grid]) -> Stages:
    """Returns all stages, whose tokens sit on these grids."""
    return Stages(
      [self.stage(i, grids) for i in range(len(self.depths))],
      self.stochastic_depth,
      blocks_lib.Running(self.scan, self.remat),
      name='Transformer',
    )

  @nn.nowrap
  def made_of(
    self,
    block: Callable[..., nn.Module],
    number: int,
    grids: list[Grid],
    **entering: Any,
  ) -> Stage:
    """Returns a stage.

    Args:
      block: makes one of its blocks, given what all backbones tell theirs.
      number: of the stage, from 0.
      grids: of all stages.
      **entering: what else its first block is told, in stages behind the first.
    """
    width, grid = self.width * 2**number, grids[number]
    others = functools.partial(
      block,
      heads=self.heads * 2**number,
      mlp=self.mlp_ratio * width,
      rescale=True,
      dtype=self.dtype,
      activation='gelu',
      epsilon=self.epsilon,
    )
    first = others
    if number:
      first = functools.partial(others, width=width, made=grid, **entering)
    given = grids[max(number - 1, 0)]
    return Stage(self.depths[number], first, others, given, grid)
