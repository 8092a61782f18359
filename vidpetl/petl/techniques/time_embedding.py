"""A learned vector per moment, as AIM adds it (Yang et al. 2023)."""

from __future__ import annotations

from typing import ClassVar

import flax.linen as nn
import jax

from vidpetl.backbones import dense, site, torch_layers


class TimeEmbedding(nn.Module):
  """y + E_t for tokens of moment t; E [t, d] is 0 at first.

  In rows of a frame, all its tokens take part; in other rows, tokens off the
  grid pass.
  """

  stays: ClassVar[bool] = True

  @nn.compact
  def __call__(self, y: jax.Array, given, grid) -> jax.Array:
    """Returns tokens, or a volume, of the shape of y."""
    site.check_tokens('time_embedding', y)
    table = self.param('table', torch_layers.zeros, (grid.t, y.shape[-1]))
    table = table.astype(y.dtype)
    if grid.rows == 'frame' and y.ndim == 4:
      return dense.placed(y, table[:, None])
    lead, volume = grid.to_volume(y)
    volume = dense.placed(volume, table[:, None, None])
    return grid.to_tokens(lead, volume)


build = TimeEmbedding
