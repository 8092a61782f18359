"""The factor s of what a technique adds: a number, or learned from 1 on."""

from __future__ import annotations

from typing import Annotated, Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import ranges

LEARNED = 'learned'


# A number, or that word.
Scale = float | Annotated[str, ranges.OneOf((LEARNED,))]


def factor(module: nn.Module, scale: float | str, dtype: Any):
  """Returns the number, or the parameter `scale` of a module, a float32 []."""
  if isinstance(scale, str):
    learned: jax.Array = module.param('scale', nn.initializers.ones, ())
    return learned.astype(dtype)
  return jnp.asarray(scale, dtype)
