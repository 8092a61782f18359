"""The mean of the tokens: a linear probe."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl.tasks.probes import probe


class Mean(probe.Probe):
  """z = mean of the grid; with `lead`, [mean of the lead tokens, that].

  Of an image tower with `lead` and concatenated blocks it is what DINOv2's
  linear evaluations read (Oquab et al. 2024, sec. 7).
  """

  @nn.nowrap
  def reduce(self, x: probe.Block) -> jax.Array:
    z = x.grid.mean((1, 2, 3), dtype=jnp.float32)
    if x.lead is None:
      return z
    lead = x.lead.mean(range(1, x.lead.ndim - 1), dtype=jnp.float32)
    return jnp.concatenate([lead, z], -1)


build = Mean
