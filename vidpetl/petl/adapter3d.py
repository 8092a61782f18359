"""PECoP's 3D-Adapter: a convolution in a bottleneck (Dadashzadeh et al.)."""

from __future__ import annotations

import math

import flax.linen as nn
import jax

from vidpetl.petl import layers


class Adapter3D(nn.Module):
  """y + alpha * Up(ReLU(Down(y))) (eq. 1), on volumes or tokens of the grid.

  Down is a convolution from C to C / reduction channels in as many groups, Up
  a 1x1x1 convolution back, alpha a learned vector of C ones. Both start as
  PyTorch's do, so that training starts off the pretrained function.

  Attributes:
    reduction: lambda; divides C.
    kernel: K, odd.
  """

  reduction: int = 4
  kernel: int = 3

  def __post_init__(self):
    layers.positive('adapter3d', reduction=self.reduction, kernel=self.kernel)
    super().__post_init__()

  @nn.compact
  def __call__(self, y: jax.Array, given, grid) -> jax.Array:
    """Returns tokens [..., n, C], or a volume, of the shape of y."""
    layers.check_tokens('adapter3d', y)
    c = y.shape[-1]
    if c % self.reduction:
      raise ValueError(
        f'adapter3d: reduction {self.reduction} does not divide the {c} '
        'channels here'
      )
    lead, volume = grid.to_volume(y)
    init = layers.uniform(self.reduction * self.kernel**3)
    x = nn.Conv(
      c // self.reduction,
      (self.kernel,) * 3,
      feature_group_count=c // self.reduction,
      dtype=y.dtype,
      kernel_init=init,
      bias_init=init,
      name='down',
    )(volume)
    up = layers.uniform(math.ceil(c / self.reduction))
    x = layers.dense(nn.relu(x), c, 'up', kernel=up, bias=up)
    alpha = self.param('alpha', nn.initializers.ones, (c,))
    return grid.to_tokens(lead, volume + alpha.astype(y.dtype) * x)


build = Adapter3D
