"""PECoP's 3D-Adapter: a convolution in a bottleneck (Dadashzadeh et al.)."""

from __future__ import annotations

from typing import Annotated

import flax.linen as nn
import jax

from vidpetl import options, ranges
from vidpetl.backbones import site, torch_layers


class Adapter3D(nn.Module):
  """y + alpha * Up(ReLU(Down(y))) (eq. 1), on volumes or tokens of the grid.

  Down is a convolution from C to C / reduction channels in as many groups, Up
  a 1x1x1 convolution back, alpha a learned vector of C ones. Both start as
  PyTorch's do, so that training starts off the pretrained function.

  Attributes:
    reduction: lambda; divides C.
    kernel: K, odd.
  """

  reduction: ranges.Count = 4
  kernel: Annotated[int, ranges.Between(1), ranges.Odd()] = 3

  def __post_init__(self):
    options.hold_fields(self, 'adapter3d')
    super().__post_init__()

  @nn.compact
  def __call__(self, y: jax.Array, given, grid) -> jax.Array:
    """Returns tokens [..., n, C], or a volume, of the shape of y."""
    site.check_tokens('adapter3d', y)
    c = y.shape[-1]
    if c % self.reduction:
      raise ValueError(
        f'adapter3d: reduction {self.reduction} does not divide the {c} '
        'channels here'
      )
    _, volume = grid.to_volume(y)
    x = GroupedConv(self.reduction, self.kernel, name='down')(volume)
    up = torch_layers.uniform(c // self.reduction)
    x = torch_layers.dense(nn.relu(x), c, 'up', kernel=up, bias=up)
    alpha = self.param('alpha', nn.initializers.ones, (c,))
    return grid.plus(y, alpha.astype(y.dtype) * x)


class GroupedConv(nn.Module):
  """A convolution with one filter in each group of channels.

  Attributes:
    channels: in a group.
    size: of the kernel, in time and space.
  """

  channels: int
  size: int

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps a volume [b, t, h, w, c] to [b, t, h, w, c / channels]."""
    n, groups = self.channels, x.shape[-1] // self.channels
    init = torch_layers.uniform(n * self.size**3)
    shape = (*(self.size,) * 3, n, groups)
    kernel = self.param('kernel', init, shape).astype(x.dtype)
    bias = self.param('bias', init, (groups,)).astype(x.dtype)
    by_channel = kernel.swapaxes(3, 4).reshape(*shape[:3], -1)
    y = torch_layers.depthwise(x, by_channel)
    return y.reshape(*y.shape[:-1], groups, n).sum(-1) + bias


build = Adapter3D
