"""Frames that know their place, and one token that reads them (STEP)."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import ranges
from vidpetl.backbones import dense, querying
from vidpetl.backbones import layers as layers_lib
from vidpetl.tasks.probes import attention, probe


class FrameCoded(probe.Probe):
  """x'_tp = x_tp + e_t,   z = W_o A(g, [g; x']) + b_o.

  A code e_t, learned, is added to all tokens of moment t, so that the order of
  frames counts, to which attention is blind; and one class token g of the whole
  clip reads them by a single self-attention, of which its own row is all that
  is needed (Ponbagavathi and Roitberg 2025, arXiv 2503.24298). The paper calls
  its attention simplified, of a third of an attentive probe's parameters: that
  is a transformer block without its MLP, 4 of 12 d^2. Around it here are no
  norms and no skip, unless `residual`:

      u = g + W_o A(LN(g), LN([g; x'])) + b_o,   z = LN(u)

  Tokens off the grid have their frame's code if there are some in each frame.

  Attributes:
    heads: of the attention; 0 is one for 64 channels.
    residual: whether there are norms and a skip.
  """

  heads: ranges.Natural = 0
  residual: bool = False

  @nn.nowrap
  def reduce(self, x: probe.Block) -> jax.Array:
    t, d = x.grid.shape[1], x.grid.shape[-1]
    codes = attention.learned(self, 'frame_codes', t, d).astype(x.grid.dtype)
    lead = x.lead
    if lead is not None and lead.ndim == 4 and lead.shape[1] == t:
      lead += codes[:, None]
    x = probe.Block(x.grid + codes[:, None, None], lead)
    x = probe.tokens(x)
    g = attention.learned(self, 'class_token', 1, d)
    x = jnp.concatenate(
      [jnp.broadcast_to(g, (x.shape[0], 1, d)).astype(x.dtype), x], 1
    )
    q = g
    if self.residual:
      norm = layers_lib.layer_norm(x.dtype, 'attention_norm')
      x, q = norm(x), norm(g)
    heads = attention.heads_of(self.heads, d)
    attention.check_heads(heads, d)
    y = querying.Pooling(heads, name='attention')(q, x)[:, 0]
    z = dense.Dense((d,), dtype=x.dtype, name='out')(y)
    if self.residual:
      z = layers_lib.layer_norm(x.dtype, 'norm_out')(g.astype(x.dtype) + z)
    return z


build = FrameCoded
