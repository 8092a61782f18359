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

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import ranges
from vidpetl.backbones import devices, layers, torch_layers
from vidpetl.backbones import remat as remat_lib
from vidpetl.backbones import site as site_lib

Size = tuple[int, int, int]
Pads = tuple[tuple[int, int], ...]

NORM_STATISTICS = ('batch', 'frozen')
ONE = (1, 1, 1)

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

  The edge is padded before, and what is pooled is named: ONNX has no other
  way of pooling in three dimensions.
  """
  if any(map(any, pads)):
    beyond = [(0, 0), *pads, (0, 0)]
    x = jnp.pad(x, beyond, constant_values=-jnp.inf)
  return nn.max_pool(x, window_shape=kernel, strides=strides)


def direct(
  x: jax.Array, kernel: jax.Array, strides: Size, pads: Pads
) -> jax.Array:
  """Convolves [b, t, h, w, c] with [i, j, k, c, d]."""
  return jax.lax.conv_general_dilated(
    x, kernel, strides, pads, dimension_numbers=('NDHWC', 'DHWIO', 'NDHWC')
  )


def by_taps(
  x: jax.Array, kernel: jax.Array, strides: Size, pads: Pads
) -> jax.Array:
  """`direct` as a sum of 2-D convolutions, one for each tap in time.

  XLA has fast kernels for 2-D convolutions on CPU, and none for 3-D ones. For
  the gradient with respect to a kernel it has no fast one; for large layers
  that is by columns, which rules out forward-mode differentiation.
  """
  places = jax.eval_shape(lambda *a: _taps(*a, strides, pads), x, kernel).shape
  if not _columns_pay(*places[2:4], *kernel.shape[3:]):
    return _taps(x, kernel, strides, pads)
  y = _taps(x, jax.lax.stop_gradient(kernel), strides, pads)
  # Zeros whose gradient is the kernel's, made only where that is asked for.
  return y + _zeros(jax.lax.stop_gradient(x), kernel, y.shape, strides, pads)


def _taps(x, kernel, strides, pads):
  """`by_taps` with XLA's gradients."""
  time, *space = pads
  x = jnp.pad(x, [(0, 0), time, *[(0, 0)] * 3])
  step = strides[0]
  t = (x.shape[1] - len(kernel)) // step + 1
  return sum(
    _in_frames(x[:, i : i + (t - 1) * step + 1 : step], tap, strides[1:], space)
    for i, tap in enumerate(kernel)
  )


def folded(
  x: jax.Array, kernel: jax.Array, strides: Size, pads: Pads
) -> jax.Array:
  """`direct` as one 2-D convolution, the taps in time beside the channels.

  For NVIDIA's GPUs: XLA lays 2-D convolutions out channels last there, and 3-D
  ones channels first, which cuDNN's kernels then turn round and back.
  """
  (i, j, k, c, d), (time, *space) = kernel.shape, pads
  if i > 1 or strides[0] > 1 or any(time):
    x = jnp.pad(x, [(0, 0), time, *[(0, 0)] * 3])
    last = x.shape[1] - i + 1
    seen = [x[:, tap : tap + last : strides[0]] for tap in range(i)]
    x = jnp.concatenate(seen, -1)
  kernel = kernel.transpose(1, 2, 0, 3, 4).reshape(j, k, i * c, d)
  return _in_frames(x, kernel, strides[1:], space)


def _columns_pay(h: int, w: int, c: int, d: int) -> bool:
  """Whether the gradient of a kernel is faster by columns than by XLA.

  Measured on 2 cores with layers of R3D, R(2+1)D and I3D: 0.9 to 3.3 times as
  fast where this holds, mostly 1.2 to 2.5, and down to half as fast elsewhere.
  A size that an export leaves free is no number, and nobody trains an export.

  Args:
    h: height of the output.
    w: width of the output.
    c: channels that the layer is given.
    d: channels that it gives.
  """
  known = isinstance(h, int) and isinstance(w, int)
  return known and c >= 16 and d >= 64 and h * w * d >= 40_000


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _zeros(x, kernel, shape, strides, pads):
  """Zeros of a shape [b, t, h, w, d]; see `by_taps`."""
  del kernel, strides, pads
  return jnp.zeros(shape, x.dtype)


def _zeros_forward(x, kernel, shape, strides, pads):
  return _zeros(x, kernel, shape, strides, pads), (x, kernel)


def _zeros_backward(shape, strides, pads, kept, dy):
  del shape
  x, kernel = kept
  return None, kernel_gradient(x, dy, kernel.shape[:3], strides, pads)


_zeros.defvjp(_zeros_forward, _zeros_backward)


def kernel_gradient(
  x: jax.Array, dy: jax.Array, size: Size, strides: Size, pads: Pads
) -> jax.Array:
  """The gradient of `direct` with respect to its kernel, by columns.

  Args:
    x: [b, T, H, W, c].
    dy: gradient of the output, [b, t, h, w, d].
    size: of the kernel, (i, j, k).
    strides: of the kernel.
    pads: of `x`.

  Returns:
    [i, j, k, c, d].
  """
  (t, h, w, d), c = dy.shape[1:], x.shape[-1]
  taps, step = size[0], strides[0]
  length = math.prod(size[1:]) * c

  def add(total, example):  # One at a time, as columns are large.
    volume, dy = example
    columns = _columns(volume, (h, w), size[1:], strides[1:])
    # Made once, and not again within each product.
    columns = jax.lax.optimization_barrier(columns)
    products = (
      jnp.matmul(
        dy.T,
        columns[i : i + (t - 1) * step + 1 : step].reshape(-1, length),
        preferred_element_type=jnp.float32,
      )
      for i in range(taps)
    )
    return total + jnp.stack(list(products)), None

  x = jnp.pad(x, [(0, 0), *pads, (0, 0)])
  nothing = jnp.zeros((taps, d, length), jnp.float32)
  total, _ = jax.lax.scan(add, nothing, (x, dy.reshape(len(dy), -1, d)))
  return total.swapaxes(1, 2).reshape(*size, c, d).astype(dy.dtype)


def _columns(volume, places, size, strides):
  """Maps [T, H, W, c] to what kernels [j, k] see of it, [T, h, w, j k c]."""
  h, w = ((n - 1) * s + 1 for n, s in zip(places, strides))
  seen = [
    volume[:, j : j + h : strides[0], k : k + w : strides[1]]
    for j in range(size[0])
    for k in range(size[1])
  ]
  return jnp.concatenate(seen, -1)


def _in_frames(x, kernel, strides, pads):
  """Convolves each frame of [b, t, h, w, c] with [j, k, c, d]."""
  if kernel.shape[:2] == (1, 1) and not any(map(any, pads)):
    return x[:, :, :: strides[0], :: strides[1]] @ kernel[0, 0]
  y = jax.lax.conv_general_dilated(
    x.reshape(-1, *x.shape[2:]),
    kernel,
    strides,
    pads,
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )
  return y.reshape(*x.shape[:2], *y.shape[1:])


def by_platform(
  x: jax.Array, kernel: jax.Array, strides: Size, pads: Pads
) -> jax.Array:
  """Convolves in the form that is fastest where the program will run.

  Of sizes that are not known yet, it cannot be told that all forms give the
  same ones.
  """
  if not all(isinstance(size, int) for size in x.shape[1:4]):
    return by_taps(x, kernel, strides, pads)
  here = lambda form: functools.partial(form, strides=strides, pads=pads)
  return jax.lax.platform_dependent(
    x, kernel, cpu=here(by_taps), cuda=here(folded), default=here(direct)
  )


FORMS = {'cpu': by_taps, 'gpu': folded, 'any': by_platform}


def form(device: Any = None) -> Callable[..., jax.Array]:
  """Returns the form that is fastest there.

  Args:
    device: that computes; what is compiled for, if not given.
  """
  return FORMS.get((device or devices.current()).platform, direct)


class Conv(nn.Module):
  """A convolution in time and space.

  Attributes:
    width: channels that it gives.
    kernel: size.
    strides: of the kernel.
    padding: see the module.
    kernel_init: initialiser of the kernel.
    use_bias: whether there is a bias.
    dtype: of the computation.
  """

  width: int
  kernel: Size = ONE
  strides: Size = ONE
  padding: Callable[..., Pads] = centred
  kernel_init: Callable[..., jax.Array] = UNIFORM
  use_bias: bool = False
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [b, t, h, w, c] to [b, t', h', w', width]."""
    shape = (*self.kernel, x.shape[-1], self.width)
    kernel = self.param('kernel', self.kernel_init, shape).astype(self.dtype)
    pads = self.padding(x.shape[1:4], self.kernel, self.strides)
    y = form()(x.astype(self.dtype), kernel, self.strides, pads)
    if not self.use_bias:
      return y
    taps = shape[0] * shape[1] * shape[2] * shape[3]
    bias = self.param('bias', torch_layers.uniform(taps), (self.width,))
    return y + bias.astype(self.dtype)


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
  ) -> Callable[..., Unit]:
    """Returns what makes this network's `Unit`s."""
    conv = functools.partial(
      Conv,
      padding=padding,
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
  grid = site_lib.Grid(*x.shape[1:4])
  return site_lib.site(name, x, given=given, grid=grid)


def enter(x: jax.Array) -> jax.Array:
  """The site `block_in`."""
  return site('block_in', layers.constrain_batch(x))


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
