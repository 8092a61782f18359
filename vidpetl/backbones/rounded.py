"""Kernels of frozen layers, kept in fewer bits than they are computed with.

Symmetric int8, a scale for each 16 inputs of an output channel: W ~ q s with

    s = max |W| / 127 over the 16, in bfloat16,  q = round(W / s)

or bfloat16, without a scale. They are brought back where a layer multiplies by
them, forward and backward anew.

A scale's two bytes make 9 bits a weight. A trained kernel has single large
weights: in DINOv2's ViT-S one scale for all inputs of a channel (8 bits) lets
class tokens move by 2.4 %, one for 16 by 0.8 %, and products take as long.
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
_GROUP = 16  # Inputs that have a scale together.


@flax.struct.dataclass
class Rounded:
  """A kernel [*in, *out] in fewer bits. It takes no gradient.

  Attributes:
    values: q, [*in, *out].
    scale: s, [groups, *out]: of each `_GROUP` inputs, in the order in which
      they lie in memory; the last group may have fewer. Or [], of all; None is
      1.
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
    scale = _spread(self.scale, self.shape)
    return (self.values.astype(jnp.float32) * scale).astype(dtype)


def _spread(scale: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """Returns float32 scales of each weight, of a kernel's shape or [].

  Args:
    scale: [groups, *out] or [].
    shape: [*in, *out].
  """
  scale = scale.astype(jnp.float32)
  if not scale.ndim:
    return scale
  inputs = math.prod(shape[: len(shape) - scale.ndim + 1])
  return jnp.repeat(scale, _GROUP, 0)[:inputs].reshape(shape)


def keep(kernel: jax.Array, kind: str, axes: int) -> Rounded:
  """Returns a kernel in fewer bits.

  Args:
    kernel: [*in, *out].
    kind: 'bfloat16' or 'int8'.
    axes: number of axes of `out`.
  """
  if kind != 'int8':
    return Rounded(kernel.astype(kind), None)
  out = kernel.shape[kernel.ndim - axes :]
  rows = jnp.abs(kernel).reshape(-1, *out)
  rows = jnp.pad(rows, [(0, -len(rows) % _GROUP), *[(0, 0)] * axes])
  largest = rows.reshape(-1, _GROUP, *out).max(1)
  # Of a group of zeros any scale is right.
  scale = jnp.where(largest > 0, largest, 1.0) / _LARGEST
  scale = scale.astype(jnp.bfloat16)
  values = jnp.round(kernel / _spread(scale, kernel.shape))
  # A scale that bfloat16 rounds down leaves the largest weight a bit above.
  values = values.clip(-_LARGEST, _LARGEST)
  return Rounded(values.astype(jnp.int8), scale)


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
