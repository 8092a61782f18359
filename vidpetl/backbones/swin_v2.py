"""Swin Transformer V2 (Liu et al. 2022), of images or of clips.

What differs from `swin`: logits are cosines of queries and keys, times a
learned number per head; biases of relative positions are a small net's, of the
logarithms of distances; and norms are behind the branches that they end.

It is published for images: with windows of one frame, every frame is encoded by
itself. With longer ones, distances in time are a third input of the net, whose
weights start at zero, so that a clip that stands still is its image.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from vidpetl import ranges
from vidpetl.backbones import (
  attending,
  dense,
  devices,
  layers,
  swin,
  variants,
)
from vidpetl.backbones import site as site_lib

Grid = site_lib.Grid
Size = swin.Size

VARIANTS = swin.VARIANTS

_HIDDEN = 512  # Of the net of positions.
_LARGEST = 100.0  # That a cosine is multiplied by.
_BIAS = 16.0  # Biases are within 0 and this.
_FAR = 8  # To which the distances across a window are scaled.


def distances(window: Size, learned: int) -> np.ndarray:
  """Returns what the net of positions reads, [(2t-1)(2h-1)(2w-1), 3].

  sign(x) log2(|x| + 1) / log2(8), with x = 8 at the distance across a window.

  Args:
    window: (t, h, w).
    learned: side of the windows that the net was trained for, 0 for these.
  """
  axes = []
  for axis, size in enumerate(window):
    across = (learned if learned and axis else size) - 1
    axes.append(np.arange(1 - size, size) * _FAR / max(across, 1))
  x = np.stack(np.meshgrid(*axes, indexing='ij'), -1).reshape(-1, 3)
  x = np.sign(x) * np.log2(np.abs(x) + 1) / math.log2(_FAR)
  return x.astype(np.float32)


def sized(x: jax.Array, sizes: jax.Array) -> jax.Array:
  """Returns vectors [..., heads, c] with a length for each head, in float32.

  Sums over a head's channels are slow on a TPU, and would have it store them in
  another order than products and kernels do. They are products there.

  Args:
    x: vectors.
    sizes: [heads], their lengths.
  """
  x = x.astype(jnp.float32)
  if devices.current().platform != 'tpu':
    squares = (x * x).sum(-1, keepdims=True)
    return x * (sizes[:, None] * _inverse_root(squares))
  of_heads = jnp.repeat(jnp.eye(x.shape[-2], dtype=x.dtype), x.shape[-1], 0)
  product = functools.partial(jnp.matmul, precision='highest')

  def size(x):
    squares = product(x * x, of_heads)
    return x * product(sizes * _inverse_root(squares), of_heads.T)

  return dense.as_one(size, 2, x)


def _inverse_root(squares: jax.Array) -> jax.Array:
  return jax.lax.rsqrt(jnp.maximum(squares, 1e-24))


class CosineAttention(swin.WindowAttention):
  """Attention by cosines, with biases by relative position.

  Attributes:
    learned: side of the windows that the biases were trained for, 0 for those
      of the grid.
  """

  # A row without positions is none that it was trained for.
  any_rows: ClassVar[bool] = False

  learned: int = 0

  @nn.compact
  def __call__(
    self,
    x: jax.Array,
    placed: bool = True,
    parts: np.ndarray | None = None,
  ) -> jax.Array:
    """See `swin.WindowAttention`."""
    q, k, v = self.project_in(x)
    start = nn.initializers.constant(math.log(10))
    scale = self.param('logit_scale', start, (self.heads,))
    scale = jnp.exp(jnp.minimum(scale, math.log(_LARGEST)))
    # Products are divided by the root of the channels in what follows.
    scale *= math.sqrt(q.shape[-1])
    q = sized(q, scale).astype(q.dtype)
    k = sized(k, jnp.ones_like(scale)).astype(k.dtype)
    bias = self.biases(x.shape[-2]) if placed else None
    y = attending.attend(q, k, v, bias, parts=parts)
    return self.project_out(x, y)

  @nn.nowrap
  def table(self) -> jax.Array:
    """Returns the biases of all relative positions, [rows, heads]."""
    x = distances(self.size, self.learned)
    layer = functools.partial(dense.Dense, dtype=jnp.float32)
    hidden = layer((_HIDDEN,), name='cpb_mlp_0')(x[:, 1:])
    if self.window[0] > 1:
      zeros = nn.initializers.zeros
      time = self.param('time', zeros, (_HIDDEN,)).astype(jnp.float32)
      hidden = hidden + x[:, :1] * time
    out = layer((self.heads,), use_bias=False, name='cpb_mlp_2')
    return _BIAS * nn.sigmoid(out(nn.relu(hidden)))

  @property
  def size(self) -> Size:
    """The windows' own, of a grid that may be smaller than `window`."""
    return (self.grid.t, self.grid.h, self.grid.w)


class SwinV2Block(swin.SwinBlock):
  """A block whose norms end its branches. Sites: `layers.Block`'s.

  Attributes:
    learned: see `CosineAttention`.
  """

  learned: int = 0

  @nn.nowrap
  def make_attention(
    self, name: str, grid: Grid | None = None
  ) -> CosineAttention:
    return CosineAttention(
      self.heads,
      grid or self.grid,
      self.dtype,
      key_bias=False,
      window=self.window,
      learned=self.learned,
      name=name,
    )

  @nn.nowrap
  def branch(
    self,
    f: str,
    norm: nn.Module,
    layer: Any,
    x: jax.Array,
    grid: Grid | None = None,
    call: Callable[[jax.Array], jax.Array] | None = None,
  ) -> jax.Array:
    """x + norm(layer(x)), with the sites f_in, f and f_residual."""
    at = functools.partial(site_lib.site, grid=grid or self.grid)
    reads = tuple(f'{layer.name}/{name}' for name in layer.reads)
    y = at(f'{f}_in', x, before=reads)
    z = at(f, norm((call or layer)(y)), given=y, behind=(norm.name,))
    z = layers.StochasticDepth(self.drop, self.rescale, name=f'{f}_drop')(z)
    return at(f'{f}_residual', x + z, given=x)


class PatchMerging(swin.PatchMerging):
  """Four neighbours of a frame become one token; the norm comes last."""

  norm_first: ClassVar[bool] = False


class SwinV2(swin.Swin):
  """Swin V2. Sites: `tokens`, and those of its blocks.

  Attributes:
    learned: side of the windows that biases were trained for, by stage, 0 for
      those of the grid; () for 0 everywhere.
  """

  merging: ClassVar[type[swin.PatchMerging]] = PatchMerging

  patch: ranges.Size = (1, 4, 4)
  window: ranges.Size = (1, 8, 8)
  learned: tuple[ranges.Natural, ...] = ()

  @nn.nowrap
  def make_block(self, heads: int, width: int, stage: int):
    usual = super().make_block(heads, width, stage)
    learned = self.learned[stage] if self.learned else 0
    return functools.partial(SwinV2Block, learned=learned, **usual.keywords)


_Variant = Annotated[str, ranges.OneOf(VARIANTS)]


def build(*, variant: _Variant | None = None, **fields) -> SwinV2:
  """Builds a Swin V2.

  Args:
    variant: 'T', 'S', 'B' or 'L': its width, depths and heads. Without it,
      `fields` must have these three.
    **fields: of `SwinV2`; they precede the variant's.

  Raises:
    ValueError: if there is no such variant or field.
  """
  model = variants.make(SwinV2, fields, variant, VARIANTS)
  stages = len(model.depths)
  for name in ('heads', 'learned'):
    given = getattr(model, name)
    if given and len(given) != stages:
      raise ValueError(
        f'config.backbone.{name}={given} and depths={model.depths} differ in '
        'length'
      )
  return model
