"""Visual prompt tuning (VPT; Jia et al. 2022)."""

from __future__ import annotations

from typing import Annotated

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import options, ranges
from vidpetl.backbones import dropout, site, torch_layers

INITIALS = ('vpt', 'xavier')


class Prompt(nn.Module):
  """x' = [class tokens; P; tokens of the grid], P learned.

  What was between class tokens and grid before is replaced. So at `tokens` it
  is VPT-shallow, and at every `block_in` VPT-deep, P being new in each block.

  Attributes:
    tokens: number of prompts.
    dropout: rate.
    initial: 'vpt', U(-v, v) with v^2 = 6 / (3 patch + d), or 'xavier' with
      v^2 = 6 / (d (tokens + 1)), as AdaptFormer has it.
    patch: pixels of a patch, for 'vpt'; 0 is the backbone's.
  """

  tokens: ranges.Count = 1
  dropout: ranges.Rate = 0.0
  initial: Annotated[str, ranges.OneOf(INITIALS)] = 'vpt'
  patch: ranges.Natural = 0

  def __post_init__(self):
    options.hold_fields(self, 'prompt')
    super().__post_init__()

  @nn.compact
  def __call__(self, y: jax.Array, given, grid) -> jax.Array:
    """Maps [..., n, d] to rows with `tokens` prompts."""
    site.check_tokens('prompt', y)
    if y.ndim == 5:
      raise ValueError('prompt: needs rows of tokens; a volume has no place')
    site.check_stream('prompt', self.parent)
    d = y.shape[-1]
    if self.initial == 'vpt':
      parts = 3 * (self.patch or grid.patch) + d
    else:
      parts = d * (self.tokens + 1)
    prompts = self.param(
      'tokens', torch_layers.uniform(parts / 6), (self.tokens, d)
    ).astype(y.dtype)
    drop = dropout.Dropout(self.dropout, not self.has_rng('dropout'))
    prompts = drop(jnp.broadcast_to(prompts, (*y.shape[:-2], *prompts.shape)))
    cls, _, rest = jnp.split(
      y, [grid.cls, y.shape[-2] - grid.row_length], axis=-2
    )
    return jnp.concatenate([cls, prompts, rest], axis=-2)


build = Prompt
