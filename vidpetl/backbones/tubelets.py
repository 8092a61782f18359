"""Videos cut into tubelets, the numbers of each in a row."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from vidpetl.backbones import devices, planes
from vidpetl.backbones import site as site_lib

Size = site_lib.Size

# Numbers of a tubelet that lie side by side in a video, at most, for which a
# TPU picks them by a product: its copies keep as few in tiles of 128. Of more,
# it convolves.
_FEW = 16


def cut(video: jax.Array, size: Size) -> jax.Array:
  """Maps [b, T, H, W, c] to [b, t, h, w, i j k c].

  Args:
    video: whose axes are multiples of `size`.
    size: (i, j, k) frames, height and width of a tubelet.
  """
  if devices.current().platform == 'tpu' and _few(video, size):
    return picked(video, size)
  (i, j, k), (b, *sizes, c) = size, video.shape
  t, h, w = (s // p for s, p in zip(sizes, size))
  x = video.reshape(b, t, i, h, j, w, k, c)
  return x.transpose(0, 1, 3, 5, 2, 4, 6, 7).reshape(b, t, h, w, -1)


def _few(video: jax.Array, size: Size) -> bool:
  return size[2] * video.shape[-1] <= _FEW


def embed(video: jax.Array, kernel: jax.Array) -> jax.Array:
  """Maps [b, T, H, W, c] to [b, t, h, w, d], the product of `cut` and a kernel.

  A TPU stores three channels in tiles of 128, and copies these where tubelets
  are cut. Its convolutions of images read them as they lie.

  Args:
    video: whose axes are multiples of the kernel's.
    kernel: [i, j, k, c, d].
  """
  size = kernel.shape[:3]
  if devices.current().platform == 'tpu' and not _few(video, size):
    return convolved(video, kernel)
  return cut(video, size) @ kernel.reshape(-1, kernel.shape[-1])


def convolved(video: jax.Array, kernel: jax.Array) -> jax.Array:
  """`embed`, as a sum of convolutions, one for each frame of a tubelet.

  A single one, with frames beside the channels (`planes.folded`), copies them.
  """
  i, j, k = kernel.shape[:3]
  b, frames, *image = video.shape
  parts = video.reshape(b, frames // i, i, *image)
  y = sum(
    planes.in_frames(parts[:, :, n], kernel[n], (j, k), dtype=jnp.float32)
    for n in range(i)
  )
  return y.astype(video.dtype)


def picked(video: jax.Array, size: Size) -> jax.Array:
  """`cut`, with the pixels of each line in their order by a product.

  Its factor has a one in each row and column, so that nothing is rounded.
  Lines of k x w pixels are then transposed as wholes.
  """
  (i, j, k), (b, *sizes, c) = size, video.shape
  t, h, w = (s // p for s, p in zip(sizes, size))
  place = jnp.arange(w * k)
  order = (place % k) * w + place // k
  x = jnp.einsum(
    'btihjpc,pq->bthijcq',
    video.reshape(b, t, i, h, j, w * k, c),
    jax.nn.one_hot(order, w * k, dtype=video.dtype),
    precision=jax.lax.Precision.HIGHEST,
  )
  x = x.reshape(b, t, h, i, j, c, k, w)
  return x.transpose(0, 1, 2, 7, 3, 4, 6, 5).reshape(b, t, h, w, -1)
