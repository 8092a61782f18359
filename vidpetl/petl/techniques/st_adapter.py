"""ST-Adapter: a depth-wise convolution in a bottleneck (Pan et al. 2022)."""

from __future__ import annotations

import flax.linen as nn
import jax

from vidpetl import options, ranges
from vidpetl.backbones import site, torch_layers


class STAdapter(nn.Module):
  """y + Up(DWConv3D(Down(y))), on tokens of the grid; others pass.

  There is no activation. The convolution starts at 0, so that training starts
  at the identity.

  Attributes:
    bottleneck: width between Down and Up.
    kernel: of the convolution, (t, h, w).
  """

  bottleneck: ranges.Count = 384
  kernel: ranges.Size = (3, 1, 1)

  def __post_init__(self):
    options.hold_fields(self, 'st_adapter')
    self.kernel = tuple(self.kernel)
    super().__post_init__()

  @nn.compact
  def __call__(self, y: jax.Array, given, grid) -> jax.Array:
    """Returns tokens, or a volume, of the shape of y."""
    site.check_tokens('st_adapter', y)
    x = torch_layers.dense(y, self.bottleneck, 'down')
    conv = torch_layers.DepthwiseConv(
      self.kernel, torch_layers.zeros, name='conv'
    )
    update = torch_layers.dense(conv.of_tokens(x, grid), y.shape[-1], 'up')
    return y + grid.inside(update)


build = STAdapter
