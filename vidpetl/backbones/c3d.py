"""C3D with BatchNorm, without fully connected layers.

The net of video clip order prediction (Xu et al. 2019), which RSPNet and
self-distillation use: Tran et al. 2015's convolutions, each with a bias and
BatchNorm, and a global average pool where that one has two layers of 4096.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import flax.linen as nn
import jax

from vidpetl import ranges
from vidpetl.backbones import convolution, features, tapping, variants

# Widths of the convolutions of each stage, in widths of the first.
_STAGES = ((1,), (2,), (4, 4), (8, 8), (8, 8))


class Stage(nn.Module):
  """Convolutions on one grid. Sites: `block_in`, `block_out`.

  Attributes:
    widths: of the convolutions.
    unit: makes them.
  """

  widths: tuple[int, ...]
  unit: Callable[..., nn.Module]

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [b, t, h, w, c] to [b, t, h, w, d]."""
    x = y = convolution.enter(x)
    for letter, width in zip('ab', self.widths):
      y = self.unit(width, (3, 3, 3), name=letter)(y)
    return convolution.site('block_out', y, given=x)


class C3D(convolution.ConvNet):
  """C3D without its classifier.

  Attributes:
    width: of the first convolution; the last ones are eight times as wide.
  """

  use_bias: ClassVar[bool] = True

  width: ranges.Count = 64

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> features.Features:
    """Maps [b, T, H, W, 3] to a grid [b, T / 8, H / 16, W / 16, 512].

    Raises:
      ValueError: for less than 8 frames or 16 x 16 pixels.
    """
    convolution.check_size('C3D', video.shape, (8, 16, 16))
    unit, stage = self.unit(train), self.block(Stage)
    x = video
    for i, widths in enumerate(_STAGES):
      if i:
        pool = (1 if i == 1 else 2, 2, 2)
        x = convolution.max_pool(x, pool, pool)
      widths = tuple(w * self.width for w in widths)
      x = tapping.tap(stage(widths, unit, name=f'conv{i + 1}')(x))
    return features.Features(x, x.mean((1, 2, 3)))


def build(**fields) -> C3D:
  """Builds a C3D.

  Args:
    **fields: of `C3D`.

  Raises:
    ValueError: if there is no such field or value.
  """
  return variants.make(C3D, fields, 'published', {'published': {}})
