"""What all probes share: which tokens they read, and of which blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl import ranges
from vidpetl.backbones import dropout
from vidpetl.backbones import features as features_lib
from vidpetl.backbones import layers as layers_lib

Block = features_lib.Block

COMBINES = ('weighted', 'concat', 'tokens')
NORMS = ('none', 'layer')


class Probe(nn.Module):
  """z = reduce(dropout(norm(x))), of the tokens x [b, n, d] of clips.

  Without `layers`, x is the backbone's grid, as its last norm leaves it. Of
  several blocks x_l, each normalised without scale and bias, which leave a
  backbone as they are added up,

      weighted  x = sum_l softmax(a)_l LN(x_l), a learned, 0 at first
      concat    x = [LN(x_1), …, LN(x_L)] along d
      tokens    the same along n, as if each block's were further moments; what
                `norm` normalises is not normalised before

  Blocks on other grids, as those of Swin's stages and of convolutional
  networks, are resampled to that of the last one named.

  Attributes:
    layers: numbers of the blocks that are read, from 0, or from -1, the last;
      () for the backbone's grid.
    combine: blocks, 'weighted', 'concat' or 'tokens'.
    lead: whether tokens off the grid are read, too: class tokens, and those
      that techniques added. They are the last block's if there are no `layers`.
    norm: of tokens, 'none' or 'layer', with scale and bias.
    time: whether a vector e_t is added to tokens of moment t behind it, learned
      and 0 at first: towers of images tell no moments apart.
    dropout: rate, of tokens' features in training.
  """

  layers: tuple[int, ...] = ()
  combine: Annotated[str, ranges.OneOf(COMBINES)] = 'weighted'
  lead: bool = False
  norm: Annotated[str, ranges.OneOf(NORMS)] = 'none'
  time: bool = False
  dropout: ranges.Rate = 0.0

  @nn.nowrap
  def blocks(self) -> tuple[int, ...]:
    """Returns the numbers of the blocks that are read."""
    return self.layers or ((-1,) if self.lead else ())

  @nn.nowrap
  def sources(self, features: features_lib.Features) -> list[Block]:
    """Returns what is read of clips, with all their leading axes."""
    if self.blocks():
      return [self._leading(features, number) for number in self.blocks()]
    if features.tube is None:
      return [Block(features.grid)]
    # The layers that still have to run take one vector of each frame.
    *lead, t, _, _, d = features.grid.shape
    frames = features.grid.mean((-3, -2)).reshape(-1, t, d)
    return [Block(features.tube(frames).reshape(*lead, t, 1, 1, d))]

  @nn.nowrap
  def digest(self, features: features_lib.Features) -> features_lib.Features:
    """Returns what `sources` reads of features, and nothing else."""
    if not self.blocks():
      return features.replace(summary=None, blocks={})
    blocks = {n: self._leading(features, n) for n in self.blocks()}
    return features_lib.Features(None, None, blocks=blocks)

  @nn.nowrap
  def _leading(self, features: features_lib.Features, number: int) -> Block:
    block = features.blocks[number]
    if not self.lead:
      return Block(block.grid)
    if block.lead is None or not block.lead.shape[-2]:
      raise ValueError(
        f'probe.lead=True reads tokens off the grid, and block {number} of '
        'this backbone has none: leave it out'
      )
    return block

  def of_clips(self, features: features_lib.Features, train: bool) -> jax.Array:
    """Returns z [..., d'] of clips that have leading axes [...]."""
    sources = self.sources(features)
    lead = sources[0].grid.shape[:-4]
    sources = jax.tree.map(
      lambda x: x.reshape(-1, *x.shape[len(lead) :]), sources
    )
    z = self(sources, train)
    return z.reshape(*lead, z.shape[-1])

  @nn.compact
  def __call__(self, sources: Sequence[Block], train: bool) -> jax.Array:
    """Maps what is read of b clips, or people, to z [b, d'].

    Args:
      sources: see `sources`; grids [b, t, h, w, d].
      train: whether features are dropped.
    """
    x = self._combined(sources) if self.blocks() else sources[0]
    if self.norm == 'layer':
      norm = layers_lib.layer_norm(x.grid.dtype, 'norm')
      x = jax.tree.map(norm, x)
    if self.time:
      shape = (x.grid.shape[1], x.grid.shape[-1])
      table = self.param('time', nn.initializers.zeros, shape)
      table = table.astype(x.grid.dtype)[:, None, None]
      x = Block(x.grid + table, x.lead)
    x = jax.tree.map(dropout.Dropout(self.dropout, not train), x)
    return self.reduce(x)

  @nn.nowrap
  def reduce(self, x: Block) -> jax.Array:
    """Maps tokens of b clips to z [b, d'], in a compact method."""
    raise NotImplementedError

  @nn.nowrap
  def _combined(self, sources: Sequence[Block]) -> Block:
    size = sources[-1].grid.shape[1:4]
    sources = [Block(resampled(x.grid, size), x.lead) for x in sources]
    side_by_side = self.combine == 'tokens'
    if not (side_by_side and self.norm == 'layer'):
      sources = [jax.tree.map(standardised, x) for x in sources]
    if self.combine == 'concat':
      return jax.tree.map(lambda *x: jnp.concatenate(x, -1), *sources)
    self._require_one_width(sources)
    if side_by_side:
      return jax.tree.map(lambda *x: jnp.concatenate(x, 1), *sources)
    a = self.param('layer_weights', nn.initializers.zeros, (len(sources),))
    share = nn.softmax(a)
    return jax.tree.map(
      lambda *x: sum(share[i].astype(x[i].dtype) * x[i] for i in range(len(x))),
      *sources,
    )

  @nn.nowrap
  def _require_one_width(self, sources: Sequence[Block]) -> None:
    widths = [x.grid.shape[-1] for x in sources]
    if len(set(widths)) > 1:
      raise ValueError(
        f'probe.combine={self.combine!r} takes blocks of one width, and those '
        f"of layers={self.layers} are {widths} wide; combine='concat' takes "
        'them, or layers of one width'
      )


def standardised(x: jax.Array) -> jax.Array:
  """Returns (x - mean) / sqrt(var + 1e-6) over the last axis, in x's dtype."""
  y = x.astype(jnp.float32)
  y = y - y.mean(-1, keepdims=True)
  scale = jax.lax.rsqrt((y**2).mean(-1, keepdims=True) + 1e-6)
  return (y * scale).astype(x.dtype)


def resampled(x: jax.Array, size: Sequence[int]) -> jax.Array:
  """Resizes a volume [b, t, h, w, d] to other (t, h, w), antialiased."""
  if x.shape[1:4] == tuple(size):
    return x
  one = lambda x: jax.image.resize(x, (*size, x.shape[-1]), 'linear')
  return jax.vmap(one)(x)


def tokens(x: Block) -> jax.Array:
  """Returns all tokens [b, n, d] of clips, those off the grid first."""
  b, *_, d = x.grid.shape
  parts = [] if x.lead is None else [x.lead]
  return jnp.concatenate([p.reshape(b, -1, d) for p in (*parts, x.grid)], 1)


def divisor(of: int, most: int) -> int:
  """Returns the largest number up to `most` that divides `of`."""
  return max(n for n in range(1, max(most, 1) + 1) if of % n == 0)
