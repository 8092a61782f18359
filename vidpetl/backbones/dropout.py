"""Dropout whose rate may be a number of the program, or an argument of it."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp


class Dropout(nn.Module):
  """Zeroes entries at a rate, and divides the others by 1 - rate.

  It draws what `nn.Dropout` draws at the same place.

  Attributes:
    rate: a number, or a traced one; a number 0 draws nothing.
    deterministic: whether nothing is dropped.
  """

  rate: Any
  deterministic: bool = False

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    at_rest = not isinstance(self.rate, jax.Array) and not self.rate
    if self.deterministic or at_rest:
      return x
    keep = 1 - self.rate
    kept = jax.random.bernoulli(self.make_rng('dropout'), keep, x.shape)
    return jnp.where(kept, x / jnp.asarray(keep, x.dtype), 0)
