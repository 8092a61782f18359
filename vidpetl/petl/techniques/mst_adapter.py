"""MST-Adapter: temporal convolutions of several lengths in a bottleneck."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import flax.linen as nn
import jax

from vidpetl import options, ranges
from vidpetl.backbones import site, torch_layers

FUSES = ('learned', 'average')


_Kernel = tuple[ranges.Count] | ranges.Size


class MSTAdapter(nn.Module):
  """y + Up(ME(Down(y))) (eq. 6 to 9), with

    z = x + sum_i w_i DWConv_i(x),    ME(x) = z + Conv_1x1x1(z)

  The paper says neither how long its kernels are nor where they start; (3, 5,
  7) x 1 x 1 and an Up of 0, so that training starts at the identity, are our
  choice. Its counts say that the 1x1x1 convolution is dense, its eq. 9 that it
  is depth-wise.

  Its eq. 6 takes class tokens in, and its convolutions have no place for them.
  Here they go the same way, each convolved with itself at other moments. The
  paper's Figure 7 asks for that: in layers 9 to 12 small branches outweigh
  large ones, so those of layer 12 learn. If class tokens passed the adapters
  by (`cls=False`), nothing that the last adapters of a model do to the grid
  would reach a class token any more, and the head reads these alone (sec.
  3.1.2): of 24 adapters, the last 2 would stay as they started where they sit
  behind the residuals or the branches, the last 1 elsewhere.

  Attributes:
    bottleneck: width between Down and Up; 384 gives the paper's counts.
    kernels: (t, h, w) of each depth-wise convolution; (t,) is (t, 1, 1).
    fuse: 'learned': w_i are parameters, 0.33 at first; or 'average'.
    pointwise: whether there is the 1x1x1 convolution.
    dense: whether that is dense, or depth-wise.
    cls: whether tokens off the grid are adapted, too; else they pass. Where
      rows are no frames, such a token has one moment. The method
      `mst_adapter` sets it; entries without it are of models that let them
      pass.
  """

  bottleneck: ranges.Count = 384
  kernels: Annotated[Sequence[_Kernel], ranges.Filled()] = (
    (3, 1, 1),
    (5, 1, 1),
    (7, 1, 1),
  )
  fuse: Annotated[str, ranges.OneOf(FUSES)] = 'learned'
  pointwise: bool = True
  dense: bool = True
  cls: bool = False

  def __post_init__(self):
    options.hold_fields(self, 'mst_adapter')
    self.kernels = tuple(map(_size, self.kernels))
    super().__post_init__()

  @nn.compact
  def __call__(self, y: jax.Array, given, grid) -> jax.Array:
    """Returns tokens, or a volume, of the shape of y."""
    site.check_tokens('mst_adapter', y)
    x = torch_layers.dense(y, self.bottleneck, 'down')
    x = x + sum(
      w * self.depthwise(size, f'conv_{i}').of_tokens(x, grid)
      for i, (size, w) in enumerate(zip(self.kernels, self.weights(x)))
    )
    if self.pointwise and self.dense:
      x = x + torch_layers.dense(x, self.bottleneck, 'pointwise')
    elif self.pointwise:
      x = x + self.depthwise((1, 1, 1), 'pointwise').of_tokens(x, grid)
    up = torch_layers.dense(x, y.shape[-1], 'up', kernel=torch_layers.zeros)
    return y + (up if self.cls else grid.inside(up))

  @nn.nowrap
  def depthwise(
    self, size: tuple[int, int, int], name: str
  ) -> torch_layers.DepthwiseConv:
    return torch_layers.DepthwiseConv(size, name=name)

  @nn.nowrap
  def weights(self, x: jax.Array) -> Sequence[float | jax.Array]:
    """Returns w_i, one for each convolution."""
    count = len(self.kernels)
    if self.fuse == 'average':
      return [1 / count] * count
    init = nn.initializers.constant(0.33)
    return self.param('fusion', init, (count,)).astype(x.dtype)


def _size(kernel: Sequence[int]) -> tuple[int, ...]:
  """Returns (t, h, w) of a kernel."""
  size = tuple(kernel)
  if len(size) == 1:
    size = (*size, 1, 1)
  if len(size) != 3 or min(size) < 1:
    raise ValueError(
      f'mst_adapter: kernels are (t, h, w) or (t,), which {kernel} is not'
    )
  return size


build = MSTAdapter
