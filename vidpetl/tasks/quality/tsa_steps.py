"""Where the steps of a performance begin, and tokens of each.

A performance of t frames has three steps, [0, a), [a, b) and [b, t). As TSA's
code has it, an annotated transition lies in the last frame of the step that it
ends, so that this frame counts to the step after.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def predicted(logits: jax.Array) -> jax.Array:
  """Returns the most probable transitions: [..., t, 2] -> a, b int32 [..., 2].

  a is in the first half of the frames, but not 0, and b in the second.
  """
  half = logits.shape[-2] // 2
  first = jnp.argmax(logits[..., :half, 0], -1)
  second = half + jnp.argmax(logits[..., half:, 1], -1)
  return jnp.stack([jnp.maximum(first, 1), second], -1)


def annotated(places: jax.Array, frames: int) -> jax.Array:
  """Returns annotated transitions: [..., k] -> a, b int32 [..., 2].

  Of more than two transitions these are the first and the last. An annotated
  step begins with the first frame at or behind its place, and a transition is
  the frame before that; none of the three steps is empty.

  Args:
    places: among the frames, nan where unknown.
    frames: t.
  """
  places = jnp.where(jnp.isnan(places), -1.0, places)
  known = jnp.where(places < 0, frames, places)
  # A thousandth: what is a whole number but for rounding is that number.
  first = jnp.ceil(known.min(-1) - 1e-3).astype(jnp.int32) - 1
  last = jnp.ceil(places.max(-1) - 1e-3).astype(jnp.int32) - 1
  first = jnp.clip(first, 1, frames - 2)
  return jnp.stack([first, jnp.clip(last, first + 1, frames - 1)], -1)


def targets(transitions: jax.Array, frames: int) -> jax.Array:
  """Returns 1 at each transition: a, b int [..., 2] -> [..., frames, 2]."""
  return jnp.swapaxes(jax.nn.one_hot(transitions, frames), -1, -2)


def tokens(x: jax.Array, transitions: jax.Array, count: int) -> jax.Array:
  """Resamples each step to as many tokens, linearly, from end to end.

  Token i of the step [l, r) is x at l + i (r - 1 - l) / (count - 1), as in
  torch.nn.functional.interpolate with align_corners=True.

  Args:
    x: [n, t, ...].
    transitions: a, b int [n, 2].
    count: tokens of a step.

  Returns:
    [n, 3, count, ...].
  """
  t = x.shape[1]
  edges = jnp.pad(transitions, ((0, 0), (1, 0)))
  ends = jnp.pad(transitions, ((0, 0), (0, 1)), constant_values=t)
  last = ends - 1
  share = jnp.arange(count) / max(count - 1, 1)
  places = edges[..., None] + share * (last - edges)[..., None]
  below = jnp.floor(places).astype(jnp.int32)
  above = jnp.minimum(below + 1, t - 1)
  of_each = jax.vmap(lambda own, at: own[at])
  weight = (places - below).reshape(*places.shape, *(1,) * (x.ndim - 2))
  return of_each(x, below) * (1 - weight) + of_each(x, above) * weight
