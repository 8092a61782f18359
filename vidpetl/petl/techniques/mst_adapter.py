"""MST-Adapter: temporal convolutions of several lengths in a bottleneck."""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn
import jax

from vidpetl import options
from vidpetl.backbones import site, torch_layers

FUSES = ('learned', 'average')


class MSTAdapter(nn.Module):
  """y + Up(ME(Down(y))), on tokens of the grid; others pass (eq. 6 to 9).

    z = x + sum_i w_i DWConv_i(x),    ME(x) = z + Conv_1x1x1(z)

  The paper says neither how long its kernels are nor where they start; (3, 5,
  7) x 1 x 1 and an Up of 0, so that training starts at the identity, are our
  choice. Its counts say that the 1x1x1 convolution is dense. Behind the last
  attention of a model that reads class tokens alone, the grid's tokens decide
  nothing: adapters there are counted, and stay as they started.

  Attributes:
    bottleneck: width between Down and Up; 384 gives the paper's counts.
    kernels: (t, h, w) of each depth-wise convolution.
    fuse: 'learned': w_i are parameters, 0.33 at first; or 'average'.
    pointwise: whether there is the 1x1x1 convolution.
  """

  bottleneck: int = 384
  kernels: Sequence[tuple[int, int, int]] = ((3, 1, 1), (5, 1, 1), (7, 1, 1))
  fuse: str = 'learned'
  pointwise: bool = True

  def __post_init__(self):
    options.positive('mst_adapter', bottleneck=self.bottleneck)
    options.one_of('mst_adapter', 'fuse', self.fuse, FUSES)
    self.kernels = tuple(map(tuple, self.kernels))
    super().__post_init__()

  @nn.compact
  def __call__(self, y: jax.Array, given, grid) -> jax.Array:
    """Returns tokens, or a volume, of the shape of y."""
    site.check_tokens('mst_adapter', y)
    lead, volume = grid.to_volume(y)
    x = torch_layers.dense(volume, self.bottleneck, 'down')
    x = x + sum(
      w * torch_layers.DepthwiseConv(size, name=f'conv_{i}')(x)
      for i, (size, w) in enumerate(zip(self.kernels, self.weights(x)))
    )
    if self.pointwise:
      x = x + torch_layers.dense(x, self.bottleneck, 'pointwise')
    x = torch_layers.dense(x, y.shape[-1], 'up', kernel=torch_layers.zeros)
    return grid.to_tokens(lead, volume + x)

  @nn.nowrap
  def weights(self, x: jax.Array) -> Sequence[float | jax.Array]:
    """Returns w_i, one for each convolution."""
    count = len(self.kernels)
    if self.fuse == 'average':
      return [1 / count] * count
    init = nn.initializers.constant(0.33)
    return self.param('fusion', init, (count,)).astype(x.dtype)


build = MSTAdapter
