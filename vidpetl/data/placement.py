"""Which part of a clip's content goes where in the square: random draws.

A placement is a dict of one clip:

  begin, length: int32 [2], the rows and columns of the content that are taken.
  scaled: int32 [2], their height and width once resized.
  offset: int32 [2], where the square begins in what is resized.
  flip: bool [], whether the clip is mirrored, before all of this.
  size: int32 [2], height and width of the content in the square.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

Placement = dict[str, jax.Array]

# Draws of a random-resized-crop, of which the first that fits is taken.
TRIES = 10


def unchanged(size: jax.Array) -> Placement:
  """Returns the placement of clips [..., 2] that stay as they are."""
  return {
    'begin': jnp.zeros_like(size),
    'length': size,
    'scaled': size,
    'offset': jnp.zeros_like(size),
    'flip': jnp.zeros(size.shape[:-1], bool),
    'size': size,
  }


def jitter_scale(
  key: jax.Array,
  size: jax.Array,
  *,
  scales: tuple[float, float] | None,
  flip: bool,
  side: int,
) -> Placement:
  """Draws one clip's scale, where the square lies in it, and mirroring.

  Args:
    key: of the clip.
    size: int32 [2], height and width of the content.
    scales: range of the factor; None for 1.
    flip: whether every other clip is mirrored.
    side: R.
  """
  # All in one call: compiling a generator takes longer than all the rest.
  scale, mirror, *corner = jax.random.uniform(key, (4,))
  drawn = unchanged(size)
  if scales is not None:
    low, high = scales
    scaled = jnp.round(size * (low + (high - low) * scale)).astype(jnp.int32)
    scaled = jnp.where(size > 0, jnp.maximum(scaled, 1), 0)
    slack = jnp.maximum(scaled - side, 0)
    offset = jnp.floor(jnp.stack(corner) * (slack + 1)).astype(jnp.int32)
    drawn |= {
      'scaled': scaled,
      'offset': jnp.minimum(offset, slack),
      'size': jnp.minimum(scaled, side),
    }
  if flip:
    drawn['flip'] = mirror < 0.5
  return drawn


def crop(
  key: jax.Array,
  size: jax.Array,
  *,
  areas: tuple[float, float],
  ratios: tuple[float, float],
  flip: bool,
  side: int,
) -> Placement:
  """Draws one clip's random-resized-crop, which fills the square.

  Share of the area and ratio are drawn until they fit into the content. If
  none of 10 draws does, the crop is the largest one in the middle whose ratio
  is in the range.

  Args:
    key: of the clip.
    size: int32 [2], height and width of the content.
    areas: range of the crop's share of the content's area.
    ratios: range of its width over its height, drawn log-uniformly.
    flip: whether every other clip is mirrored.
    side: R.
  """
  mirror, *draws = jax.random.uniform(key, (3 + 2 * TRIES,))
  corner = jnp.stack(draws[:2])
  tried = sides(jnp.stack(draws[2:]).reshape(2, -1), size, areas, ratios)
  fits = ((tried > 0) & (tried <= size[:, None])).all(0)
  length = jnp.where(
    fits.any(), tried[:, jnp.argmax(fits)], _largest(size, ratios)
  )
  slack = size - length
  begin = jnp.floor(corner * (slack + 1)).astype(jnp.int32)
  begin = jnp.where(fits.any(), jnp.minimum(begin, slack), slack // 2)
  filled = jnp.where(size > 0, side, 0)
  drawn = unchanged(size) | {
    'begin': begin,
    'length': length,
    'scaled': filled,
    'size': filled,
  }
  if flip:
    drawn['flip'] = mirror < 0.5
  return drawn


def sides(
  draws: jax.Array,
  size: jax.Array,
  areas: tuple[float, float],
  ratios: tuple[float, float],
) -> jax.Array:
  """Takes draws [2, n] in [0, 1) to heights and widths, int32 [2, n]."""
  low, high = areas
  area = (low + (high - low) * draws[0]) * jnp.prod(size.astype(jnp.float32))
  low, high = jnp.log(jnp.array(ratios))
  ratio = jnp.exp(low + (high - low) * draws[1])
  sides = jnp.sqrt(area * jnp.stack([1 / ratio, ratio]))
  return jnp.round(sides).astype(jnp.int32)


def _largest(size: jax.Array, ratios: tuple[float, float]) -> jax.Array:
  """Returns height and width, int32 [2], of the largest crop in the range."""
  height, width = size
  tall = jnp.minimum(height, width / ratios[0])
  wide = jnp.minimum(width, height * ratios[1])
  return jnp.round(jnp.stack([tall, wide])).astype(jnp.int32)
