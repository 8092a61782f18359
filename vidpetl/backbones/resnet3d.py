"""Residual networks of 3-D convolutions, whole or factorised.

  hara            R3D-18 with a 7 x 7 x 7 stem and a max-pool (Hara et al.
                  2017), the ResNet of RSPNet.
  r3d_18          R3D-18 with a 3 x 7 x 7 stem (Tran et al. 2018), as in
                  torchvision.
  r2plus1d_18     R(2+1)D-18 (the same), as in torchvision.
  r2plus1d_vcop   R(2+1)D with one block in each stage, of video clip order
                  prediction (Xu et al. 2019), which RSPNet and
                  self-distillation call R(2+1)D.

A factorised convolution is one in space, BatchNorm, ReLU, and one in time. The
width between the two is such that they have as many parameters as the whole
one; how that is counted differs, see `ResNet3D.factorised`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Annotated

import flax.linen as nn
import jax

from vidpetl import ranges
from vidpetl.backbones import convolution, features, tapping, variants

Size = convolution.Size

VARIANTS = {
  'r3d_18': {
    'depths': (2, 2, 2, 2),
    'stem': (3, 7, 7),
    'stem_pool': False,
    'factorised': 'no',
    'kernel_init': 'fan_out',
  },
  'hara': {
    'depths': (2, 2, 2, 2),
    'stem': (7, 7, 7),
    'stem_pool': True,
    'factorised': 'no',
    'kernel_init': 'fan_out',
  },
  'r2plus1d_18': {
    'depths': (2, 2, 2, 2),
    'stem': (3, 7, 7),
    'stem_pool': False,
    'factorised': 'by_block',
    'kernel_init': 'fan_out',
  },
  'r2plus1d_vcop': {
    'depths': (1, 1, 1, 1),
    'stem': (3, 7, 7),
    'stem_pool': False,
    'factorised': 'by_layer',
    'kernel_init': 'uniform',
  },
}
FACTORISED = ('no', 'by_block', 'by_layer')
INITS = {'fan_out': convolution.FAN_OUT, 'uniform': convolution.UNIFORM}

_CUBE = (3, 3, 3)
_STEM_BETWEEN = 45  # In torchvision's stem, for 64 channels.


def width_between(kernel: Size, c: int, d: int) -> int:
  """Width for which the factors of a convolution have no more parameters.

  Args:
    kernel: size (i, j, k) of the whole convolution.
    c: channels that it is given.
    d: channels that it gives.

  Returns:
    floor(i j k c d / (j k c + i d)) (Tran et al. 2018, section 3.5).
  """
  area = kernel[1] * kernel[2]
  return math.prod(kernel) * c * d // (area * c + kernel[0] * d)


class Factorised(nn.Module):
  """A convolution in space, BatchNorm and ReLU, then the same in time.

  Attributes:
    width: channels that it gives.
    kernel: size of the whole.
    strides: of the whole.
    relu: whether a ReLU comes last.
    between: channels between the two; None for `width_between`.
    unit: makes the two.
  """

  width: int
  kernel: Size = convolution.ONE
  strides: Size = convolution.ONE
  relu: bool = True
  between: int | None = None
  unit: Callable[..., nn.Module] = convolution.Unit

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [b, t, h, w, c] to [b, t', h', w', width]."""
    (i, j, k), (by_t, by_h, by_w) = self.kernel, self.strides
    between = self.between or width_between(
      self.kernel, x.shape[-1], self.width
    )
    x = self.unit(between, (1, j, k), (1, by_h, by_w), name='spatial')(x)
    temporal = self.unit(
      self.width, (i, 1, 1), (by_t, 1, 1), relu=self.relu, name='temporal'
    )
    return temporal(x)


class BasicBlock(nn.Module):
  """Two convolutions and a shortcut. Sites: those of `convolution.residual`.

  Attributes:
    width: channels that it gives.
    stride: along t, h and w.
    conv: makes a convolution with BatchNorm, given its width, kernel, strides,
      `relu` and the channels that the block is given.
    shortcut: makes that of the shortcut.
  """

  width: int
  stride: int
  conv: Callable[..., nn.Module]
  shortcut: Callable[..., nn.Module]

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [b, t, h, w, c] to [b, t', h', w', width]."""
    strides, c = (self.stride,) * 3, x.shape[-1]

    def branch(y):
      y = self.conv(self.width, _CUBE, strides, True, c, name='conv1')(y)
      one = convolution.ONE
      return self.conv(self.width, _CUBE, one, False, c, name='conv2')(y)

    shortcut = None
    if self.stride > 1 or c != self.width:
      shortcut = self.shortcut(
        self.width, convolution.ONE, strides, relu=False, name='shortcut'
      )
    return convolution.residual(x, branch, shortcut)


class ResNet3D(convolution.ConvNet):
  """A 3-D ResNet of basic blocks, without its classifier.

  Attributes:
    width: of the first stage; doubles from stage to stage.
    depths: blocks of each stage; the first of each but the first has stride 2.
    stem: kernel of the first convolution, of strides (1, 2, 2).
    stem_pool: whether a max-pool follows it, of stride 2.
    factorised: 'no'; 'by_layer', every convolution with its own width between
      the factors, shortcuts included; 'by_block', both of a block with that
      of its first, shortcuts whole, and 45 in a stem of 64.
    kernel_init: 'fan_out' (He et al. 2015), or 'uniform', with which
      PyTorch's layers start.
  """

  width: ranges.Count = 64
  depths: ranges.Counts = (2, 2, 2, 2)
  stem: ranges.Size = (3, 7, 7)
  stem_pool: bool = False
  factorised: Annotated[str, ranges.OneOf(FACTORISED)] = 'no'
  kernel_init: Annotated[str, ranges.OneOf(INITS)] = 'fan_out'

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> features.Features:
    """Maps [b, T, H, W, 3] to a grid [b, T / 8, H / 16, W / 16, 512].

    With a max-pool in the stem, the grid is half that along each axis.
    """
    unit = self.unit(train, kernel_init=INITS[self.kernel_init])
    x = self.make_stem(unit)(video)
    if self.stem_pool:
      pads = convolution.centred(x.shape[1:4], _CUBE, (2, 2, 2))
      x = convolution.max_pool(x, _CUBE, (2, 2, 2), pads)
    conv, shortcut = self.make_convolutions(unit)
    block = self.block(BasicBlock)
    for i, depth in enumerate(self.depths):
      for j in range(depth):
        stride = 2 if i and not j else 1
        name = f'stage{i + 1}_block{j}'
        module = block(self.width * 2**i, stride, conv, shortcut, name=name)
        x = tapping.tap(module(x))
    return features.Features(x, x.mean((1, 2, 3)))

  @nn.nowrap
  def make_stem(self, unit: Callable[..., nn.Module]) -> nn.Module:
    make = unit
    if self.factorised == 'by_layer':
      make = functools.partial(Factorised, unit=unit)
    elif self.factorised == 'by_block':
      between = _STEM_BETWEEN * self.width // 64
      make = functools.partial(Factorised, unit=unit, between=between)
    return make(self.width, self.stem, (1, 2, 2), name='stem')

  @nn.nowrap
  def make_convolutions(
    self, unit: Callable[..., nn.Module]
  ) -> tuple[Callable[..., nn.Module], Callable[..., nn.Module]]:
    """Returns `conv` and `shortcut` of `BasicBlock`."""
    factorised = functools.partial(Factorised, unit=unit)

    def conv(width, kernel, strides, relu, c, name):
      if self.factorised == 'no':
        return unit(width, kernel, strides, relu, name=name)
      between = None
      if self.factorised == 'by_block':
        between = width_between(kernel, c, width)
      return factorised(width, kernel, strides, relu, between, name=name)

    return conv, factorised if self.factorised == 'by_layer' else unit


_Variant = Annotated[str, ranges.OneOf(VARIANTS)]


def build(*, variant: _Variant | None = None, **fields) -> ResNet3D:
  """Builds a 3-D ResNet.

  Args:
    variant: 'r3d_18', 'hara', 'r2plus1d_18' or 'r2plus1d_vcop'. Without it,
      `fields` must have all that these have.
    **fields: of `ResNet3D`; they precede the variant's.

  Raises:
    ValueError: if there is no such variant, field or value.
  """
  return variants.make(ResNet3D, fields, variant, VARIANTS)
