"""X3D (Feichtenhofer 2020).

A 3-D ResNet of inverted bottlenecks: a block widens its channels, convolves
each of them by itself in time and space, and narrows them. Every other block
weighs channels by their means (squeeze and excitation, Hu et al. 2018). Time is
never strided. XS, S and M are one net for different clips; L is deeper.

`grid` is what the last convolution of the published head makes, before its
pooling; `summary` what the head's classifier reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import ranges
from vidpetl.backbones import (
  activations,
  convolution,
  dense,
  features,
  tapping,
  torch_layers,
  variants,
)

VARIANTS = {
  'M': {'depths': (3, 5, 11, 7)},
  'L': {'depths': (5, 10, 25, 15)},
}

_HALVED = (1, 2, 2)
_EXPANSION = 2.25  # Of a bottleneck, which widens.
_SQUEEZE = 16  # Channels over those of a squeeze, about.
_EIGHT = 8  # Widths of squeezes are multiples of it.


def squeezed(width: int) -> int:
  """Returns the width of a squeeze: a 16th, rounded to a multiple of 8.

  Where rounding takes more than a tenth off, it goes up.
  """
  wanted = width / _SQUEEZE
  found = max(_EIGHT, int(wanted + _EIGHT / 2) // _EIGHT * _EIGHT)
  return found + _EIGHT if found < 0.9 * wanted else found


class Depthwise(nn.Module):
  """A convolution of each channel by itself, without a bias.

  Attributes:
    width: channels, as many as it is given.
    kernel: size.
    strides: of the kernel.
    dtype: of the computation.
  """

  width: int
  kernel: convolution.Size
  strides: convolution.Size = convolution.ONE
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [b, t, h, w, width] to [b, t', h', w', width]."""
    shape = (*self.kernel, self.width)
    # A channel's kernel reads and makes as many numbers as it has.
    init = nn.initializers.variance_scaling(
      2.0, 'fan_in', 'normal', in_axis=(0, 1, 2), out_axis=(), batch_axis=(3,)
    )
    kernel = self.param('kernel', init, shape).astype(self.dtype)
    return torch_layers.depthwise(x.astype(self.dtype), kernel, self.strides)


class Excitation(nn.Module):
  """Channels weighed by what two layers make of their means."""

  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [b, t, h, w, d] to the same shape."""
    d = x.shape[-1]
    layer = lambda width, name: dense.Dense(
      (width,), dtype=self.dtype, name=name
    )
    y = nn.relu(layer(squeezed(d), 'fc1')(x.mean((1, 2, 3), keepdims=True)))
    return x * nn.sigmoid(layer(d, 'fc2')(y))


class Block(nn.Module):
  """An inverted bottleneck. Sites: those of `convolution.residual`.

  Attributes:
    width: channels that it gives.
    inner: channels between.
    stride: along h and w.
    excited: whether channels are weighed.
    unit: makes convolutions with BatchNorm.
    shortcut_norm: whether a shortcut with strides alone has a BatchNorm.
    dtype: of the computation.
  """

  width: int
  inner: int
  stride: int
  excited: bool
  unit: Callable[..., nn.Module]
  shortcut_norm: bool
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [b, t, h, w, c] to [b, t, h', w', width]."""
    strides = (1, self.stride, self.stride)
    each = lambda *size, name: Depthwise(*size, dtype=self.dtype, name=name)

    def branch(y):
      y = self.unit(self.inner, name='a')(y)
      alone = self.unit(
        self.inner, (3, 3, 3), strides, relu=False, conv=each, name='b'
      )
      y = alone(y)
      if self.excited:
        y = Excitation(self.dtype, name='se')(y)
      return self.unit(self.width, relu=False, name='c')(activations.silu(y))

    return convolution.residual(x, branch, self.shortcut(x.shape[-1], strides))

  @nn.nowrap
  def shortcut(
    self, given: int, strides: convolution.Size
  ) -> Callable[..., jax.Array] | None:
    """Returns the shortcut of so many channels, None for the identity."""
    size = self.width, convolution.ONE, strides
    if given != self.width or (self.stride > 1 and self.shortcut_norm):
      return self.unit(*size, relu=False, name='shortcut')
    if self.stride > 1:
      return convolution.Conv(*size, dtype=self.dtype, name='shortcut')
    return None


class X3D(convolution.ConvNet):
  """X3D without its classifier.

  Attributes:
    width: of the stem and the first stage; doubles from stage to stage.
    depths: blocks of each stage; the first of each halves the grid.
    summary: width of what the classifier reads.
    shortcut_norm: whether a shortcut that has strides, and as many channels as
      before, has a BatchNorm: in PySlowFast, and not in PyTorchVideo.
  """

  width: ranges.Count = 24
  depths: ranges.Counts = (3, 5, 11, 7)
  summary: ranges.Count = 2048
  shortcut_norm: bool = True

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> features.Features:
    """Maps [b, T, H, W, 3] to a grid [b, T, H / 32, W / 32, 432]."""
    unit = self.unit(train, kernel_init=convolution.FAN_OUT)
    x = convolution.Conv(
      self.width,
      (1, 3, 3),
      _HALVED,
      kernel_init=convolution.FAN_OUT,
      dtype=self.dtype,
      name='stem_spatial',
    )(video)
    each = lambda *size, name: Depthwise(*size, dtype=self.dtype, name=name)
    x = unit(self.width, (5, 1, 1), conv=each, name='stem')(x)
    block = self.block(Block)
    for i, depth in enumerate(self.depths):
      width = self.width * 2**i
      for j in range(depth):
        module = block(
          width,
          int(_EXPANSION * width),
          stride=1 if j else 2,
          excited=j % 2 == 0,
          unit=unit,
          shortcut_norm=self.shortcut_norm,
          dtype=self.dtype,
          name=f'stage{i + 1}_block{j}',
        )
        x = tapping.tap(module(x))
    x = unit(int(_EXPANSION * width), name='conv_5')(x)
    return features.Features(x, self.summarise(x.mean((1, 2, 3))))

  @nn.nowrap
  def summarise(self, mean: jax.Array) -> jax.Array:
    """Maps the mean of the grid [b, d] to what the classifier reads."""
    layer = dense.Dense(
      (self.summary,), use_bias=False, dtype=self.dtype, name='lin_5'
    )
    return nn.relu(layer(mean))


_Variant = Annotated[str, ranges.OneOf(VARIANTS)]


def build(*, variant: _Variant | None = None, **fields) -> X3D:
  """Builds an X3D.

  Args:
    variant: 'M', which is XS and S as well, or 'L': its depths. Without it,
      `fields` must have them.
    **fields: of `X3D`; they precede the variant's.

  Raises:
    ValueError: if there is no such variant, field or value.
  """
  return variants.make(X3D, fields, variant, VARIANTS)
