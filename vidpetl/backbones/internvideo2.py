"""InternVideo2's vision tower (Wang et al. 2024), without what trained it.

A joint space-time ViT with a class token and learned positions. Norms of its
blocks are RMSNorms, and so are those of queries and keys, over all heads at
once. Its clip representation is pooled by attention and normalised.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import ranges
from vidpetl.backbones import (
  activations,
  attending,
  dense,
  features,
  layers,
  norms,
  variants,
  vit,
)
from vidpetl.backbones import attention as attention_lib
from vidpetl.backbones import site as site_lib

Features = features.Features
Grid = site_lib.Grid

VARIANTS = {
  **{name: vit.VARIANTS[name] for name in 'SBL'},
  '1B': {'width': 1408, 'depth': 40, 'heads': 16, 'mlp': 6144},
  '6B': {'width': 3200, 'depth': 48, 'heads': 25, 'mlp': 12800},
}
# Of LayerNorms around the pooling; the RMSNorms have the field's.
_EPSILON = 1e-5


class Attention(attention_lib.Attention):
  """Attention whose queries and keys are normalised over all heads.

  Queries, keys and values have no bias.

  Attributes:
    epsilon: of these norms.
  """

  epsilon: float = 1e-6

  @nn.nowrap
  def has_bias(self, name: str) -> bool:
    return False

  @nn.nowrap
  def attend(self, q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
    return super().attend(self.norm('query', q), self.norm('key', k), v)

  @nn.nowrap
  def norm(self, name: str, x: jax.Array) -> jax.Array:
    """Normalises [..., heads, c] over both axes."""
    norm = norms.RMSNorm(self.epsilon, self.dtype, name=f'{name}_norm')
    return norm(x.reshape(*x.shape[:-2], -1)).reshape(x.shape)


class Block(layers.Block):
  """A block with RMSNorms."""

  attention: ClassVar[type[attention_lib.Attention]] = Attention

  @nn.nowrap
  def make_norm(self, name: str) -> norms.RMSNorm:
    return norms.RMSNorm(self.epsilon, self.dtype, name=name)

  @nn.nowrap
  def make_attention(self, name: str, grid: Grid | None = None) -> Attention:
    grid = grid or self.grid
    return Attention(
      self.heads, grid, self.dtype, epsilon=self.epsilon, name=name
    )


class Pooling(nn.Module):
  """Attention of the tokens' mean to the tokens, y = W attend(q, k, v) + b.

  q, k and v are dense layers of the mean and of the tokens, each behind a
  LayerNorm of its own.

  Attributes:
    heads: of the attention; divides the width.
    width: of what it makes.
    dtype: of the computation.
  """

  heads: int
  width: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps tokens [b, n, d] to [b, width]."""
    d = x.shape[-1]
    if d % self.heads:
      raise ValueError(
        f'config.backbone.pool_heads={self.heads}: a width of {d} cannot be '
        f'split into {self.heads} heads'
      )

    def part(name: str, tokens: jax.Array) -> jax.Array:
      tokens = layers.layer_norm(self.dtype, f'{name}_norm', _EPSILON)(tokens)
      y = dense.Dense((d,), dtype=self.dtype, name=name)(tokens)
      return y.reshape(*y.shape[:-1], self.heads, -1)

    mean = x.mean(1, keepdims=True)
    y = attending.attend(part('query', mean), part('key', x), part('value', x))
    y = y.reshape(y.shape[0], d)
    return dense.Dense((self.width,), dtype=self.dtype, name='out')(y)


class InternVideo2(vit.ViT):
  """The tower.

  Attributes:
    tubelet: frames that a token covers.
    pool: width of the clip representation.
    pool_heads: heads of the attention that pools it.
    pool_norm: whether it is normalised, as in fine-tuned models.
  """

  block: ClassVar[type[layers.Block]] = Block
  variants: ClassVar[Mapping[str, Mapping[str, int]]] = VARIANTS

  patch: ranges.Count = 14
  activation: activations.ActivationName = 'gelu_tanh'
  tubelet: ranges.Count = 1
  pool: ranges.Count = 768
  pool_heads: ranges.Count = 16
  pool_norm: bool = True

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> Features:
    x = self.embed(video, self.tubelet)
    clip = Grid(*x.shape[1:4], cls=1)
    token = self.param('cls', nn.initializers.normal(0.02), (1, 1, self.width))
    x = layers.prepend(token, clip.flatten(x))
    x = self.encoder('Transformer', self.tubelet)(x, clip, train)
    lead, grid = clip.to_volume(x)
    # What techniques added is not pooled.
    x = jnp.concatenate([lead[:, : clip.cls], clip.flatten(grid)], axis=1)
    pool = Pooling(self.pool_heads, self.pool, self.dtype, name='pooling')
    summary = pool(x)
    if self.pool_norm:
      summary = layers.layer_norm(self.dtype, 'norm', _EPSILON)(summary)
    return Features(grid, summary)


def build(
  *,
  variant: Annotated[str, ranges.OneOf(VARIANTS)] | None = None,
  **fields,
) -> InternVideo2:
  """Builds the tower.

  Args:
    variant: 'S', 'B', 'L', '1B' or '6B': its width, depth, heads and mlp.
      Without it, `fields` must have these four.
    **fields: of `InternVideo2`; they precede the variant's.

  Raises:
    ValueError: if there is no such variant or field.
  """
  return variants.make(InternVideo2, fields, variant, VARIANTS)
