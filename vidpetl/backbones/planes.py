"""3-D convolutions as 2-D ones, one for each tap in time or one for all.

XLA has fast kernels for 2-D convolutions on CPU and GPU, and none, or slower
ones, for 3-D ones. Volumes are [b, t, h, w, d].
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from vidpetl.backbones import dense
from vidpetl.backbones import site as site_lib

Size = site_lib.Size
Pads = tuple[tuple[int, int], ...]

# Of fewer channels, such as a video's three, a tap makes too small a product.
_FEWEST_CHANNELS = 16
# Of a frame of fewer, the gradient of a kernel makes too small a product.
_FEWEST_PLACES = 700


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
    x, kernel, strides, pads = _one_tap(x, kernel, strides, pads)
  if not _frames_pay(x.shape, kernel.shape, strides):
    return _taps(x, kernel, strides, pads)
  y = _taps(x, jax.lax.stop_gradient(kernel), strides, pads)
  # Zeros whose gradient is the kernel's, made only where that is asked for.
  x = jax.lax.stop_gradient(x)
  return y + _zeros(x, kernel, y.shape, strides, pads)


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
  x, kernel, strides, pads = _one_tap(x, kernel, strides, pads)
  return _in_frames(x, kernel[0], strides[1:], pads[1:])


def _one_tap(
  x: jax.Array, kernel: jax.Array, strides: Size, pads: Pads
) -> tuple[jax.Array, jax.Array, Size, Pads]:
  """Returns a convolution of one tap in time that is the same."""
  (i, j, k, c, d), (time, *space) = kernel.shape, pads
  x = _taps_beside(x, i, strides[0], time)
  kernel = kernel.transpose(1, 2, 0, 3, 4).reshape(1, j, k, i * c, d)
  return x, kernel, (1, *strides[1:]), ((0, 0), *space)


def _taps_beside(
  x: jax.Array, taps: int, step: int, pads: tuple[int, int]
) -> jax.Array:
  """Maps [b, T, h, w, c] to what taps in time see, [b, t, h, w, taps c]."""
  if taps == step == 1 and not any(pads):
    return x
  x = jnp.pad(x, [(0, 0), pads, *[(0, 0)] * 3])
  last = x.shape[1] - taps + 1
  return jnp.concatenate([x[:, i : i + last : step] for i in range(taps)], -1)


def _in_frames(x, kernel, strides, pads):
  """`in_frames`, or a product if that is what it is."""
  if kernel.shape[:2] == (1, 1) and not any(map(any, pads)):
    return dense.product(x[:, :, :: strides[0], :: strides[1]], kernel[0, 0])
  return in_frames(x, kernel, strides, pads)


def in_frames(
  x: jax.Array,
  kernel: jax.Array,
  strides: tuple[int, int],
  pads: Pads = ((0, 0), (0, 0)),
  dtype: Any = None,
) -> jax.Array:
  """Convolves each frame of [b, t, h, w, c] with [j, k, c, d].

  Args:
    x: volume.
    kernel: of images.
    strides: along height and width.
    pads: zeros before and after, along both.
    dtype: of the result, if it is another than that of `x`.
  """
  y = jax.lax.conv_general_dilated(
    x.reshape(-1, *x.shape[2:]),
    kernel,
    strides,
    pads,
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    preferred_element_type=dtype,
  )
  return y.reshape(*x.shape[:2], *y.shape[1:])


def _frames_pay(
  shape: tuple[int, ...], kernel: tuple[int, ...], strides: Size
) -> bool:
  """Whether the gradient of a kernel is faster by frames than by XLA.

  Measured on one core, XLA's processor time over that by frames: of 3 x 3 x 3
  kernels 2.6 for a video's three channels at 112 x 112, 5 for 64 to 128 at 56
  x 56, 1.7 to 3.4 at 28 x 28, 0.6 to 0.8 at 14 x 14; of 1 x 3 x 3 kernels 3.5
  at 56 x 56, 1.3 at 28 x 28, 1.0 at 14 x 14; of 3 x 1 x 1 kernels 1.2 and 0.75
  at 56 x 56 and 28 x 28; with strides 1.5 to 2.6 where 28 x 28 are made.
  A size that an export leaves free is no number, and nobody trains an export.

  Args:
    shape: of the input, [b, t, h, w, c].
    kernel: its shape, [i, j, k, c, d].
    strides: of the kernel.
  """
  if not all(isinstance(size, int) for size in shape):
    return False
  places = math.prod(shape[2:4]) // math.prod(strides[1:])
  return places >= _FEWEST_PLACES and math.prod(kernel[:3]) > 1


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
  """The gradient of `direct` with respect to its kernel.

  Args:
    x: [b, T, H, W, c].
    dy: gradient of the output, [b, t, h, w, d].
    size: of the kernel, (i, j, k).
    strides: of the kernel.
    pads: of `x`.

  Returns:
    [i, j, k, c, d].
  """
  taps, (time, *space) = size[0], pads
  x = jnp.pad(x, [(0, 0), (0, 0), *space, (0, 0)])
  if strides[0] == 1:
    return _by_frames(x, dy, size, strides[1:], time[0])
  seen = _taps_beside(x, taps, strides[0], time)
  found = _by_frames(seen, dy, (1, *size[1:]), strides[1:], 0)
  found = found.reshape(*size[1:], taps, x.shape[-1], dy.shape[-1])
  return found.transpose(2, 0, 1, 3, 4)


def _by_frames(
  x: jax.Array,
  dy: jax.Array,
  size: Size,
  steps: tuple[int, int],
  before: int,
) -> jax.Array:
  """`kernel_gradient`, of strides 1 in time.

  Of each frame of `x` it lays out what kernels see of it, and multiplies that
  by the gradients of all the outputs that this frame is a part of. Channels
  come first, so that what is laid out are rows of an image, and the products
  transpose nothing.

  Args:
    x: [b, T, H, W, c], padded in space.
    dy: [b, t, h, w, d].
    size: (i, j, k).
    steps: strides in space.
    before: frames of zeros that the kernel sees before x.
  """
  (b, frames), (t, h, w, d), c = x.shape[:2], dy.shape[1:], x.shape[-1]
  taps, places = size[0], h * w
  # A loop of its own, or else XLA makes x anew for each element.
  first = lambda frame: frame.transpose(2, 0, 1)
  x = jax.lax.map(first, x.reshape(-1, *x.shape[2:]))
  # Frame f is a part of the outputs f + before - taps + 1 to f + before.
  around = [(0, 0), (taps - 1 - before, frames + before - t), (0, 0)]
  dy = jnp.pad(dy.reshape(b, t, -1), around)

  def add(total, number):
    seen = jax.lax.dynamic_index_in_dim(x, number, keepdims=False)
    outputs = jax.lax.dynamic_slice(
      dy, (number // frames, number % frames, 0), (1, taps, places * d)
    ).reshape(taps, places, d)
    product = jnp.matmul(
      _columns(seen, size[1:], steps, h, w),
      outputs.swapaxes(0, 1).reshape(places, -1),
      preferred_element_type=jnp.float32,
    )
    return total + product, None

  nothing = jnp.zeros((math.prod(size[1:]) * c, taps * d), jnp.float32)
  total, _ = jax.lax.scan(add, nothing, jnp.arange(b * frames))
  total = total.reshape(*size[1:], c, taps, d)[..., ::-1, :]
  return total.transpose(3, 0, 1, 2, 4).astype(dy.dtype)


def _columns(frame, size, steps, h, w):
  """Maps [c, H, W] to what kernels [j, k] see of it, [j k c, h w]."""
  (down, along), (j, k) = steps, size
  seen = [
    frame[
      :, top : top + (h - 1) * down + 1 : down,
      left : left + (w - 1) * along + 1 : along,
    ]
    for top in range(j)
    for left in range(k)
  ]  # fmt: skip
  return jnp.stack(seen).reshape(-1, h * w)
