"""At which scale a clip's content lies where in the square: random draws.

A placement is a dict of one clip:

  scaled: int32 [2], the content's height and width once resized.
  offset: int32 [2], where the square begins in what is resized.
  flip: bool [], whether the clip is mirrored, before all of this.
  size: int32 [2], height and width of the content in the square.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

Placement = dict[str, jax.Array]


def unchanged(size: jax.Array) -> Placement:
  """Returns the placement of clips [..., 2] that stay as they are."""
  return {
    'scaled': size,
    'offset': jnp.zeros_like(size),
    'flip': jnp.zeros(size.shape[:-1], bool),
    'size': size,
  }


def draw(
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
