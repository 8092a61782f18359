"""Dense layers, of kernels with any number of axes, as plain products.

A kernel [d, heads, c] is multiplied as [d, heads c], and rows of tokens
[..., d] as [rows, d]. On a CPU or GPU that changes nothing in memory, and XLA
then makes the gradient of a kernel in the order that the kernel has. Left as
they are, it makes the gradient as [heads, c, d], and the optimizer's update
carries transposes of gradients, moments and parameters. A TPU keeps its last
two axes in tiles, so that rows of tokens keep their axes there: to join them
would be a copy.

A CPU's products with few outputs are by turned kernels, see `_narrow`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl.backbones import devices, rounded
from vidpetl.backbones import site as site_lib

_NARROW = 8  # Inputs for an output, from which on `_narrow` is faster.


def product(x: jax.Array, kernel: jax.Array, axes: int = 1) -> jax.Array:
  """Multiplies [..., d] by a kernel.

  Args:
    x: [..., d].
    kernel: [*inner, *out], with d = prod(inner).
    axes: number of axes of `inner`.

  Returns:
    [..., *out].
  """
  out = kernel.shape[axes:]
  lead, d = x.shape[:-1], x.shape[-1]
  platform = devices.current().platform
  if platform == 'tpu':
    y = jnp.tensordot(x, kernel.reshape(d, math.prod(out)), 1)
    return y.reshape(*lead, *out)
  x, kernel = x.reshape(math.prod(lead), d), kernel.reshape(d, math.prod(out))
  narrow = platform == 'cpu' and d >= _NARROW * kernel.shape[1]
  y = _narrow(x, kernel) if narrow else x @ kernel
  return y.reshape(*lead, *out)


def _narrow(x: jax.Array, kernel: jax.Array) -> jax.Array:
  """x W, for a W [d, out] of few columns.

  XLA's products on a CPU turn their left side over where its rows are summed.
  For W's gradient, x^T (the gradient of x W), that is all of x. The gradient of
  W^T turns over what is narrow, ten times faster with 8 outputs.
  """
  turned = jax.lax.optimization_barrier(kernel.T)
  return jax.lax.dot_general(x, turned, (((1,), (1,)), ((), ())))


def _sum(y: jax.Array, bias: jax.Array) -> jax.Array:
  """Adds a bias [*out] to [..., *out], with these axes as one.

  Split into heads of few channels, a TPU's layout of the sum is another one
  than kernels read, and each is copied.
  """
  lead = y.shape[: y.ndim - bias.ndim]
  return (y.reshape(*lead, -1) + bias.reshape(-1)).reshape(y.shape)


class Dense(nn.Module):
  """x W + b. Site: `layer`.

  It has the parameters of `nn.DenseGeneral`: `kernel` [*inner, *features] and
  `bias` [*features].

  Attributes:
    features: axes of the output.
    inner: axes of the kernel for the input's one; without it, that one.
    dtype: of the computation.
    use_bias: whether there is b.
    kernel_init: initialiser of the kernel as a matrix.
    bias_init: initialiser.
  """

  features: tuple[int, ...]
  inner: tuple[int, ...] = ()
  dtype: Any = jnp.float32
  use_bias: bool = True
  kernel_init: Callable[..., jax.Array] = nn.initializers.xavier_uniform()
  bias_init: Callable[..., jax.Array] = nn.initializers.zeros

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [..., d] to [..., *features]."""
    inner = self.inner or x.shape[-1:]
    shape = math.prod(inner), math.prod(self.features)

    def init(key, full, dtype=jnp.float32):
      return self.kernel_init(key, shape, dtype).reshape(full)

    kernel = self.param('kernel', init, (*inner, *self.features))
    apply = functools.partial(
      rounded.apply, functools.partial(product, axes=len(inner))
    )
    x, bias = x.astype(self.dtype), None
    y = apply(x, kernel)
    if self.use_bias:
      bias = self.param('bias', self.bias_init, self.features)
      y = _sum(y, bias.astype(self.dtype))
    return site_lib.layer(
      y, site_lib.Linear(x, kernel, bias, len(self.features), apply)
    )
