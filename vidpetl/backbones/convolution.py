"""What the convolutional backbones share: convolution, norm, padding, pooling.

Activations are volumes [b, t, h, w, d]. Padding is a function `(sizes, kernel,
strides) -> ((before, after), ...)` over t, h and w, because the frameworks in
which these networks were published do not agree on it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar

import einops
import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import ranges
from vidpetl.backbones import (
  devices,
  layers,
  planes,
  pooling,
  rounded,
  torch_layers,
)
from vidpetl.backbones import remat as remat_lib
from vidpetl.backbones import site as site_lib

Size = site_lib.Size
Pads = planes.Pads

NORM_STATISTICS = ('batch', 'frozen')
ONE = (1, 1, 1)
# Cells of an image that lie apart, as images of their own; see `dilated`.
_IMAGE, _PARTS = 'b t (h i) (w j) c', '(b i j) t h w c'

# Of kernels: He et al.'s for ReLU, and what PyTorch's layers start from.
FAN_OUT = nn.initializers.variance_scaling(2.0, 'fan_out', 'normal')
UNIFORM = nn.initializers.variance_scaling(1 / 3, 'fan_in', 'uniform')


def centred(sizes: Size, kernel: Size, strides: Size) -> Pads:
  """Half a kernel on both sides, as PyTorch's networks have it."""
  del sizes, strides
  return tuple((k // 2, k // 2) for k in kernel)


def same(sizes: Size, kernel: Size, strides: Size) -> Pads:
  """TensorFlow's: what ceil(size / stride) outputs need, the odd one behind."""
  needed = (
    max((-(-n // s) - 1) * s + k - n, 0)
    for n, k, s in zip(sizes, kernel, strides)
  )
  return tuple((n // 2, n - n // 2) for n in needed)


def static(sizes: Size, kernel: Size, strides: Size) -> Pads:
  """`same` as it is where strides divide the sizes, for whatever sizes."""
  del sizes
  needed = (max(k - s, 0) for k, s in zip(kernel, strides))
  return tuple((n // 2, n - n // 2) for n in needed)


def max_pool(
  x: jax.Array, kernel: Size, strides: Size, pads: Pads = ()
) -> jax.Array:
  """Max-pools [b, t, h, w, d]; nothing beyond the edge is ever the largest.

  In exports the edge is padded before, and what is pooled is named: ONNX has no
  other way of pooling in three dimensions.
  """
  if any(map(any, pads)):
    beyond = [(0, 0), *pads, (0, 0)]
    x = jnp.pad(x, beyond, constant_values=-jnp.inf)
  on = devices.current()
  if on.platform == 'cpu' and on is not devices.CPU:
    return pooling.by_axes(x, kernel, strides)
  return nn.max_pool(x, window_shape=kernel, strides=strides)


def direct(
  x: jax.Array, kernel: jax.Array, strides: Size, pads: Pads
) -> jax.Array:
  """Convolves [b, t, h, w, c] with [i, j, k, c, d]."""
  return jax.lax.conv_general_dilated(
    x, kernel, strides, pads, dimension_numbers=('NDHWC', 'DHWIO', 'NDHWC')
  )


def by_platform(
  x: jax.Array, kernel: jax.Array, strides: Size, pads: Pads
) -> jax.Array:
  """Convolves in the form that is fastest where the program will run.

  Of sizes not known yet, it cannot be told that all forms give the same.
  """
  if not all(isinstance(size, int) for size in x.shape[1:4]):
    return planes.by_taps(x, kernel, strides, pads)
  here = lambda form: functools.partial(form, strides=strides, pads=pads)
  return jax.lax.platform_dependent(
    x,
    kernel,
    cpu=here(planes.by_taps),
    cuda=here(planes.folded),
    default=here(direct),
  )


FORMS = {'cpu': planes.by_taps, 'gpu': planes.folded, 'any': by_platform}


def form(device: Any = None) -> Callable[..., jax.Array]:
  """Returns the form that is fastest there.

  Args:
    device: that computes; what is compiled for, if not given.
  """
  return FORMS.get((device or devices.current()).platform, direct)


def dilated(
  apply: Callable[..., jax.Array], step: int
) -> Callable[..., jax.Array]:
  """Returns a form whose taps are `step` cells apart in height and width.

  Cells that are so far apart make up images of their own, and each of these is
  convolved as usual, with the same zeros around. Strides are 1.

  Args:
    apply: the form of taps side by side.
    step: cells.
  """
  if step == 1:
    return apply

  def apart(
    x: jax.Array, kernel: jax.Array, strides: Size, pads: Pads
  ) -> jax.Array:
    h, w = x.shape[2:4]
    x = jnp.pad(x, [(0, 0)] * 2 + [(0, -h % step), (0, -w % step), (0, 0)])
    x = einops.rearrange(x, f'{_IMAGE} -> {_PARTS}', i=step, j=step)
    x = apply(x, kernel, strides, pads)
    x = einops.rearrange(x, f'{_PARTS} -> {_IMAGE}', i=step, j=step)
    return x[:, :, :h, :w]

  return apart


class Conv(nn.Module):
  """A convolution in time and space. Site: `layer`.

  Attributes:
    width: channels that it gives.
    kernel: size.
    strides: of the kernel.
    padding: see the module.
    dilation: how far apart its taps are in height and width; see `dilated`.
    kernel_init: initialiser of the kernel.
    use_bias: whether there is a bias.
    dtype: of the computation.
  """

  width: int
  kernel: Size = ONE
  strides: Size = ONE
  padding: Callable[..., Pads] = centred
  dilation: int = 1
  kernel_init: Callable[..., jax.Array] = UNIFORM
  use_bias: bool = False
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [b, t, h, w, c] to [b, t', h', w', width]."""
    shape = (*self.kernel, x.shape[-1], self.width)
    kernel = self.param('kernel', self.kernel_init, shape)
    pads = self.padding(x.shape[1:4], self.kernel, self.strides)
    here = functools.partial(
      dilated(form(), self.dilation), strides=self.strides, pads=pads
    )
    apply = functools.partial(rounded.apply, here)
    x, bias = x.astype(self.dtype), None
    y = apply(x, kernel)
    if self.use_bias:
      init = torch_layers.uniform(math.prod(shape[:-1]))
      bias = self.param('bias', init, (self.width,))
      y = y + bias.astype(self.dtype)
    return site_lib.layer(y, site_lib.Linear(x, kernel, bias, 1, apply))


class Unit(nn.Module):
  """Convolution, BatchNorm and, if `relu`, ReLU.

  Attributes:
    width: channels that it gives.
    kernel: size.
    strides: of the kernel.
    relu: whether ReLU follows.
    conv: makes the convolution.
    norm: makes the BatchNorm.
  """

  width: int
  kernel: Size = ONE
  strides: Size = ONE
  relu: bool = True
  conv: Callable[..., nn.Module] = Conv
  norm: Callable[..., nn.Module] = nn.BatchNorm

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [b, t, h, w, c] to [b, t', h', w', width]."""
    x = self.conv(self.width, self.kernel, self.strides, name='conv')(x)
    x = self.norm(name='norm')(x)
    return nn.relu(x) if self.relu else x


class ConvNet(nn.Module):
  """A backbone of convolutions with BatchNorm.

  The running statistics are in the collection 'batch_stats'. They take up the
  variance of a batch as it is, where PyTorch's take up n / (n - 1) times it,
  over n places of a channel in the batch.

  Attributes:
    norm_statistics: by which BatchNorm normalises in training: 'batch', those
      of the batch, which move the running ones; or 'frozen', the running ones,
      which stay. In evaluation it is always the running ones.
    momentum: share of the running statistics that a step keeps. This is 1 -
      PyTorch's momentum.
    epsilon: of the BatchNorms.
    remat: what the backward pass computes again: `remat.Simple`.
    dtype: of the computation; parameters and statistics are float32.
  """

  use_bias: ClassVar[bool] = False

  norm_statistics: Annotated[str, ranges.OneOf(NORM_STATISTICS)] = 'batch'
  momentum: ranges.Share = 0.9
  epsilon: ranges.Positive = 1e-5
  remat: remat_lib.Simple = False
  dtype: Any = jnp.float32

  @nn.nowrap
  def unit(
    self,
    train: bool,
    padding: Callable[..., Pads] = centred,
    kernel_init: Callable[..., jax.Array] = UNIFORM,
    dilation: int = 1,
  ) -> Callable[..., Unit]:
    """Returns what makes this network's `Unit`s."""
    conv = functools.partial(
      Conv,
      padding=padding,
      dilation=dilation,
      kernel_init=kernel_init,
      use_bias=self.use_bias,
      dtype=self.dtype,
    )
    norm = functools.partial(
      nn.BatchNorm,
      use_running_average=not train or self.norm_statistics == 'frozen',
      momentum=self.momentum,
      epsilon=self.epsilon,
      dtype=self.dtype,
    )
    return functools.partial(Unit, conv=conv, norm=norm)

  @nn.nowrap
  def block(self, block: type[nn.Module]) -> Callable[..., nn.Module]:
    """Returns what makes such blocks, recomputed if `remat`."""
    return remat_lib.wrap_module(self.remat, block)


def site(name: str, x: jax.Array, given: jax.Array | None = None) -> jax.Array:
  """A site on volumes, which are their own grid."""
  return site_lib.site(name, x, given=given, grid=site_lib.Grid(*x.shape[1:4]))


def enter(x: jax.Array) -> jax.Array:
  """The site `block_in`."""
  return site('block_in', layers.constrain_batch(x))


def residual(
  x: jax.Array,
  branch: Callable[[jax.Array], jax.Array],
  shortcut: Callable[[jax.Array], jax.Array] | None = None,
) -> jax.Array:
  """A residual block with its sites, relu(branch(x) + shortcut(x)).

  Sites: `block_in`; `conv_in`, what the branch is given; `conv`, what it makes
  of it; `conv_residual`, that and the shortcut, before the ReLU; `block_out`.
  In a block with strides, `conv` is on a coarser grid than what it was given.

  Args:
    x: [b, t, h, w, c].
    branch: from there to [b, t', h', w', d].
    shortcut: the same; None is the identity.
  """
  x = enter(x)
  given = site('conv_in', x)
  y = site('conv', branch(given), given=given)
  short = shortcut(x) if shortcut else x
  y = site('conv_residual', y + short, given=short)
  return site('block_out', nn.relu(y), given=x)


def check_size(backbone: str, video: Sequence[int], least: Size) -> None:
  """Raises ValueError for a video that poolings would leave nothing of.

  Args:
    backbone: its name.
    video: shape [b, T, H, W, 3].
    least: frames, height and width that there must be.
  """
  for what, size, needed in zip(
    ('frames', 'height', 'width'), video[1:4], least
  ):
    if size < needed:
      raise ValueError(
        f'{backbone} needs videos of at least {needed} {what}, not {size}'
      )
