"""The layers of temporal segmentation attention (Xu et al. 2022)."""

from __future__ import annotations

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl.backbones import torch_layers
from vidpetl.tasks.quality import mlp


class TsaHead(nn.Module):
  """Segments performances into steps, and compares two of them step by step.

  Attributes:
    frames: of a performance.
    widths: channels of the segmentation, all but the last, which are frames.
    blocks: of cross-attention.
    heads: of attention.
    scramble: see `Tsa`.
  """

  frames: int
  widths: tuple[int, ...] = (12, 24, 48, 96)
  blocks: int = 3
  heads: int = 8
  scramble: bool = False

  def setup(self):
    self.segmentation = Segmentation((*self.widths, self.frames))
    self.decoder = [CrossAttention(self.heads) for _ in range(self.blocks)]
    self.regressor = mlp.Mlp((256, 64, 1))

  def segment(
    self, summary: jax.Array, grid: jax.Array, train: bool
  ) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns features per frame, transitions, and maps per frame.

    Args:
      summary: of each of s segments of a video, [n, s, d].
      grid: [n, s, t', h, w, d].
      train: BatchNorm normalises by the batch, and learns from it twice.

    Returns:
      float32 [n, frames, c], logits [n, frames, 2] and [n, frames, h w, c],
      with c = d // 2^(number of widths).
    """
    u, logits = self.segmentation(summary.astype(jnp.float32), train)
    maps = grid.mean(2, dtype=jnp.float32)
    n, s, h, w, d = maps.shape
    cells = maps.reshape(n, s, h * w, d)
    if self.scramble:
      # [s, d, h, w] of a video in memory, read on as [h w, s, d].
      cells = jnp.swapaxes(cells, 2, 3).reshape(n * h * w, s, d)
    else:
      cells = jnp.swapaxes(cells, 1, 2).reshape(n * h * w, s, d)
    m, _ = self.segmentation(cells, train)
    if self.scramble:
      m = m.reshape(n, self.frames, -1, h * w)
      return u, logits, jnp.swapaxes(m, 2, 3)
    m = m.reshape(n, h * w, self.frames, -1)
    return u, logits, jnp.swapaxes(m, 1, 2)

  def difference(self, query: jax.Array, exemplar: jax.Array) -> jax.Array:
    """Returns how much more the queries score than the exemplars.

    Args:
      query: tokens of each step [..., steps, tokens, c].
      exemplar: [..., steps, tokens h w, c], from tokens of its maps.

    Returns:
      float32 [...], a mean over tokens.
    """
    for block in self.decoder:
      query = block(query, exemplar)
    return self.regressor(query).mean((-3, -2, -1))


class Segmentation(nn.Module):
  """Finds transitions; the clips' order is in its channels, as is time.

  The segments of a video are the channels of what 1D convolutions run over, a
  video's features; between convolutions those are max-pooled, and the channels
  at the end are the frames.

  Attributes:
    widths: channels of each pair of convolutions, the last being frames.
  """

  widths: tuple[int, ...]

  @nn.compact
  def __call__(self, x: jax.Array, train: bool) -> tuple[jax.Array, jax.Array]:
    """Maps [n, s, d] to [n, frames, d'] and logits [n, frames, 2]."""
    x = jnp.swapaxes(x, 1, 2)
    for level, width in enumerate(self.widths):
      if level:
        x = nn.max_pool(x, window_shape=(2,), strides=(2,))
      for step in (1, 2):
        x = self._unit(x, width, f'{level + 1}_{step}', train)
    x = jnp.swapaxes(x, 1, 2)
    return x, mlp.Mlp((128, 64, 2), name='transitions')(x)

  def _unit(self, x, width, name, train):
    uniform = torch_layers.uniform(3 * x.shape[-1])
    x = nn.Conv(
      width, (3,), kernel_init=uniform, bias_init=uniform, name=f'conv{name}'
    )(x)
    norm = nn.BatchNorm(
      use_running_average=not train,
      momentum=0.9,
      epsilon=1e-5,
      name=f'norm{name}',
    )
    return nn.relu(norm(x))


class CrossAttention(nn.Module):
  """A pre-norm transformer block whose keys and values are another's tokens.

  q' = q + attention(norm(q), norm(v)), q'' = q' + mlp(norm(q')), without biases
  in front of the attention, with GELU, and an mlp of 4 times the width.

  Attributes:
    heads: of attention.
  """

  heads: int

  @nn.compact
  def __call__(self, query: jax.Array, value: jax.Array) -> jax.Array:
    """Maps [..., n, c] and [..., m, c] to [..., n, c]."""
    c = query.shape[-1]
    norm = functools.partial(nn.LayerNorm, epsilon=1e-5)
    bias = torch_layers.uniform(c)
    q, v = norm(name='norm_q')(query), norm(name='norm_v')(value)
    split = [self._project(name, x) for name, x in zip('qkv', (q, v, v))]
    x = nn.dot_product_attention(*split).reshape(query.shape)
    query = query + torch_layers.dense(x, c, 'out', bias=bias)
    x = torch_layers.dense(
      norm(name='norm_mlp')(query), 4 * c, 'mlp1', bias=bias
    )
    x = nn.gelu(x, approximate=False)
    return query + torch_layers.dense(
      x, c, 'mlp2', bias=torch_layers.uniform(4 * c)
    )

  def _project(self, name, x):
    c = x.shape[-1]
    y = nn.Dense(
      c, use_bias=False, kernel_init=torch_layers.uniform(c), name=name
    )(x)
    return y.reshape(*y.shape[:-1], self.heads, c // self.heads)
