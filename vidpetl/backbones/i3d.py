"""I3D: Inception, inflated (Carreira and Zisserman 2017).

Its weights were published in TensorFlow and carried over to PyTorch twice;
copies differ in padding and in BatchNorm, see `VARIANTS`. Where strides divide
the sizes of what they meet, as for 16 or 32 frames of 224 x 224 pixels, all
paddings are the same.

Max-pools pad with zeros, as PyTorch's have it. TensorFlow's leave the padding
out, which makes no difference behind a ReLU, and a large one behind a
technique.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import ranges
from vidpetl.backbones import convolution, features, tapping, variants

Size = convolution.Size

VARIANTS = {
  # The weights were trained with the first; CoRe, FineDiving and PECoP use them
  # with the last.
  'deepmind': {'padding': 'same', 'epsilon': 1e-3, 'momentum': 0.999},
  'piergiaj': {'padding': 'same', 'epsilon': 1e-3, 'momentum': 0.99},
  'hassony2': {'padding': 'mixed', 'epsilon': 1e-3, 'momentum': 0.9},
  'pecop': {'padding': 'static', 'epsilon': 1e-5, 'momentum': 0.9},
}
SUMMARIES = ('pairs', 'mean')

_WIDTH = 64  # For which the tables below are.
# Widths in an Inception module: the first branch's convolution, two each of
# the second and third, and the fourth's.
_STAGES = {
  '3': {
    'b': (64, 96, 128, 16, 32, 32),
    'c': (128, 128, 192, 32, 96, 64),
  },
  '4': {
    'b': (192, 96, 208, 16, 48, 64),
    'c': (160, 112, 224, 24, 64, 64),
    'd': (128, 128, 256, 24, 64, 64),
    'e': (112, 144, 288, 32, 64, 64),
    'f': (256, 160, 320, 32, 128, 128),
  },
  '5': {
    'b': (256, 160, 320, 32, 128, 128),
    'c': (384, 192, 384, 48, 128, 128),
  },
}
# Before a stage: kernel and strides of the max-pool.
_POOLS = {
  '3': ((1, 3, 3), (1, 2, 2)),
  '4': ((3, 3, 3), (2, 2, 2)),
  '5': ((2, 2, 2), (2, 2, 2)),
}


def mixed(sizes: Size, kernel: Size, strides: Size) -> convolution.Pads:
  """`same` in time and `static` in space."""
  time = convolution.same(sizes, kernel, strides)[:1]
  return time + convolution.static(sizes, kernel, strides)[1:]


# Of convolutions, and of max-pools.
PADDINGS = {
  'same': (convolution.same, convolution.same),
  'mixed': (mixed, mixed),
  'static': (convolution.static, convolution.static),
}


def max_pool(
  x: jax.Array,
  kernel: Size,
  strides: Size,
  padding: Callable[..., convolution.Pads],
) -> jax.Array:
  """Max-pools [b, t, h, w, d], padded with zeros.

  A window that reaches beyond the padding takes what there is of it.
  """
  x = jnp.pad(x, [(0, 0), *padding(x.shape[1:4], kernel, strides), (0, 0)])
  beyond = [(0, (k - n) % s) for n, k, s in zip(x.shape[1:4], kernel, strides)]
  return convolution.max_pool(x, kernel, strides, beyond)


class Inception(nn.Module):
  """An Inception module. Sites: `block_in`, `block_out`.

  Attributes:
    widths: of the six convolutions.
    unit: makes them.
    padding: of the max-pool.
  """

  widths: tuple[int, ...]
  unit: Callable[..., nn.Module]
  padding: Callable[..., convolution.Pads]

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [b, t, h, w, c] to [b, t, h, w, d]."""
    x = convolution.enter(x)
    k, unit, cube = self.widths, self.unit, (3, 3, 3)
    pooled = max_pool(x, cube, convolution.ONE, self.padding)
    branches = [
      unit(k[0], name='b0')(x),
      unit(k[2], cube, name='b1b')(unit(k[1], name='b1a')(x)),
      unit(k[4], cube, name='b2b')(unit(k[3], name='b2a')(x)),
      unit(k[5], name='b3b')(pooled),
    ]
    return convolution.site('block_out', jnp.concatenate(branches, -1), given=x)


class I3D(convolution.ConvNet):
  """I3D without its classifier.

  Its average pool over two neighbouring moments gives the first and last of
  more than two moments half the weight; `summary` 'pairs' is what remains of
  it when its outputs are averaged, as they were everywhere.

  Attributes:
    width: of the first convolution; all others go with it.
    padding: 'same', TensorFlow's; 'static', that for sizes which strides
      divide, whatever the sizes; 'mixed', the first for time and the second for
      space.
    summary: 'pairs', the mean of means of neighbouring moments, or 'mean'.
  """

  width: ranges.Count = _WIDTH
  padding: Annotated[str, ranges.OneOf(PADDINGS)] = 'same'
  summary: Annotated[str, ranges.OneOf(SUMMARIES)] = 'pairs'

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> features.Features:
    """Maps [b, T, H, W, 3] to a grid [b, T / 8, H / 32, W / 32, 1024]."""
    of_convs, of_pools = PADDINGS[self.padding]
    unit = self.unit(train, of_convs)
    wide = self.width
    x = unit(wide, (7, 7, 7), (2, 2, 2), name='conv_1a')(video)
    x = max_pool(x, (1, 3, 3), (1, 2, 2), of_pools)
    x = unit(wide, name='conv_2b')(x)
    x = unit(3 * wide, (3, 3, 3), name='conv_2c')(x)
    inception = self.block(Inception)
    for stage, modules in _STAGES.items():
      x = max_pool(x, *_POOLS[stage], of_pools)
      for letter, widths in modules.items():
        widths = tuple(w * wide // _WIDTH for w in widths)
        module = inception(
          widths, unit, of_pools, name=f'mixed_{stage}{letter}'
        )
        x = tapping.tap(module(x))
    return features.Features(x, self.summarise(x))

  @nn.nowrap
  def summarise(self, volume: jax.Array) -> jax.Array:
    moments = volume.mean((2, 3))
    if self.summary == 'pairs' and moments.shape[1] > 1:
      moments = (moments[:, :-1] + moments[:, 1:]) / 2
    return moments.mean(1)


_Variant = Annotated[str, ranges.OneOf(VARIANTS)]


def build(*, variant: _Variant | None = None, **fields) -> I3D:
  """Builds an I3D.

  Args:
    variant: whose padding and BatchNorm it has: 'deepmind' (TensorFlow),
      'piergiaj', 'hassony2' or 'pecop'. Without it, `fields` must have
      `padding`, `epsilon` and `momentum`.
    **fields: of `I3D`; they precede the variant's.

  Raises:
    ValueError: if there is no such variant, field or value.
  """
  model = variants.make(I3D, fields, variant, VARIANTS)
  if model.width % 8:
    raise ValueError(
      f'config.backbone.width={model.width} of I3D is no multiple of 8'
    )
  return model
