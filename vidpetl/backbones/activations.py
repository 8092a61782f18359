"""Activations, whose backward pass keeps what they read and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import ranges
from vidpetl.backbones import devices


def _elementwise(
  function: Callable[[jax.Array], tuple[jax.Array, jax.Array]],
) -> Callable[[jax.Array], jax.Array]:
  """Returns x -> y of a function x -> (y, dy / dx), in float32 inside.

  The derivative is made of x alone where it is needed, so that a step keeps
  nothing but x for it, in the dtype that x has.
  """

  @jax.custom_jvp
  def activation(x: jax.Array) -> jax.Array:
    return function(x.astype(jnp.float32))[0].astype(x.dtype)

  @activation.defjvp
  def _(primals, tangents):
    (x,), (tangent,) = primals, tangents
    slope = function(_again(x).astype(jnp.float32))[1].astype(x.dtype)
    return activation(x), slope * tangent

  return activation


def _again(x: jax.Array) -> jax.Array:
  """x, of which what a GPU computed before is computed anew.

  XLA would have y and dy / dx share their tanh, and keep it in float32.
  """
  if devices.current().platform != 'gpu':
    return x
  return jax.lax.optimization_barrier(x)


@_elementwise
def gelu(x: jax.Array) -> tuple[jax.Array, jax.Array]:
  """x (1 + erf(x / sqrt(2))) / 2, as PyTorch has it.

  `nn.gelu` has erfc in place of 1 + erf, which is exact for far negative x, and
  several times the arithmetic.
  """
  cdf = _normal_cdf(x)
  density = jnp.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
  return x * cdf, cdf + x * density


def _normal_cdf(x: jax.Array) -> jax.Array:
  if devices.current() is devices.ANY:
    # XLA writes erf in a form that TensorFlow's does not read.
    return jax.lax.erfc(-x * math.sqrt(0.5)) / 2
  return (1 + jax.lax.erf(x * math.sqrt(0.5))) / 2


@_elementwise
def gelu_tanh(x: jax.Array) -> tuple[jax.Array, jax.Array]:
  """x (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3)."""
  scale, cube = math.sqrt(2 / math.pi), 0.044715
  t = jnp.tanh(scale * (x + cube * x**3))
  inner = scale * (1 + 3 * cube * x**2)
  return x * (1 + t) / 2, (1 + t + x * (1 - t**2) * inner) / 2


@_elementwise
def quick_gelu(x: jax.Array) -> tuple[jax.Array, jax.Array]:
  """x sigmoid(1.702 x), as in CLIP."""
  s = nn.sigmoid(1.702 * x)
  return x * s, s + 1.702 * x * s * (1 - s)


@_elementwise
def silu(x: jax.Array) -> tuple[jax.Array, jax.Array]:
  """x sigmoid(x)."""
  s = nn.sigmoid(x)
  return x * s, s + x * s * (1 - s)


ACTIVATIONS = {
  'gelu': gelu,
  'gelu_tanh': gelu_tanh,
  'quick_gelu': quick_gelu,
  'silu': silu,
}
ActivationName = Annotated[str, ranges.OneOf(ACTIVATIONS)]
