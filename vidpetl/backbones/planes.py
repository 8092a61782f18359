"""3-D convolutions as 2-D ones, one for each tap in time or one for all.

XLA has fast kernels for 2-D convolutions on CPU and GPU, and none, or slower
ones, for 3-D ones. Volumes are [b, t, h, w, d].
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp

from vidpetl.backbones import dense

Size = tuple[int, int, int]
Pads = tuple[tuple[int, int], ...]

# Of fewer channels, such as a video's three, a tap makes too small a product.
_FEWEST_CHANNELS = 16


def by_taps(
  x: jax.Array, kernel: jax.Array, strides: Size, pads: Pads
) -> jax.Array:
  """`convolution.direct` as a sum of 2-D convolutions, a tap in time each.

  What a tap sees beyond the first or last frame is zero, and is not computed:
  a third of the work on a grid of two frames, two thirds on a grid of one.

  For CPUs. The gradient of some kernels is made frame by frame, which rules out
  forward-mode differentiation.
  """
  if x.shape[-1] < _FEWEST_CHANNELS:
    return folded(x, kernel, strides, pads)
  if not _frames_pay(x.shape, strides):
    return _taps(x, kernel, strides, pads)
  y = _taps(x, jax.lax.stop_gradient(kernel), strides, pads)
  # Zeros whose gradient is the kernel's, made only where that is asked for.
  return y + _zeros(jax.lax.stop_gradient(x), kernel, y.shape, pads)


def _taps(x, kernel, strides, pads):
  """`by_taps` with XLA's gradients."""
  time, *space = pads
  if not isinstance(x.shape[1], int):  # An export leaves it free.
    x, time = jnp.pad(x, [(0, 0), time, *[(0, 0)] * 3]), (0, 0)
  frames = x.shape[1] + sum(time)
  count = (frames - len(kernel)) // strides[0] + 1
  # Gradients of what was split are concatenated; of slices, they are summed.
  taps = jnp.split(kernel, len(kernel))
  parts = [
    jnp.pad(
      _in_frames(x[:, seen], tap[0], strides[1:], space),
      [(0, 0), around, *[(0, 0)] * 3],
    )
    for tap, (seen, around) in zip(
      taps, _seen(x.shape[1], len(kernel), count, strides[0], time)
    )
    if seen is not None
  ]
  if not parts:  # Fewer frames than taps: there is no output.
    return folded(x, kernel, strides, pads)
  return sum(parts[1:], parts[0])


def _seen(
  frames: int, taps: int, count: int, step: int, pads: tuple[int, int]
) -> Iterator[tuple[slice | None, tuple[int, int]]]:
  """Yields what each tap sees.

  Args:
    frames: of the input.
    taps: of the kernel.
    count: frames of the output.
    step: stride.
    pads: frames of zeros before and after.

  Yields:
    The frames of the input, None if there are none; how many frames of the
    output, before and after, are made without this tap.
  """
  for tap in range(taps):
    first, last = 0, count - 1
    if any(pads):
      first = max(0, -((tap - pads[0]) // step))
      last = min(last, (frames - 1 - tap + pads[0]) // step)
    begin = first * step + tap - pads[0]
    if any(pads) and last < first:
      yield None, (0, 0)
    else:
      end = begin + (last - first) * step + 1
      yield slice(begin, end, step), (first, count - 1 - last)


def folded(
  x: jax.Array, kernel: jax.Array, strides: Size, pads: Pads
) -> jax.Array:
  """`convolution.direct` as one 2-D convolution, taps beside the channels.

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


def _in_frames(x, kernel, strides, pads):
  """Convolves each frame of [b, t, h, w, c] with [j, k, c, d]."""
  if kernel.shape[:2] == (1, 1) and not any(map(any, pads)):
    return dense.product(x[:, :, :: strides[0], :: strides[1]], kernel[0, 0])
  y = jax.lax.conv_general_dilated(
    x.reshape(-1, *x.shape[2:]),
    kernel,
    strides,
    pads,
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )
  return y.reshape(*x.shape[:2], *y.shape[1:])


def _frames_pay(shape: tuple[int, ...], strides: Size) -> bool:
  """Whether the gradient of a kernel is faster by frames than by XLA.

  Measured on one core, XLA's processor time over that by frames: at 56 x 56,
  1.1 for 3 x 3 x 3 kernels of 64 to 64 channels, 1.5 for 64 to 192, 3.2 for
  1 x 3 x 3 kernels of 64 to 144 and 2.7 for 3 x 1 x 1 ones back; at 28 x 28,
  0.9 to 1.05; at 14 x 14, 0.8 to 1.0; less with strides.
  A size that an export leaves free is no number, and nobody trains an export.

  Args:
    shape: of the input, [b, t, h, w, c].
    strides: of the kernel.
  """
  known = all(isinstance(size, int) for size in shape)
  return known and strides == (1, 1, 1) and math.prod(shape[2:4]) >= 2000


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _zeros(x, kernel, shape, pads):
  """Zeros of a shape [b, t, h, w, d]; see `by_taps`."""
  del kernel, pads
  return jnp.zeros(shape, x.dtype)


def _zeros_forward(x, kernel, shape, pads):
  return _zeros(x, kernel, shape, pads), (x, kernel)


def _zeros_backward(shape, pads, kept, dy):
  del shape
  x, kernel = kept
  return None, kernel_gradient(x, dy, kernel.shape[:3], pads)


_zeros.defvjp(_zeros_forward, _zeros_backward)


def kernel_gradient(
  x: jax.Array, dy: jax.Array, size: Size, pads: Pads
) -> jax.Array:
  """The gradient of `direct`, of strides 1, with respect to its kernel.

  Of each frame of `x` it lays out what kernels see of it, and multiplies that
  by the gradients of all the outputs that this frame is a part of.

  Args:
    x: [b, T, H, W, c].
    dy: gradient of the output, [b, t, h, w, d].
    size: of the kernel, (i, j, k).
    pads: of `x`.

  Returns:
    [i, j, k, c, d].
  """
  (b, frames), (t, h, w, d), c = x.shape[:2], dy.shape[1:], x.shape[-1]
  (before, _), *space = pads
  taps, places = size[0], h * w
  x = jnp.pad(x, [(0, 0), (0, 0), *space, (0, 0)])
  # Frame f is a part of the outputs f + before - taps + 1 to f + before.
  ahead = taps - 1 - before
  around = [(0, 0, 0)] * 3
  around[1] = (ahead, frames + before - t, 0)
  dy = jax.lax.pad(dy.reshape(b, t, -1), jnp.zeros((), dy.dtype), around)

  def add(total, number):
    example, frame = number // frames, number % frames
    seen = jax.lax.dynamic_index_in_dim(
      x.reshape(-1, *x.shape[2:]), number, keepdims=False
    )
    outputs = jax.lax.dynamic_slice(
      dy, (example, frame, 0), (1, taps, places * d)
    ).reshape(taps, places, d)
    # Made once, and not again within the product.
    columns, outputs = jax.lax.optimization_barrier(
      (_columns(seen, size[1:], h, w), outputs.swapaxes(0, 1))
    )
    product = jnp.matmul(
      outputs.reshape(places, -1).T,
      columns,
      preferred_element_type=jnp.float32,
    )
    return total + product, None

  nothing = jnp.zeros((taps * d, math.prod(size[1:]) * c), jnp.float32)
  total, _ = jax.lax.scan(add, nothing, jnp.arange(b * frames))
  total = total.reshape(taps, d, -1)[::-1].swapaxes(1, 2)
  return total.reshape(*size, c, d).astype(dy.dtype)


def _columns(frame, size, h, w):
  """Maps [H, W, c] to what kernels [j, k] see of it, [h w, j k c]."""
  seen = [
    frame[j : j + h, k : k + w] for j in range(size[0]) for k in range(size[1])
  ]
  return jnp.concatenate(seen, -1).reshape(h * w, -1)
