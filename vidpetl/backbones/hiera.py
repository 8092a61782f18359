"""Hiera (Ryali et al. 2023): a plain transformer of stages.

In the first stages tokens attend within mask units, squares of the first
grid's tokens that were masked as a whole in pretraining, and which shrink with
the grid; in the later ones, to all tokens. A block that begins a stage takes
the largest of 2 x 2 queries, and its tokens attend as in the stage before it.

The published code keeps tokens in an order in which a unit's are far apart and
neighbours to pool come first. Here they stay in the order of the grid; what is
computed is the same.

Files of images are of the same net with patches of one frame: every frame is
encoded by itself (`joint` is false).
"""

from __future__ import annotations

import functools
import math
from typing import Annotated

import einops
import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import ranges
from vidpetl.backbones import (
  attending,
  features,
  layers,
  stages,
  variants,
)
from vidpetl.backbones import attention as attention_lib
from vidpetl.backbones import site as site_lib

Grid = site_lib.Grid
Size = stages.Size

VARIANTS = {
  'T': {'width': 96, 'depths': (1, 2, 7, 2), 'heads': 1},
  'S': {'width': 96, 'depths': (1, 2, 11, 2), 'heads': 1},
  'B': {'width': 96, 'depths': (2, 3, 16, 3), 'heads': 1},
  'B+': {'width': 112, 'depths': (2, 3, 16, 3), 'heads': 2},
  'L': {'width': 144, 'depths': (2, 6, 36, 4), 'heads': 2},
  'H': {'width': 256, 'depths': (2, 6, 36, 4), 'heads': 4},
}

_POOL = (1, 2, 2)
_UNITS = '... (t i) (h j) (w k) d -> ... (t h w) (i j k) d'
_VOLUME = '... (t h w) (i j k) d -> ... (t i) (h j) (w k) d'


class PoolingAttention(attention_lib.Attention):
  """Attention whose queries are the largest of 2 x 2.

  Attributes:
    strides: of the pooling, in tokens of `grid`.
  """

  any_rows = False

  strides: Size = _POOL

  @nn.compact
  def __call__(self, x: jax.Array, placed: bool = True) -> jax.Array:
    """Maps [..., lead + n, d] to [..., lead + n', width]."""
    q, k, v = self.project_in(x)
    pool = functools.partial(stages.largest, strides=self.strides, channels=2)
    q = stages.on_volume(q, stages.row_sizes(self.grid), pool, channels=2)
    return self.project_out(x, attending.attend(q, k, v))


class HieraBlock(stages.StageBlock):
  """A block whose tokens attend within units, or to all.

  Attributes:
    unit: (t, h, w) of units in tokens of `grid`; () is all of a row.
    strides: of the pooling, where it begins a stage.
  """

  unit: tuple[int, ...] = ()
  strides: Size = _POOL

  @nn.nowrap
  def make_attention(
    self, name: str, grid: Grid | None = None
  ) -> attention_lib.Attention:
    here, made = self.grid, self.after
    if self.unit:
      here = Grid(*self.unit)
      made = Grid(*self.smaller(self.unit)) if self.width else here
    if not self.width:
      return attention_lib.Attention(self.heads, here, self.dtype, name=name)
    return PoolingAttention(
      self.heads,
      here,
      self.dtype,
      width=self.width,
      made=made,
      strides=self.strides,
      name=name,
    )

  @nn.nowrap
  def smaller(self, sizes: Size) -> Size:
    return tuple(size // by for size, by in zip(sizes, self.strides))

  @nn.nowrap
  def shortened(self, x: jax.Array) -> jax.Array:
    pool = functools.partial(stages.largest, strides=self.strides)
    return stages.on_volume(x, stages.row_sizes(self.grid), pool)

  @nn.nowrap
  def attend(
    self, attention: attention_lib.Attention, y: jax.Array
  ) -> jax.Array:
    if not self.unit:
      return attention(y)
    sizes, unit = stages.row_sizes(self.grid), self.unit
    counts = tuple(size // part for size, part in zip(sizes, unit))
    y = attention(_in_units(y, sizes, unit))
    return _from_units(y, counts, self.smaller(unit) if self.width else unit)


def _in_units(x: jax.Array, sizes: Size, unit: Size) -> jax.Array:
  """Maps [..., lead + n, d] to [..., units, lead + n', d]."""
  lead = x.shape[-2] - math.prod(sizes)
  off, x = jnp.split(x, [lead], axis=-2)
  x = x.reshape(*x.shape[:-2], *sizes, x.shape[-1])
  x = einops.rearrange(x, _UNITS, **dict(zip('ijk', unit)))
  if not lead:
    return x
  shape = (*x.shape[:-2], lead, x.shape[-1])
  everywhere = jnp.broadcast_to(off[..., None, :, :], shape)
  return jnp.concatenate([everywhere, x], axis=-2)


def _from_units(x: jax.Array, counts: Size, unit: Size) -> jax.Array:
  """Inverse of `_in_units`; what units make of tokens off it is averaged."""
  lead = x.shape[-2] - math.prod(unit)
  off, x = jnp.split(x, [lead], axis=-2)
  axes = {**dict(zip('thw', counts)), **dict(zip('ijk', unit))}
  x = einops.rearrange(x, _VOLUME, **axes)
  x = x.reshape(*x.shape[:-4], -1, x.shape[-1])
  return jnp.concatenate([off.mean(-3), x], axis=-2) if lead else x


class Hiera(stages.Staged):
  """Hiera. Sites: `tokens`, and those of its blocks.

  Height and width of a video are multiples of those of a mask unit.

  Attributes:
    depths: blocks of each stage.
    unit: (t, h, w) of mask units, in tokens of the first stage.
    units: how many stages attend within units.
    pools: how many stages begin with pooling: 3, or 2 in pretraining.
    joint: whether the tokens of a clip attend to each other, with positions in
      time; or those of every frame.
  """

  depths: ranges.Counts = (2, 3, 16, 3)
  unit: ranges.Size = (1, 8, 8)
  units: ranges.Natural = 2
  pools: ranges.Natural = 3
  joint: bool = True

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> features.Features:
    x = self.place(self.embed(video))
    grids = self.grids(x.shape[1:4])
    _, x = grids[-1].to_volume(self.encoder(grids)(grids[0].flatten(x), train))
    norm = layers.layer_norm(self.dtype, 'norm', self.epsilon)
    return features.Features(norm(x), norm(x.mean((1, 2, 3))))

  @property
  def shrinks(self) -> Size:
    """How many times as long the first grid's axes are as the last one's."""
    times = min(self.pools, len(self.depths) - 1)
    return tuple(by**times for by in _POOL)

  @nn.nowrap
  def place(self, x: jax.Array) -> jax.Array:
    """Adds positions to [b, t, h, w, d]."""
    b, t, h, w, d = x.shape
    table = functools.partial(layers.PositionTable, self.dtype)
    x = table(name='space')(x.reshape(b, t, h * w, d))
    if self.joint:
      # With zeros, an image's weights are exact for a clip that stands still.
      place = table(init=nn.initializers.zeros, name='time')
      x = place(x.swapaxes(1, 2)).swapaxes(1, 2)
    return x.reshape(b, t, h, w, d)

  @nn.nowrap
  def grids(self, sizes: Size) -> list[Grid]:
    """Returns where the tokens of each stage sit.

    Raises:
      ValueError: if mask units do not tile the first grid.
    """
    for what, size, unit, patch in zip(
      ('frames', 'height', 'width'), sizes, self.unit, self.patch
    ):
      if size % unit:
        raise ValueError(
          f'config.backbone.unit={tuple(self.unit)}: mask units do not tile a '
          f'grid of {tuple(sizes)} tokens; {what} of clips must be a multiple '
          f'of {unit * patch}'
        )
    patch = math.prod(self.patch)
    rows = 'clip' if self.joint else 'frame'
    made = []
    for i in range(len(self.depths)):
      if i and self.pooled(i):
        sizes = tuple(size // by for size, by in zip(sizes, _POOL))
      made.append(Grid(*sizes, rows=rows, patch=patch))
    return made

  @nn.nowrap
  def pooled(self, stage: int) -> bool:
    return stage <= self.pools

  @nn.nowrap
  def stage(self, number: int, grids: list[Grid]) -> stages.Stage:
    """Returns a stage by its number, from 0."""
    block = functools.partial(HieraBlock, unit=self.unit_of(number))
    strides = _POOL if self.pooled(number) else (1, 1, 1)
    # It pools within the units of the stage before it.
    unit = self.unit_of(max(number - 1, 0))
    return self.made_of(block, number, grids, strides=strides, unit=unit)

  @nn.nowrap
  def unit_of(self, stage: int) -> tuple[int, ...]:
    """Returns a unit in tokens of a stage, () where all tokens attend."""
    if stage >= self.units:
      return ()
    times = min(stage, self.pools)
    return tuple(size // by**times for size, by in zip(self.unit, _POOL))


_Variant = Annotated[str, ranges.OneOf(VARIANTS)]


def build(*, variant: _Variant | None = None, **fields) -> Hiera:
  """Builds a Hiera.

  Args:
    variant: 'T', 'S', 'B', 'B+', 'L' or 'H': its width, depths and heads.
      Without it, `fields` must have these three.
    **fields: of `Hiera`; they precede the variant's.

  Raises:
    ValueError: if there is no such variant or field, or units are pooled to
      less than a token.
  """
  model = variants.make(Hiera, fields, variant, VARIANTS)
  if any(size % by for size, by in zip(model.unit, model.shrinks)):
    raise ValueError(
      f'config.backbone.unit={model.unit}: its sizes must be multiples of '
      f'{model.shrinks}, by which pools={model.pools} divide them'
    )
  return model
