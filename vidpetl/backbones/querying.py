"""Attention of few queries, which do not depend on the clip."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp


class Weights(nn.Module):
  """`kernel` [d, heads, c] and `bias` [heads, c] of a dense layer."""

  shape: tuple[int, int, int]
  use_bias: bool = True

  @nn.compact
  def __call__(self) -> tuple[jax.Array, jax.Array | float]:
    d, heads, c = self.shape

    def init(key, shape, dtype=jnp.float32):
      flat = nn.initializers.xavier_uniform()(key, (d, heads * c), dtype)
      return flat.reshape(shape)

    kernel = self.param('kernel', init, self.shape)
    if not self.use_bias:
      return kernel, 0.0
    return kernel, self.param('bias', nn.initializers.zeros, (heads, c))


class Pooling(nn.Module):
  """Multi-head attention of queries q_j, the same for all clips.

      a_jh = softmax(x W_k^h q_jh / sqrt(c)),   y_jh = (a_jh x) W_v^h + b_v^h

  with q_jh = W_q^h q_j + b_q^h. Keys and values are not made: W_k acts on the
  few queries, and W_v on what they pooled, which is the same, as weights sum to
  1. Of n tokens d wide that takes 4 n d FLOPs a query and head, where keys and
  values take 8 n d^2. A bias of keys would change no weight, and there is none.

  It has the parameters of `nn.MultiHeadDotProductAttention`, without its 'out'.

  Attributes:
    heads: number of them; divides the width.
    width: of all heads together; 0 is d.
    scaled: whether each channel of a head has a factor softplus(s) / log(2), s
      learned, 0 at first (VideoPrism).
  """

  heads: int
  width: int = 0
  scaled: bool = False

  @nn.compact
  def __call__(self, queries: jax.Array, x: jax.Array) -> jax.Array:
    """Returns [b, m, width] of queries [m, d] and tokens x [b, n, d]."""
    m, d = queries.shape
    width = self.width or d
    shape = d, self.heads, width // self.heads
    kernel, bias = Weights(shape, name='query')()
    q = jnp.einsum('md,dhc->mhc', queries, kernel) + bias
    q *= shape[-1] ** -0.5
    if self.scaled:
      s = self.param('per_dim_scale', nn.initializers.zeros, shape[-1:])
      q *= nn.softplus(s) / jnp.log(2.0)
    keys, _ = Weights(shape, use_bias=False, name='key')()
    by = jnp.einsum('mhc,dhc->mhd', q, keys).reshape(m * self.heads, d)
    pooled = pool(by, x).reshape(x.shape[0], m, self.heads, d)
    values, bias = Weights(shape, name='value')()
    y = jnp.einsum('bmhd,dhc->bmhc', pooled, values.astype(x.dtype)) + bias
    return y.reshape(x.shape[0], m, width).astype(x.dtype)


def pool(by: jax.Array, x: jax.Array) -> jax.Array:
  """Returns softmax(by x^T) x, [b, k, d], of by [k, d] and tokens [b, n, d].

  Products are in the dtype of x, and the softmax in float32.
  """
  f32 = {'preferred_element_type': jnp.float32}
  scores = jnp.einsum('kd,bnd->bkn', by.astype(x.dtype), x, **f32)
  return jnp.einsum('bkn,bnd->bkd', nn.softmax(scores).astype(x.dtype), x)
