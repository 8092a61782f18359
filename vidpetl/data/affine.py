"""Affine changes of a clip, as Pillow's `Image.transform` makes them.

A matrix (a, b, c, d, e, f), float32 [6], says where in the content the pixel
with its centre at (x, y) is taken from: (a x + b y + c, d x + e y + f).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def rotate(degrees: jax.Array, size: jax.Array) -> jax.Array:
  """Returns the matrix of a turn about the middle, counter-clockwise.

  Args:
    degrees: float32 [].
    size: [2], height and width of the content.
  """
  y, x = size / 2
  angle = jnp.deg2rad(degrees)
  cos, sin = jnp.cos(angle), jnp.sin(angle)
  # fmt: off
  return jnp.stack([
    cos, -sin, x - cos * x + sin * y,
    sin, cos, y - sin * x - cos * y,
  ])
  # fmt: on


def shear_x(factor: jax.Array, size: jax.Array) -> jax.Array:
  """Returns the matrix that moves rows, the more the lower they are."""
  del size
  return _unchanged().at[1].set(factor)


def shear_y(factor: jax.Array, size: jax.Array) -> jax.Array:
  """Returns the matrix that moves columns, the more to the right they are."""
  del size
  return _unchanged().at[3].set(factor)


def translate_x(share: jax.Array, size: jax.Array) -> jax.Array:
  """Returns the matrix of a move to the left by a share of the width."""
  return _unchanged().at[2].set(share * size[1])


def translate_y(share: jax.Array, size: jax.Array) -> jax.Array:
  """Returns the matrix of a move upwards by a share of the height."""
  return _unchanged().at[5].set(share * size[0])


def _unchanged() -> jax.Array:
  return jnp.array([1.0, 0.0, 0.0, 0.0, 1.0, 0.0])


def resample(
  clip: jax.Array,
  size: jax.Array,
  matrix: jax.Array,
  *,
  interpolation: str,
  fill: int,
) -> jax.Array:
  """Returns a clip uint8 [t, R, R, 3], of the content changed by a matrix.

  Args:
    clip: with its content at the top left.
    size: int32 [2], height and width of the content.
    matrix: see above.
    interpolation: a key of `INTERPOLATIONS`.
    fill: level of what lies outside of the content.
  """
  frames, side = clip.shape[:2]
  center = jnp.arange(side * side)
  x, y = center % side + 0.5, center // side + 0.5
  a, b, c, d, e, f = matrix
  x, y = a * x + b * y + c, d * x + e * y + f
  height, width = size
  outside = (x < 0) | (x >= width) | (y < 0) | (y >= height)
  left, top = (jnp.floor(at - 0.5) for at in (x, y))
  right, down = (x - 0.5 - left)[:, None], (y - 0.5 - top)[:, None]
  # All frames of a pixel lie together, so that each is found once.
  pixels = clip.transpose(1, 2, 0, 3).reshape(side * side, -1)
  taps, interpolate = INTERPOLATIONS[interpolation]
  columns = [_index(left + tap, width) for tap in taps]
  rows = []
  for tap in taps:
    row = _index(top + tap, height) * side
    values = [pixels[row + column].astype(jnp.float32) for column in columns]
    rows.append(interpolate(*values, right))
  # Pillow cuts fractions off.
  value = jnp.clip(interpolate(*rows, down), 0.0, 255.0).astype(jnp.uint8)
  value = jnp.where(outside[:, None], jnp.uint8(fill), value)
  return value.reshape(side, side, frames, 3).transpose(2, 0, 1, 3)


def _index(place: jax.Array, length: jax.Array) -> jax.Array:
  return jnp.clip(place.astype(jnp.int32), 0, jnp.maximum(length - 1, 0))


def _linear(first, second, at):
  return first + (second - first) * at


def _cubic(before, first, second, after, at):
  """Returns the cubic convolution with a = -1, as Pillow's transforms have it.

  Its `resize` has a = -0.5.
  """
  # What is even stays exactly as it is: all differences are 0.
  cube = (first - before) + (after - second)
  square = (before - first) - cube
  return first + at * (second - before + at * (square + at * cube))


INTERPOLATIONS = {
  'bilinear': ((0, 1), _linear),
  'bicubic': ((-1, 0, 1, 2), _cubic),
}

CHANGES = {
  'Rotate': rotate,
  'ShearX': shear_x,
  'ShearY': shear_y,
  'TranslateXRel': translate_x,
  'TranslateYRel': translate_y,
}
