"""AIM's temporal adaptation: the attention, used over time (Yang et al. 2023).

With bottlenecks behind the attention and beside the MLP (`adapter.py`) it is
AIM's spatial, temporal and joint adaptation.
"""

from __future__ import annotations

import einops
import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import options, ranges
from vidpetl.backbones import layers, site, torch_layers


class AIM(nn.Module):
  """x + Up(GELU(Down(attn(LN(x))))), tokens attending over time.

  `attn` and `LN` are the block's own, with the parameters that its attention
  has; Up is 0 at first. In rows of a frame, tokens off the grid take part, each
  with itself over time; in other rows, they pass.

  Attributes:
    ratio: width between Down and Up, as a share of d.
    inner: whether what attends goes through a bottleneck as well,
      h + Up(GELU(Down(h))) with h = LN(x): AIM's second temporal adapter, for
      Something-Something.
    drop_path: rate at which the update is left out for a clip, in the last
      block; rates grow linearly from 0. AIM's code draws that for each place
      of a token, and for all clips at once.
  """

  ratio: ranges.Part = 0.25
  inner: bool = False
  drop_path: ranges.Rate = 0.0

  def __post_init__(self):
    options.hold_fields(self, 'aim')
    super().__post_init__()

  @nn.compact
  def __call__(self, y: jax.Array, given, grid: site.Grid) -> jax.Array:
    """Returns tokens of the shape of y."""
    if not isinstance(given, site.Branch):
      raise ValueError(
        'aim: works at block_in, in blocks whose attention takes any rows of '
        'tokens; here is none'
      )
    drops = self.drop_path and self.has_rng('dropout')
    rate = self.drop_path * grid.depth if drops else None
    kept = layers.StochasticDepth(rate, rescale=True, name='drop')
    if grid.rows == 'frame':
      update = self.over_time(jnp.swapaxes(y, 1, 2), given)
      return y + kept(jnp.swapaxes(update, 1, 2))
    _, volume = grid.to_volume(y)
    rows = einops.rearrange(volume, 'b t h w d -> b (h w) t d')
    update = einops.rearrange(
      self.over_time(rows, given), 'b (h w) t d -> b t h w d', **grid.sizes
    )
    return grid.plus(y, kept(update))

  @nn.nowrap
  def over_time(self, x: jax.Array, block: site.Branch) -> jax.Array:
    """Maps what positions see over time, [b, n, t, d], to the same shape."""
    x = block.norm(x)
    if self.inner:
      x = x + self.bottlenecked(x, 'inner')
    return self.bottlenecked(block.layer(x), '')

  @nn.nowrap
  def bottlenecked(self, x: jax.Array, prefix: str) -> jax.Array:
    join = f'{prefix}_' if prefix else ''
    hidden = max(int(x.shape[-1] * self.ratio), 1)
    # The bounds of timm's trunc_normal_, -2 and 2, cut nothing off.
    init = nn.initializers.normal(0.02)
    h = torch_layers.dense(x, hidden, f'{join}down', kernel=init)
    h = nn.gelu(h, approximate=False)
    return torch_layers.dense(
      h, x.shape[-1], f'{join}up', kernel=torch_layers.zeros
    )


build = AIM
