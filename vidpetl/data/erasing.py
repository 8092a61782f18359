"""Random erasing of whole clips, on the device.

Zhong et al., Random erasing data augmentation, 2020, as timm has it: one box,
the same in all frames, is filled with noise or with 0, after normalisation.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from vidpetl.data import clipwise

FILLS = ('pixel', 'const')
# Draws of a box, of which the first that fits is taken.
_TRIES = 10


def augment(
  keys: jax.Array,
  video: jax.Array,
  size: jax.Array,
  *,
  p: float,
  fill: str,
  areas: tuple[float, float],
  ratios: tuple[float, float],
) -> jax.Array:
  """Returns videos [b, t, R, R, 3], of some of which a box is erased.

  Args:
    keys: [b].
    video: normalised.
    size: int32 [b, 2], height and width of the content, in which the box lies.
    p: probability for a clip.
    fill: 'pixel', N(0, 1) of every value, or 'const', 0.
    areas: range of the box's share of the content's area.
    ratios: range of its width over its height, drawn log-uniformly.
  """
  erase = functools.partial(_erase, p=p, fill=fill, areas=areas, ratios=ratios)
  return clipwise.run(erase, keys, video, size)


def _erase(key, clip, size, *, p, fill, areas, ratios):
  chance, box, noise = jax.random.split(key, 3)
  begin, end = draw(box, size, areas=areas, ratios=ratios)

  def erased(clip):
    new = jnp.zeros_like(clip)
    if fill == 'pixel':
      new = jax.random.normal(noise, clip.shape).astype(clip.dtype)
    return jnp.where(inside(begin, end, clip.shape[-2]), new, clip)

  # Noise is drawn only where it is needed: it takes longer than all the rest.
  hit = jax.random.uniform(chance) < p
  return jax.lax.cond(hit, erased, lambda clip: clip, clip)


def draw(
  key: jax.Array,
  size: jax.Array,
  *,
  areas: tuple[float, float],
  ratios: tuple[float, float],
) -> tuple[jax.Array, jax.Array]:
  """Draws a box, int32 [2] its first row and column and [2] those behind it.

  Of 10 draws of area and ratio, the first that is smaller than the content is
  taken; the box is empty if none is.
  """
  *draws, top, left = jax.random.uniform(key, (2 * _TRIES + 2,))
  tried = _sides(jnp.stack(draws).reshape(2, -1), size, areas, ratios)
  fits = (tried < size[:, None]).all(0)
  length = jnp.where(fits.any(), tried[:, jnp.argmax(fits)], 0)
  slack = size - length
  begin = jnp.floor(jnp.stack([top, left]) * (slack + 1)).astype(jnp.int32)
  begin = jnp.minimum(begin, slack)
  return begin, begin + length


def inside(begin: jax.Array, end: jax.Array, side: int) -> jax.Array:
  """Returns where a box is, bool [R, R, 1]."""
  rows, columns = (
    (jnp.arange(side) >= low) & (jnp.arange(side) < high)
    for low, high in zip(begin, end)
  )
  return (rows[:, None] & columns)[..., None]


def _sides(
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
