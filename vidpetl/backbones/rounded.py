"""Kernels of frozen layers, kept in fewer bits than they are computed with.

Symmetric int8, a scale for each output channel: W ~ q s with

    s = max |W| / 127 over a channel's inputs,  q = round(W / s)

or bfloat16, without a scale. They are brought back where a layer multiplies by
them, forward and backward anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from vidpetl.backbones import devices

_LARGEST = 127


@flax.struct.dataclass
class Rounded:
  """A kernel [*in, *out] in fewer bits. It takes no gradient.

  Attributes:
    values: q, [*in, *out].
    scale: s, float32 [*out] or []; None is 1.
  """

  values: jax.Array
  scale: jax.Array | None

  @property
  def shape(self) -> tuple[int, ...]:
    return self.values.shape

  @property
  def ndim(self) -> int:
    return self.values.ndim

  @property
  def size(self) -> int:
    return math.prod(self.shape)

  @property
  def dtype(self) -> Any:
    return self.values.dtype

  def astype(self, dtype: Any) -> jax.Array:
    """Returns q s."""
    if self.scale is None:
      return self.values.astype(dtype)
    return (self.values.astype(jnp.float32) * self.scale).astype(dtype)


def keep(kernel: jax.Array, kind: str, axes: int) -> Rounded:
  """Returns a kernel in fewer bits.

  Args:
    kernel: [*in, *out].
    kind: 'bfloat16' or 'int8'.
    axes: number of axes of `out`.
  """
  if kind != 'int8':
    return Rounded(kernel.astype(kind), None)
  largest = jnp.abs(kernel).max(tuple(range(kernel.ndim - axes)))
  # Of a channel of zeros any scale is right.
  scale = jnp.where(largest > 0, largest, 1.0).astype(jnp.float32) / _LARGEST
  return Rounded(jnp.round(kernel / scale).astype(jnp.int8), scale)


def apply(
  function: Callable[[jax.Array, jax.Array], jax.Array],
  x: jax.Array,
  kernel: jax.Array | Rounded,
) -> jax.Array:
  """Returns function(x, kernel in the dtype of x).

  Args:
    function: linear in x.
    x: what a layer reads.
    kernel: of the layer.
  """
  if not isinstance(kernel, Rounded):
    return function(x, kernel.astype(x.dtype))
  return _rounded(function, x, kernel)


def _rounded(function, x, kernel):
  """`apply`, with nothing kept for the backward pass but the kernel."""
  shape, dtype = x.shape, x.dtype

  @jax.custom_vjp
  def compute(x, kernel):
    x, kernel = _after(x, kernel)
    return function(x, kernel.astype(dtype))

  def forward(x, kernel):
    return compute(x, kernel), kernel

  def backward(kernel, dy):
    dy, kernel = _after(dy, kernel)
    multiply = lambda x: function(x, kernel.astype(dtype))
    _, pull = jax.vjp(multiply, jnp.zeros(shape, dtype))
    return *pull(dy), None

  compute.defvjp(forward, backward)
  return compute(x, kernel)


def _after(factor: jax.Array, kernel: Rounded) -> tuple[jax.Array, Rounded]:
  """Has a kernel brought back when the other factor is there.

  Else XLA may bring back all kernels at once, or keep them from the forward
  pass. On a CPU it orders operations without regard to barriers, so that there
  the scale is made to depend on a number of the factor.
  """
  factor, kernel = jax.lax.optimization_barrier((factor, kernel))
  if devices.current().platform == 'cpu':
    first = jax.lax.slice(factor, (0,) * factor.ndim, (1,) * factor.ndim)
    one = 1 + 0 * first.reshape(()).astype(jnp.float32)
    scale = one if kernel.scale is None else one * kernel.scale
    kernel = Rounded(kernel.values, scale)
  return factor, kernel
