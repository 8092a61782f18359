"""Norms, whose backward pass keeps what they read and nothing as large.

Left to automatic differentiation, a norm keeps several float32 arrays of its
input's shape, from which a loop over blocks cannot free itself: it stacks them
for all blocks. Here the backward pass makes them again, of the input in the
dtype that it has and of a number or two a token.
"""

from __future__ import annotations

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

_FLOAT = jnp.float32


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4, 5))
def normalize(
  x: jax.Array,
  scale: jax.Array,
  bias: jax.Array | None,
  epsilon: float,
  centred: bool,
  dtype: Any,
) -> jax.Array:
  """scale (x - m) / sqrt(v + epsilon) + bias, in float32 inside.

  m and v are mean and variance over the last axis; E[x^2] - m^2 is the variance
  (Ba et al. 2016). Without centring m is 0, and v the mean of squares (Zhang
  and Sennrich 2019).

  Args:
    x: [..., d].
    scale: [d].
    bias: [d], or None.
    epsilon: of the variance.
    centred: whether the mean is taken away.
    dtype: of the result.

  Returns:
    [..., d].
  """
  return _forward(x, scale, bias, epsilon, centred, dtype)[0]


def _forward(x, scale, bias, epsilon, centred, dtype):
  wide = x.astype(_FLOAT)
  squares = jnp.mean(wide**2, -1)
  mean = jnp.mean(wide, -1) if centred else jnp.zeros_like(squares)
  # Rounding may leave less than nothing of the difference.
  inverse = jax.lax.rsqrt(jnp.maximum(squares - mean**2, 0) + epsilon)
  y = (wide - mean[..., None]) * (inverse[..., None] * scale)
  y = y if bias is None else y + bias
  return y.astype(dtype), (x, mean, inverse, scale, bias)


def _backward(epsilon, centred, dtype, kept, dy):
  """With n = (x - m) r, r = 1 / sqrt(v + epsilon) and g = scale dy.

  dx = r (g - mean(g) - n mean(g n)), the mean of g for what is centred alone.
  """
  del epsilon, dtype
  x, mean, inverse, scale, bias = kept
  normed = (x.astype(_FLOAT) - mean[..., None]) * inverse[..., None]
  dy = dy.astype(_FLOAT)
  g = dy * scale
  away = normed * jnp.mean(g * normed, -1, keepdims=True)
  if centred:
    away += jnp.mean(g, -1, keepdims=True)
  dx = inverse[..., None] * (g - away)
  tokens = tuple(range(x.ndim - 1))
  dscale = jnp.sum(dy * normed, tokens).astype(scale.dtype)
  dbias = None if bias is None else jnp.sum(dy, tokens).astype(bias.dtype)
  return dx.astype(x.dtype), dscale, dbias


normalize.defvjp(_forward, _backward)


class LayerNorm(nn.Module):
  """`flax.linen.LayerNorm` over the last axis, with its parameters.

  Attributes:
    epsilon: of the variance.
    dtype: of the result; statistics are float32.
    use_bias: whether something is added.
  """

  epsilon: float = 1e-6
  dtype: Any = jnp.float32
  use_bias: bool = True

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [..., d] to the same shape."""
    shape = x.shape[-1:]
    scale = self.param('scale', nn.initializers.ones, shape)
    bias = None
    if self.use_bias:
      bias = self.param('bias', nn.initializers.zeros, shape)
    return normalize(x, scale, bias, self.epsilon, True, self.dtype)


class RMSNorm(nn.Module):
  """`flax.linen.RMSNorm` over the last axis, with its parameter.

  Attributes:
    epsilon: of the mean of squares.
    dtype: of the result; statistics are float32.
  """

  epsilon: float = 1e-6
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [..., d] to the same shape."""
    scale = self.param('scale', nn.initializers.ones, x.shape[-1:])
    return normalize(x, scale, None, self.epsilon, False, self.dtype)
