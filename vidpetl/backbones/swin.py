"""Video Swin Transformer (Liu et al. 2022).

Tokens of a clip, [b, t h w, d], attend to each other within windows of the
grid, which every other block shifts by half their size, cyclically. Between
stages, four tokens of a frame are merged into one; time is never merged.

What is published decides what is odd here: the zeros of padding take part in
the attention of blocks that are not shifted; and where the grid is smaller than
a window, the table of relative positions is read as if it were the window's
first tokens, which is right for time and wrong, but reproducible, for height
and width.

Tokens that techniques add in front of the grid join every window, without
positions; what the windows make of them is averaged (Jia et al. 2022).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
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
  variants,
  windows,
)
from vidpetl.backbones import attention as attention_lib
from vidpetl.backbones import blocks as blocks_lib
from vidpetl.backbones import remat as remat_lib
from vidpetl.backbones import site as site_lib
from vidpetl.weights import positions

Grid = site_lib.Grid
Size = site_lib.Size

VARIANTS = {
  'T': {'width': 96, 'depths': (2, 2, 6, 2), 'heads': (3, 6, 12, 24)},
  'S': {'width': 96, 'depths': (2, 2, 18, 2), 'heads': (3, 6, 12, 24)},
  'B': {'width': 128, 'depths': (2, 2, 18, 2), 'heads': (4, 8, 16, 32)},
  'L': {'width': 192, 'depths': (2, 2, 18, 2), 'heads': (6, 12, 24, 48)},
}
SUMMARIES = ('mean', 'vpetl')

_EPSILON = 1e-5
_ATTENTION = 'MultiHeadDotProductAttention_0'

_norm = functools.partial(layers.layer_norm, epsilon=_EPSILON)


class WindowAttention(attention_lib.Attention):
  """Attention with biases by relative position.

  Attributes:
    window: for which the table of biases is.
  """

  window: Size = (8, 7, 7)

  @nn.compact
  def __call__(
    self,
    x: jax.Array,
    placed: bool = True,
    parts: np.ndarray | None = None,
  ) -> jax.Array:
    """Maps [..., lead + n, d] to the same shape.

    Args:
      x: rows of tokens.
      placed: whether the last of a row are those of the window `grid`; other
        rows have no positions.
      parts: [windows, n], what each token of the windows is a part of, see
        `windows.parts`.
    """
    q, k, v = self.project_in(x)
    bias = self.biases(x.shape[-2]) if placed else None
    return self.project_out(x, attending.attend(q, k, v, bias, parts=parts))

  @nn.nowrap
  def project_in(self, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """See `Attention`; around its products a TPU holds tokens in order."""
    made = super().project_in(dense.in_order(x))
    q, k, v = (dense.in_order(each, 2) for each in made)
    return q, k, v

  @nn.nowrap
  def project_out(self, x: jax.Array, y: jax.Array) -> jax.Array:
    """See `project_in`."""
    return dense.in_order(super().project_out(x, dense.in_order(y, 2)))

  @nn.nowrap
  def biases(self, length: int) -> jax.Array:
    """Returns [heads, length, length], 0 for lead tokens."""
    n = self.grid.row_length
    places = positions.places(self.size)
    # Subtracted by the program: numpy's differences would lie in it.
    at = jnp.asarray(places[:n], jnp.int32)
    rows = at[:, None] - at + int(places[-1])
    bias = jnp.asarray(self.table())[rows]
    bias = bias.transpose(2, 0, 1).astype(jnp.float32)
    return jnp.pad(bias, [(0, 0), *[(length - n, 0)] * 2])

  @nn.nowrap
  def table(self) -> jax.Array:
    """Returns the biases of all relative positions, [rows, heads]."""
    rows = np.prod([2 * size - 1 for size in self.size])
    return self.param(
      'relative_position_bias_table',
      nn.initializers.truncated_normal(0.02),
      (rows, self.heads),
    )

  @property
  def size(self) -> Size:
    """Windows that the table is for."""
    return self.window


class SwinBlock(layers.Block):
  """A transformer block whose attention sees windows. Sites: `layers.Block`'s.

  Attributes:
    window: nominal size of the windows.
    shift: of the windows, in tokens; 0 along axes that one window fills.
  """

  window: Size = (8, 7, 7)
  shift: Size = (0, 0, 0)

  @nn.nowrap
  def make_attention(
    self, name: str, grid: Grid | None = None
  ) -> WindowAttention:
    return WindowAttention(
      self.heads, grid or self.grid, self.dtype, window=self.window, name=name
    )

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [b, lead + t h w, d] to the same shape."""
    sizes = (self.grid.t, self.grid.h, self.grid.w)
    window, shift = windows.fit(self.window, self.shift, sizes)
    attention = self.make_attention(_ATTENTION, Grid(*window))
    norm = self.make_norm('LayerNorm_0')
    x = self.enter(x, norm, attention)

    def layer(y):
      lead, volume = self.grid.to_volume(y)
      lead, volume = windows.attend(attention, lead, volume, window, shift)
      return self.grid.to_tokens(lead, volume)

    x = self.branch('attn', norm, attention, x, call=layer)
    return self.branch(
      'mlp', self.make_norm('LayerNorm_1'), self.make_mlp('MlpBlock_0'), x
    )


class PatchMerging(nn.Module):
  """Four neighbours of a frame become one token, [4 d] -> [2 d].

  Attributes:
    dtype: of the computation.
  """

  # Whether the norm is before the dense layer, or behind it.
  norm_first: ClassVar[bool] = True

  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array, grid: Grid) -> tuple[jax.Array, Grid]:
    """Maps [b, lead + t h w, d] to [b, lead + t h/2 w/2, 2 d]."""
    lead, volume = grid.to_volume(x)
    volume = windows.pad(volume, (1, 2, 2))
    volume = jnp.concatenate(
      [volume[:, :, i::2, j::2] for j in (0, 1) for i in (0, 1)], axis=-1
    )
    merged = Grid(*volume.shape[1:4])
    x = dense.in_order(merged.to_tokens(jnp.tile(lead, 4), volume))
    norm = _norm(self.dtype, name='norm')
    reduction = dense.Dense(
      (x.shape[-1] // 2,),
      dtype=self.dtype,
      use_bias=False,
      kernel_init=nn.initializers.lecun_normal(),
      name='reduction',
    )
    x = reduction(norm(x)) if self.norm_first else norm(reduction(x))
    return x, merged


class PatchEmbedding(nn.Module):
  """Tubelets, padded at the end, embedded and normalised."""

  width: int
  patch: Size
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, video: jax.Array) -> jax.Array:
    """Maps [b, T, H, W, 3] to [b, t, h, w, width]."""
    embed = layers.Embedding(self.width, self.patch, self.dtype, name='proj')
    return _norm(self.dtype, name='norm')(embed(windows.pad(video, self.patch)))


class Stage(nn.Module):
  """Blocks on one grid, plain and shifted in turns, then merging.

  Attributes:
    block: makes a block, given `grid`, `drop`, `shift` and `name`.
    depths: of each block, how far along the network it is, from 0 to 1.
    drop: probability that the last block's branches are dropped.
    window: nominal.
    merging: makes the merging of patches that follows; None if none does.
    running: how the blocks run.
    dtype: of the computation.
  """

  block: Any
  depths: Sequence[float]
  drop: float
  window: Size
  merging: Any
  running: blocks_lib.Running
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array, grid: Grid) -> tuple[jax.Array, Grid]:
    half = tuple(size // 2 for size in self.window)
    blocks = [
      functools.partial(
        self.block,
        grid=dataclasses.replace(grid, depth=depth),
        drop=self.drop * depth if self.drop else None,
        shift=half if i % 2 else (0, 0, 0),
        name=f'block_{i}',
      )
      for i, depth in enumerate(self.depths)
    ]
    x = blocks_lib.run(blocks, x, grid, self.running)
    if not self.merging:
      return x, grid
    return self.merging(self.dtype, name='downsample')(x, grid)


class Swin(nn.Module):
  """Video Swin. Sites: `tokens`, and those of its blocks.

  A video may have any number of frames, height and width.

  Attributes:
    width: d of a token in the first stage; doubles from stage to stage.
    depths: blocks of each stage.
    heads: of each stage.
    patch: (frames, height, width) that a token covers at first.
    window: (t, h, w) in tokens.
    mlp_ratio: hidden width of an MLP over d.
    stochastic_depth: rate of the last block; rates grow linearly from 0.
    summary: 'mean' over the grid, or 'vpetl': the mean of the means of
      neighbouring moments, as V-PETL's code has it, which gives the first and
      last moment half the weight.
    remat: what the backward pass computes again, to save memory: False is
      nothing, True or 'nothing' all of each block; 'dots' keeps its products,
      'dense' those of its dense layers. A number n is all of each n-th block.
      'offload' is True, with what blocks are given in the host's memory.
    scan: compile blocks that are alike once, as a loop. What is computed, and
      the names of parameters, stay as they are.
    dtype: of the computation; parameters are float32.
  """

  merging: ClassVar[type[PatchMerging]] = PatchMerging

  width: ranges.Count = 128
  depths: ranges.Counts = (2, 2, 18, 2)
  heads: ranges.Counts = (4, 8, 16, 32)
  patch: ranges.Size = (2, 4, 4)
  window: ranges.Size = (8, 7, 7)
  mlp_ratio: ranges.Count = 4
  stochastic_depth: ranges.Rate = 0.2
  summary: Annotated[str, ranges.OneOf(SUMMARIES)] = 'mean'
  remat: remat_lib.Remat = False
  scan: bool = False
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> features.Features:
    x = PatchEmbedding(self.width, self.patch, self.dtype, name='patch_embed')(
      video
    )
    grid = Grid(*x.shape[1:4])
    x = site_lib.site('tokens', grid.flatten(x), grid=grid)
    drop = self.stochastic_depth if train else 0.0
    depths = np.linspace(0, 1, sum(self.depths)).tolist()
    for i, (count, heads) in enumerate(zip(self.depths, self.heads)):
      stage = Stage(
        self.make_block(heads, self.width * 2**i, i),
        depths[:count],
        drop,
        self.window,
        merging=self.merging if i < len(self.depths) - 1 else None,
        running=blocks_lib.Running(self.scan, self.remat),
        dtype=self.dtype,
        name=f'stage_{i}',
      )
      x, grid = stage(x, grid)
      depths = depths[count:]
    x = _norm(self.dtype, name='norm')(layers.constrain_batch(x))
    _, volume = grid.to_volume(x)
    return features.Features(volume, self.summarise(volume))

  @nn.nowrap
  def make_block(self, heads: int, width: int, stage: int):
    del stage  # Blocks of all stages are alike.
    return functools.partial(
      SwinBlock,
      heads=heads,
      mlp=self.mlp_ratio * width,
      rescale=True,
      dtype=self.dtype,
      activation='gelu',
      epsilon=_EPSILON,
      window=self.window,
    )

  @nn.nowrap
  def summarise(self, volume: jax.Array) -> jax.Array:
    moments = volume.mean((2, 3))
    if self.summary == 'vpetl' and moments.shape[1] > 1:
      moments = (moments[:, :-1] + moments[:, 1:]) / 2
    return moments.mean(1)


_Variant = Annotated[str, ranges.OneOf(VARIANTS)]


def build(*, variant: _Variant | None = None, **fields) -> Swin:
  """Builds a Video Swin.

  Args:
    variant: 'T', 'S', 'B' or 'L': its width, depths and heads. Without it,
      `fields` must have these three.
    **fields: of `Swin`; they precede the variant's.

  Raises:
    ValueError: if there is no such variant or field.
  """
  model = variants.make(Swin, fields, variant, VARIANTS)
  if len(model.depths) != len(model.heads):
    raise ValueError(
      f'config.backbone.depths={model.depths} and heads={model.heads} differ '
      'in length'
    )
  return model
