"""Boxes of a clip, which follow its pixels."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def follow(boxes: jax.Array, geometry: dict[str, jax.Array]) -> jax.Array:
  """Takes boxes [n, 4] from fractions of the content to pixels of the input.

  Mirrored, [x1, x2] is [1 - x2, 1 - x1].
  """
  mirrored = jnp.stack(
    [1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], axis=1
  )
  boxes = jnp.where(geometry['flip'], mirrored, boxes)
  scale = jnp.tile(geometry['scaled'][::-1], 2)
  return boxes * scale - jnp.tile(geometry['offset'][::-1], 2)


def jitter(key: jax.Array, boxes: jax.Array, *, ratio: float):
  """Moves each edge of boxes [n, 4] by U(-ratio, ratio) times its side.

  The four draws are independent; x edges move by widths, y edges by heights.
  """
  sides = jnp.tile(boxes[:, 2:] - boxes[:, :2], (1, 2))
  draws = jax.random.uniform(key, boxes.shape, minval=-ratio, maxval=ratio)
  return boxes + draws * sides


def clip(
  boxes: jax.Array, valid: jax.Array, size: jax.Array
) -> tuple[jax.Array, jax.Array]:
  """Clips boxes [n, 4] to the content and drops those that become empty."""
  limit = jnp.tile(size[::-1], 2).astype(jnp.float32)
  # Of as many axes as boxes: on their way to ONNX, others lose their place.
  boxes = jnp.minimum(jnp.maximum(boxes, 0.0), limit[None])
  valid &= jnp.all(boxes[:, :2] < boxes[:, 2:], axis=1)
  return jnp.where(valid[:, None], boxes, 0.0), valid
