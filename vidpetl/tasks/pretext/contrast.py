"""Contrast of embeddings with keys and a queue, and clips at two speeds."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp


def at_speed(video: jax.Array, fast: jax.Array) -> jax.Array:
  """Returns half of the frames of clips [b, t, h, w, 3], [b, t / 2, ...].

  Args:
    video: clips.
    fast: bool [b], whether every second frame, and not the first half.
  """
  half = video.shape[1] // 2
  fast = fast.reshape(-1, *[1] * (video.ndim - 1))
  return jnp.where(fast, video[:, ::2], video[:, :half])


def normalise(embeddings: jax.Array) -> jax.Array:
  """Returns embeddings [..., d] of length 1, float32."""
  embeddings = embeddings.astype(jnp.float32)
  square = (embeddings**2).sum(-1, keepdims=True)
  # The root of no square that is 0: its gradient would be infinite.
  return embeddings / jnp.sqrt(jnp.maximum(square, 1e-24))


def info_nce(
  query: jax.Array, key: jax.Array, queue: jax.Array, temperature: float
) -> jax.Array:
  """Returns -log of a key's softmax weight among it and the queue, [b].

  Args:
    query: [b, d].
    key: [b, d], the right one of each query.
    queue: [K, d], wrong ones.
    temperature: by which similarities are divided.
  """
  # Similarities close to 1 decide, which bfloat16 does not tell apart.
  wrong = jnp.matmul(query, queue.T, precision=jax.lax.Precision.HIGHEST)
  right = (query * key).sum(-1, keepdims=True)
  logits = jnp.concatenate([right, wrong], axis=-1) / temperature
  return -jax.nn.log_softmax(logits)[:, 0]


def speed_gap(
  query: Mapping[str, jax.Array],
  positive: Mapping[str, jax.Array],
  negative: Mapping[str, jax.Array],
) -> jax.Array:
  """Returns m . m+ - m . m-, [b], of the embeddings 'motion' [b, d]."""
  return (query['motion'] * (positive['motion'] - negative['motion'])).sum(-1)


def enqueue(
  queue: jax.Array, pointer: jax.Array, keys: jax.Array, valid: jax.Array
) -> tuple[jax.Array, jax.Array]:
  """Puts keys into a queue in place of its oldest ones.

  Args:
    queue: [K, d].
    pointer: int32 [], the oldest key.
    keys: [b, d], with K a multiple of b.
    valid: bool [b]; where False, the old key stays.

  Returns:
    The queue and the pointer.
  """
  old = jax.lax.dynamic_slice_in_dim(queue, pointer, len(keys))
  new = jnp.where(valid[:, None], keys, old)
  queue = jax.lax.dynamic_update_slice_in_dim(queue, new, pointer, 0)
  return queue, (pointer + len(keys)) % len(queue)
