"""Multi-head attention, with the sites around its dense layers."""

from __future__ import annotations

from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl.backbones import site as site_lib

Grid = site_lib.Grid
site = site_lib.site


def attend(
  q: jax.Array, k: jax.Array, v: jax.Array, bias: jax.Array | None = None
) -> jax.Array:
  """softmax(q k^T / sqrt(c) + bias) v, with the softmax in float32.

  Args:
    q: [..., n, heads, c].
    k: [..., m, heads, c].
    v: [..., m, heads, c].
    bias: [..., heads, n, l] for the last l of the m keys; keys in front of
      them, which techniques have added, have none.

  Returns:
    [..., n, heads, c] in the dtype of `v`.
  """
  if bias is None and takes_fused(q):
    flat = lambda x: x.reshape(-1, *x.shape[-3:])
    y = jax.nn.dot_product_attention(
      flat(q), flat(k), flat(v), implementation='cudnn'
    )
    return y.reshape(*q.shape[:-1], v.shape[-1])
  scores = jnp.einsum(
    '...nhc,...mhc->...hnm', q, k, preferred_element_type=jnp.float32
  )
  scores *= q.shape[-1] ** -0.5
  if bias is not None:
    added = k.shape[-3] - bias.shape[-1]
    scores += jnp.pad(bias, [(0, 0)] * (bias.ndim - 1) + [(added, 0)])
  weights = nn.softmax(scores).astype(v.dtype)
  return jnp.einsum('...hnm,...mhc->...nhc', weights, v)


def takes_fused(q: jax.Array, device: Any = None) -> bool:
  """Whether cuDNN's fused attention is there for such queries.

  Args:
    q: [..., n, heads, c].
    device: that computes; the first one, if not given.
  """
  device = device or jax.devices()[0]
  generation = str(getattr(device, 'compute_capability', '')).split('.')[0]
  return (
    device.platform == 'gpu'
    and generation.isdigit()  # Not so on AMD's.
    and int(generation) >= 8
    and q.dtype in (jnp.bfloat16, jnp.float16)
    and q.shape[-1] % 8 == 0
    and q.shape[-1] <= 128
  )


class Attention(nn.Module):
  """Multi-head self-attention within rows.

  Sites: `attn_qkv`, `attn_out`, `attn_proj`.

  It has the parameters of `nn.MultiHeadDotProductAttention`: `query`, `key`,
  `value` with kernels [d, heads, d / heads], and `out`.

  Attributes:
    heads: number of heads; divides the width.
    grid: where the tokens sit.
    dtype: of the computation.
    key_bias: whether keys have a bias, as queries and values do.
  """

  heads: int
  grid: Grid
  dtype: Any = jnp.float32
  key_bias: bool = True

  # Whether any tokens may make up a row, and not only those of `grid`.
  any_rows: ClassVar[bool] = True

  @nn.nowrap
  def attend(self, q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
    return attend(q, k, v)

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [..., n, d] to [..., n, d]."""
    return self.project_out(x, self.attend(*self.project_in(x)))

  @nn.nowrap
  def project_in(self, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns queries, keys and values [..., n, heads, c] of x [..., n, d]."""
    d = x.shape[-1]
    if d % self.heads:
      raise ValueError(f'width {d} cannot be split into {self.heads} heads')
    return site(
      'attn_qkv',
      tuple(
        self.dense(
          (self.heads, d // self.heads),
          use_bias=self.key_bias or name != 'key',
          name=name,
        )(x)
        for name in ('query', 'key', 'value')
      ),
      given=x,
      grid=self.grid,
      behind=('query', 'key', 'value'),
    )

  @nn.nowrap
  def project_out(self, x: jax.Array, y: jax.Array) -> jax.Array:
    """Maps what was attended to, [..., n, heads, c], to the shape of x."""
    split = y.shape[-2:]
    y = y.reshape(*y.shape[:-2], -1)
    y = site('attn_out', y, grid=self.grid, before=('out',))
    out = self.dense(x.shape[-1], axis=(-2, -1), name='out')(
      y.reshape(*y.shape[:-1], *split)
    )
    return site('attn_proj', out, given=y, grid=self.grid, behind=('out',))

  @nn.nowrap
  def dense(self, features: int | tuple[int, int], **options) -> nn.Module:
    return nn.DenseGeneral(
      features,
      dtype=self.dtype,
      kernel_init=nn.initializers.xavier_uniform(),
      **options,
    )
