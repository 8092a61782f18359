"""Attentive probes: learned queries attend to the tokens."""

from __future__ import annotations

from typing import Annotated

import flax.linen as nn
import jax

from vidpetl import ranges
from vidpetl.backbones import dense, querying
from vidpetl.backbones import layers as layers_lib
from vidpetl.backbones import mlp as mlp_lib
from vidpetl.backbones import site as site_lib
from vidpetl.tasks.probes import attention, probe

POOLERS = ('vjepa2', 'videoprism')


class Attentive(probe.Probe):
  """z = cross-attention of learned queries q to blocks(x).

      vjepa2      u = q + A(q, LN(x)),   z = u + MLP(LN(u))
      videoprism  z = LN(W_o A(q, x) + b_o)

  A is multi-head attention without an output projection, d wide, as in
  V-JEPA 2's attentive pooler (Assran et al. 2025); or `mlp_ratio` d wide, with
  a learned factor of each channel of its heads, as in VideoPrism's (Zhao et al.
  2024). In front of it, `depth` blocks of self-attention run over the tokens:
  V-JEPA 2's evaluations have 3, which cost a forward and a backward of their
  own; without them a probe costs hardly more than the frozen backbone.

  Several queries are read side by side: z is `queries` d wide.

  Attributes:
    pooler: 'vjepa2' or 'videoprism'.
    queries: number of learned queries.
    depth: blocks of self-attention, pre-norm, with GELU.
    heads: of every attention; 0 is one for 64 channels.
    mlp_ratio: hidden width of the MLPs over d, and width of VideoPrism's
      attention.
    epsilon: of LayerNorms; V-JEPA 2's published probes have 1e-5.
  """

  pooler: Annotated[str, ranges.OneOf(POOLERS)] = 'vjepa2'
  queries: ranges.Count = 1
  depth: ranges.Natural = 0
  heads: ranges.Natural = 0
  mlp_ratio: ranges.Count = 4
  epsilon: ranges.Positive = layers_lib.LAYER_NORM_EPSILON

  @nn.nowrap
  def reduce(self, x: probe.Block) -> jax.Array:
    grid = site_lib.Grid(*x.grid.shape[1:4])
    x = probe.tokens(x)
    d = x.shape[-1]
    heads, hidden = attention.heads_of(self.heads, d), self.mlp_ratio * d
    attention.check_heads(heads, d)
    for i in range(self.depth):
      x = layers_lib.Block(
        heads,
        hidden,
        grid,
        dtype=x.dtype,
        activation='gelu',
        epsilon=self.epsilon,
        name=f'block_{i}',
      )(x)
    norm = lambda name: layers_lib.layer_norm(x.dtype, name, self.epsilon)
    q = attention.learned(self, 'queries', self.queries, d)
    if self.pooler == 'videoprism':
      pooling = querying.Pooling(heads, hidden, scaled=True, name='attention')
      y = pooling(q, x)
      y = dense.Dense((d,), dtype=x.dtype, name='out')(y)
      z = norm('out_norm')(y)
    else:
      pooling = querying.Pooling(heads, name='attention')
      u = q.astype(x.dtype) + pooling(q, norm('attention_norm')(x))
      mlp = mlp_lib.Mlp(hidden, x.dtype, 'gelu', name='mlp')
      z = u + mlp(norm('mlp_norm')(u))
    return z.reshape(z.shape[0], -1)


build = Attentive
