"""Layers that start as PyTorch's do, computing in the dtype of their input.

Their parameters are float32.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl.backbones import dense as dense_lib
from vidpetl.backbones import site

zeros = nn.initializers.zeros


def uniform(fan_in: int) -> Callable[..., jax.Array]:
  """Initialiser U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)).

  PyTorch's linear and convolution layers start from it, weights and biases,
  and so did most techniques here when they were published.
  """

  def init(key, shape, dtype=jnp.float32):
    bound = fan_in**-0.5
    return jax.random.uniform(key, shape, dtype, -bound, bound)

  return init


def dense(
  x: jax.Array,
  features: int,
  name: str,
  *,
  kernel: Callable[..., jax.Array] | None = None,
  bias: Callable[..., jax.Array] = zeros,
  groups: int = 1,
) -> jax.Array:
  """Maps [..., d] to [..., features], in a module's compact method.

  Args:
    x: [..., d].
    features: width of the output.
    name: scope of `kernel` [d, features] and `bias` [features].
    kernel: initialiser; without it, `uniform(d)`.
    bias: initialiser.
    groups: into how many parts d and `features` are cut, each mapped by itself;
      `kernel` is [groups, d / groups, features / groups] if there are several.

  Raises:
    ValueError: if they do not divide d and `features`.
  """
  if groups > 1:
    return Grouped(features, groups, kernel, bias, name=name)(x)
  return dense_lib.Dense(
    (features,),
    dtype=x.dtype,
    kernel_init=kernel or uniform(x.shape[-1]),
    bias_init=bias,
    name=name,
  )(x)


class Grouped(nn.Module):
  """Dense layers side by side, each of a part of the channels.

  Attributes:
    features: width of the output.
    groups: how many there are.
    kernel_init: initialiser; without it, `uniform` of a part.
    bias_init: initialiser.
  """

  features: int
  groups: int
  kernel_init: Callable[..., jax.Array] | None = None
  bias_init: Callable[..., jax.Array] = zeros

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [..., d] to [..., features]."""
    g, d = self.groups, x.shape[-1]
    if d % g or self.features % g:
      raise ValueError(
        f'groups={g} must divide the {d} channels that they are given, and the '
        f'{self.features} that they make'
      )
    shape = g, d // g, self.features // g
    init = self.kernel_init or uniform(d // g)
    kernel = self.param('kernel', init, shape).astype(x.dtype)
    bias = self.param('bias', self.bias_init, (self.features,))
    parts = x.reshape(*x.shape[:-1], g, d // g)
    y = jnp.einsum('...gi,gio->...go', parts, kernel)
    return y.reshape(*x.shape[:-1], -1) + bias.astype(x.dtype)


def matrix(kernel: jax.Array) -> jax.Array:
  """Returns the kernel of `dense` as [d, features], whatever its groups."""
  if kernel.ndim == 2:
    return kernel
  return jax.scipy.linalg.block_diag(*kernel)


ACTIVATIONS = {
  'relu': nn.relu,
  'gelu': functools.partial(nn.gelu, approximate=False),
  'tanh': nn.tanh,
}


def bottleneck(
  x: jax.Array, middle: int, features: int, activation: str = 'tanh'
) -> jax.Array:
  """Maps [..., d] to Up(act(Down(x))), [..., features].

  Scopes 'down' and 'up'; both start as PyTorch's linear layers do.
  """
  x = dense(x, middle, 'down', bias=uniform(x.shape[-1]))
  x = ACTIVATIONS[activation](x)
  return dense(x, features, 'up', bias=uniform(middle))


# Blocks share its trace, of some hundred operations.
@functools.partial(jax.jit, static_argnames='strides', inline=True)
def depthwise(
  x: jax.Array,
  kernel: jax.Array,
  strides: tuple[int, int, int] = (1, 1, 1),
) -> jax.Array:
  """Convolves each channel of [b, t, h, w, c] with [i, j, k, c], zeros around.

  A sum of shifted products: XLA computes that some hundred times faster than
  a grouped convolution on CPU, and fuses it everywhere.

  Args:
    x: [b, t, h, w, c].
    kernel: [i, j, k, c].
    strides: along t, h and w.

  Returns:
    [b, t', h', w', c], each size over its stride and rounded up.
  """
  size = kernel.shape[:3]
  around = [(n // 2, (n - 1) // 2) for n in size]
  padded = jnp.pad(x, [(0, 0), *around, (0, 0)])
  t, h, w = x.shape[1:4]
  by_t, by_h, by_w = strides
  return sum(
    padded[:, i : i + t : by_t, j : j + h : by_h, k : k + w : by_w]
    * kernel[i, j, k]
    for i, j, k in itertools.product(*map(range, size))
  )


class DepthwiseConv(nn.Module):
  """Convolution of each channel by itself, with zeros around.

  Attributes:
    size: of the kernel, (t, h, w).
    kernel_init: initialiser; without it, `uniform` of the kernel's size.
  """

  size: tuple[int, int, int]
  kernel_init: Any = None

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps a volume [b, t, h, w, c] to the same shape."""
    c = x.shape[-1]
    init = self.kernel_init or uniform(math.prod(self.size))
    kernel = self.param('kernel', init, (*self.size, c)).astype(x.dtype)
    bias = self.param('bias', zeros, (c,)).astype(x.dtype)
    return bias + depthwise(x, kernel)

  @nn.nowrap
  def of_tokens(self, x: jax.Array, grid: site.Grid) -> jax.Array:
    """Maps tokens [..., n, c] of a grid, or a volume, to the same shape.

    A token off the grid is convolved with itself at other moments, where rows
    are those of a moment, and else by itself.
    """
    if x.ndim == 4 and grid.rows == 'frame' and self.size[1:] == (1, 1):
      return self(x[:, :, None])[:, :, 0]
    lead, volume = grid.to_volume(x)
    if lead is not None and lead.shape[-2]:
      lines = (
        lead if grid.rows == 'frame' else lead.reshape(-1, 1, 1, x.shape[-1])
      )
      lead = self(lines[:, :, None])[:, :, 0].reshape(lead.shape)
    return grid.to_tokens(lead, self(volume))
