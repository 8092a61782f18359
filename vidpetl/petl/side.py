"""What side networks share: they read what blocks made, and end in features.

A side network is a technique at the site `features`. Nothing that it learns
lies before the end of the backbone, so a step runs no backward pass through
the backbone, and keeps of it what the side network's first layers read.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import flax.core
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from vidpetl import ranges
from vidpetl.backbones import (
  activations,
  attending,
  features,
  layers,
  tapping,
  torch_layers,
)
from vidpetl.backbones import site as site_lib

_STATISTICS = 'batch_stats'

Block = features.Block
Features = features.Features


class Side(nn.Module):
  """A side network.

  Attributes:
    first: the first block that it reads, numbered from 0, or from the end, -1
      the last.
    last: the last one, likewise.
    every: it reads every k-th block from `last` back to `first`.
    remat: recompute the side network's blocks in the backward pass, to save
      memory.
  """

  first: int = 0
  last: int = -1
  every: ranges.Count = 1
  remat: bool = True

  @nn.nowrap
  def reads(self) -> tuple[tapping.Span, ...]:
    """Returns which blocks it reads."""
    return (tapping.Span(self.first, self.last, self.every),)

  @nn.nowrap
  def read(self, name: str, y: Any, given: Any) -> list[Block]:
    """Returns what blocks made, all on the grid of `y`.

    Args:
      name: of the technique, in the error.
      y: `Features` of the backbone.
      given: its `features.Trunk`.

    Raises:
      ValueError: at another site, or for a block that is not there.
    """
    if not isinstance(y, Features):
      raise ValueError(
        f'{name}: is a side network, which works at the site features alone'
      )
    sizes = y.grid.shape[1:4]
    return [
      block.replace(grid=resized(block.grid, sizes), rows=_rows(block))
      for block in given.read(self.reads())
    ]

  @property
  def training(self) -> bool:
    """Whether BatchNorms normalise by the batch."""
    return self.has_rng('dropout')

  @nn.nowrap
  def run(self, name: str, module: nn.Module, *args: Any) -> Any:
    """Returns module(*args), recomputed if `remat`.

    Args:
      name: of the scope of its parameters and statistics.
      module: unbound, without what is drawn at random.
      *args: arrays, or None.
    """

    # Of its path, by which it is known that no site in it is the backbone's.
    scope = functools.partial(
      flax.core.Scope, name=name, path=(*self.path, name)
    )

    def begin(key):
      made = scope({}, {'params': key}, mutable=['params', _STATISTICS])
      module.clone(parent=made)(*args)
      return flax.core.unfreeze(made.variables())

    moving = [_STATISTICS] if self.training else []

    def apply(params, statistics, *args):
      made = scope({'params': params, _STATISTICS: statistics}, mutable=moving)
      y = module.clone(parent=made)(*args)
      return y, flax.core.unfreeze(made.variables()).get(_STATISTICS, {})

    params = self.param(name, lambda key: begin(key)['params'])
    kept = self._statistics(name, begin)
    call = functools.partial(_recomputed, apply) if self.remat else apply
    y, moved = call(params, kept.value if kept else {}, *args)
    if kept and moving and self.is_mutable_collection(_STATISTICS):
      kept.value = moved
    return y

  @nn.nowrap
  def _statistics(self, name: str, begin: Callable[..., Any]) -> Any:
    """Returns the variable of running statistics; None if there are none."""
    made: dict[str, Any] = {}
    if self.is_initializing():
      made = begin(jax.random.key(0)).get(_STATISTICS, {})
    if made or self.has_variable(_STATISTICS, name):
      return self.variable(_STATISTICS, name, lambda: made)
    return None


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _recomputed(function: Callable[..., Any], *args: Any) -> Any:
  """Returns function(*args), of which the backward pass is handed `args` alone.

  `jax.checkpoint` is not enough for a CPU: its compiler is free to recompute
  early, and then keeps what was recomputed. Here that needs the gradient.
  """
  return function(*args)


def _forward(function, *args):
  return function(*args), args


def _backward(function, args, g):
  zero = 0 * jax.tree.leaves(g)[0].ravel()[0]
  args = jax.tree.map(lambda x: x + zero.astype(x.dtype), args)
  return jax.vjp(function, *args)[1](g)


_recomputed.defvjp(_forward, _backward)


def ended(y: Features, grid: jax.Array, summary: jax.Array) -> Features:
  """Returns the features of a side network, in place of the backbone's."""
  return y.replace(grid=grid, summary=summary, tube=None)


def _rows(block: Block) -> str:
  """Returns how tokens attend where a line of moments is at each location."""
  is_line = block.grid.shape[2:4] == (1, 1)
  return 'location' if is_line else block.rows


def resized(x: jax.Array, sizes: tuple[int, int, int]) -> jax.Array:
  """Brings a volume [b, t, h, w, d] to another grid: [b, *sizes, d].

  Where that is coarser, each of its cells is the mean of those that it
  overlaps; where it is finer, cells are repeated.
  """
  for axis, size in enumerate(sizes, 1):
    n = x.shape[axis]
    if n == size:
      continue
    if n % size == 0:
      split = (*x.shape[:axis], size, n // size, *x.shape[axis + 1 :])
      x = x.reshape(split).mean(axis + 1)
    else:
      means = jnp.asarray(_means(n, size), x.dtype)
      x = jnp.moveaxis(jnp.moveaxis(x, axis, -1) @ means, -1, axis)
  return x


def _means(n: int, size: int) -> np.ndarray:
  """Returns the matrix [n, size] whose products are means of neighbours."""
  found = np.zeros((n, size), np.float32)
  for i in range(size):
    cells = slice(i * n // size, -(-(i + 1) * n // size))
    found[cells, i] = 1 / (cells.stop - cells.start)
  return found


class Attention(nn.Module):
  """Multi-head attention of rows to rows, softmax(q k^T / sqrt(c)) v.

  Attributes:
    heads: number of heads; divides the width.
    kernels: initialiser of queries, keys and values; PyTorch's if None.
    out: initialiser of the layer behind them.
  """

  heads: int
  kernels: Any = None
  out: Any = None

  @nn.compact
  def __call__(self, x: jax.Array, context: jax.Array) -> jax.Array:
    """Maps x [..., n, d] to the same shape, by a context [..., m, d]."""
    d = x.shape[-1]

    def heads(of, name):
      of = torch_layers.dense(of, d, name, kernel=self.kernels)
      return of.reshape(*of.shape[:-1], self.heads, -1)

    y = attending.attend(
      heads(x, 'query'), heads(context, 'key'), heads(context, 'value')
    )
    return torch_layers.dense(y.reshape(x.shape), d, 'out', kernel=self.out)


class Transformer(nn.Module):
  """A pre-norm block, as those of a trunk and narrower, on a volume.

  Attributes:
    heads: of the attention, or fewer: the largest divisor of these that
      divides the width.
    mlp_ratio: hidden width of the MLP over the width.
    rows: which tokens attend to each other, see `site.Grid`.
  """

  heads: int
  mlp_ratio: int
  rows: str

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [b, t, h, w, s] to the same shape."""
    s = x.shape[-1]
    grid = site_lib.Grid(*x.shape[1:4], rows=self.rows)
    norm = layers.layer_norm
    tokens = grid.flatten(norm(x.dtype, 'norm_attention')(x))
    heads = math.gcd(self.heads, s)
    tokens = Attention(heads, name='attention')(tokens, tokens)
    x = x + grid.to_volume(tokens)[1]
    y = norm(x.dtype, 'norm_mlp')(x)
    y = torch_layers.dense(y, self.mlp_ratio * s, 'fc1')
    return x + torch_layers.dense(activations.gelu(y), s, 'fc2')
