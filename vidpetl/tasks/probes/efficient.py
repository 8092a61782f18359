"""Efficient probing: queries without projections (Psomas et al. 2025)."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import ranges
from vidpetl.backbones import querying
from vidpetl.tasks.probes import attention, probe


class Efficient(probe.Probe):
  """z = [z_1, …, z_m],  z_j = (a_j x) W_j,  a_j = softmax(x q_j / sqrt(d)).

  (arXiv 2506.10178.) Queries q_j are compared with tokens as they are, by all
  their channels at once; each pools the slice W_j [d, d' / m] of the values,
  with d' = d / reduction. That is m d + d d' parameters, where multi-head
  attention has 4 d^2. As weights sum to 1, W_j acts on what was pooled: n
  tokens cost 4 n m d FLOPs, and their values, 2 n d d', are not made.

  Attributes:
    queries: m, which divides d'; 0 is 32, or where that does not divide d', the
      next smaller number that does.
    reduction: d / d'.
  """

  queries: ranges.Natural = 0
  reduction: ranges.Count = 1

  @nn.nowrap
  def reduce(self, x: probe.Block) -> jax.Array:
    x = probe.tokens(x)
    d = x.shape[-1]
    m, out = self._sizes(d)
    q = attention.learned(self, 'queries', m, d)
    pooled = querying.pool(q * d**-0.5, x)
    shape = d, m, out // m
    kernel, _ = querying.Weights(shape, use_bias=False, name='value')()
    z = jnp.einsum('bmd,dmc->bmc', pooled, kernel.astype(x.dtype))
    return z.reshape(z.shape[0], out)

  @nn.nowrap
  def _sizes(self, d: int) -> tuple[int, int]:
    """Returns m and d'."""
    if d % self.reduction:
      raise ValueError(
        f'probe.reduction={self.reduction} does not divide {d}, the width of '
        'the tokens'
      )
    out = d // self.reduction
    m = self.queries or probe.divisor(out, 32)
    if out % m:
      raise ValueError(
        f'probe.queries={m} does not divide {out}, the width of what is read; '
        f'{probe.divisor(out, m)} does'
      )
    return m, out


build = Efficient
