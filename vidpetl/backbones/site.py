"""Sites: the named places of a backbone where a technique may act.

A backbone writes `y = site('mlp', y, given=x, grid=grid)` and knows no
technique. A technique edits one value and knows no backbone. `adapted.Adapted`
brings the two together.

A site is a module without parameters, so that a backbone to which nothing is
bound has exactly its published parameter tree, and everything that techniques
learn lies below a `site_*` scope.

These are the names. `tokens` is what enters the blocks, and `features` what
the whole backbone gives: value = `Features`, given = the `features.Trunk` with
what blocks made; that is where side networks sit. A block has `block_in` and
`block_out`, and for each branch f of it, 'attn', 'mlp' or 'conv',

  f_in        value = what the branch is given
  f           value = f(u), given = u
  f_residual  value = x + f(u), given = x

A transformer's branches have a site on each side of their dense layers:

  attn_in -> query, key, value -> attn_qkv, attention, attn_out -> out ->
  attn_proj;    mlp_in -> fc1 -> mlp_fc1, activation, mlp_hidden -> fc2 ->
  mlp_fc2

At those of `DENSE`, value = W u + b and given = u, so that a low-rank update
goes to any dense layer. `attn_out` and `mlp_hidden` are what the second layer
of a branch reads. A site also names the layers next to it (`Site.behind` and
`Site.before`); that is all that merging needs to know of a backbone.

`layer` is in every layer that is linear: dense layers, those between stages
included, embeddings, convolutions. There value = W x + b, and given is a
`Linear`, which has W. The module that has the site is the layer itself.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import einops
import flax.linen as nn
import jax
import jax.numpy as jnp

# Something along time, height and width: a window, a kernel, strides.
Size = tuple[int, int, int]

PREFIX = 'site_'
# Behind the backbone.
FEATURES = 'features'
# Sites right behind dense layers, with `given` what these read.
DENSE = ('attn_qkv', 'attn_proj', 'mlp_fc1', 'mlp_fc2')

_TOKENS = {
  'clip': 'b (t h w) d',
  'frame': 'b t (h w) d',
  'location': 'b (h w) t d',
}
_AXES = {'clip': 3, 'frame': 4, 'location': 4}


@dataclasses.dataclass(frozen=True)
class Grid:
  """Where the tokens of an activation sit in space-time.

  With it a 3-D convolution sees token sequences, windows and feature maps
  alike. Activations `[b, t, h, w, d]` are volumes already; `rows` says which
  tokens attend to each other in all others:

    'clip'      [b, lead + t h w, d]     all tokens of a clip
    'frame'     [b, t, lead + h w, d]    the tokens of a frame
    'location'  [b, h w, lead + t, d]    what one location sees over time

  Attributes:
    t: length of the grid in time.
    h: its height.
    w: its width.
    cls: class tokens, which come first. Tokens that a technique adds go
      between these and the grid's own.
    rows: 'clip', 'frame' or 'location'.
    patch: pixels that a token covers, over its frames.
    depth: how far along its encoder the block is, from 0 at the first to 1 at
      the last; rates of dropping paths grow with it.
  """

  t: int
  h: int
  w: int
  cls: int = 0
  rows: str = 'clip'
  patch: int = 256
  depth: float = 1.0

  @property
  def sizes(self) -> dict[str, int]:
    return {'t': self.t, 'h': self.h, 'w': self.w}

  @property
  def row_length(self) -> int:
    """How many tokens of a row lie on the grid."""
    return {
      'clip': math.prod((self.t, self.h, self.w)),
      'frame': self.h * self.w,
      'location': self.t,
    }[self.rows]

  def to_volume(self, x: jax.Array) -> tuple[jax.Array | None, jax.Array]:
    """Returns (leading tokens off the grid, volume [b, t, h, w, d])."""
    if x.ndim == 5:
      return None, x
    if x.ndim != _AXES[self.rows]:
      raise ValueError(
        f'tokens {x.shape} are no rows of a {self.rows}: inside a windowed '
        'attention a technique sees no neighbours on the grid; bind it around '
        'the branch'
      )
    lead, x = jnp.split(x, [x.shape[-2] - self.row_length], axis=-2)
    pattern = f'{_TOKENS[self.rows]} -> b t h w d'
    return lead, einops.rearrange(x, pattern, **self.sizes)

  def to_tokens(self, lead: jax.Array | None, x: jax.Array) -> jax.Array:
    """Inverse of `to_volume`."""
    if lead is None:
      return x
    x = self.flatten(x)
    return jnp.concatenate([lead, x], axis=-2) if lead.shape[-2] else x

  def plus(self, y: jax.Array, update: jax.Array) -> jax.Array:
    """Adds a volume [b, t, h, w, d] to tokens on the grid; others pass.

    The sum has the axes of rows. Of one that has a volume's, and is put in rows
    again, a CPU's program stores nothing, and adds up the outputs of all blocks
    anew wherever a layer reads it.

    Args:
      y: rows of tokens, or a volume.
      update: a volume.
    """
    if y.ndim == 5:
      return y + update
    rows = self.flatten(update)
    off = y.shape[-2] - rows.shape[-2]
    return y + jnp.pad(rows, [(0, 0)] * (y.ndim - 2) + [(off, 0), (0, 0)])

  def inside(self, x: jax.Array) -> jax.Array:
    """Returns tokens, or a volume, with zeros for those off the grid."""
    off = 0 if x.ndim == 5 else x.shape[-2] - self.row_length
    if not off:
      return x
    return jnp.where(jnp.arange(x.shape[-2])[:, None] < off, 0, x)

  def flatten(self, x: jax.Array) -> jax.Array:
    """Arranges a volume [b, t, h, w, d] in rows, without leading tokens."""
    return einops.rearrange(x, f'b t h w d -> {_TOKENS[self.rows]}')


@dataclasses.dataclass(frozen=True)
class Branch:
  """The attention branch of a block, for techniques that use it once more.

  Both take rows of tokens [..., n, d] to the same shape, whichever tokens make
  up a row, and always with the same parameters.

  Attributes:
    norm: the LayerNorm before the attention.
    layer: the attention; positions, a window's biases too, are left out.
  """

  norm: Callable[[jax.Array], jax.Array]
  layer: Callable[[jax.Array], jax.Array]


@dataclasses.dataclass(frozen=True)
class Linear:
  """The layer of a site `layer`, W x + b.

  Attributes:
    x: what it reads, in the dtype of the computation.
    kernel: W, [*in, *out].
    bias: b, [*out], if there is one.
    axes: number of axes of `out`.
    apply: (x, [*in, n]) -> [..., n], the same with other kernels.
  """

  x: jax.Array
  kernel: jax.Array
  bias: jax.Array | None
  axes: int
  apply: Callable[[jax.Array, jax.Array], jax.Array]

  @property
  def inner(self) -> tuple[int, ...]:
    """Returns the axes of `in`."""
    return self.kernel.shape[: -self.axes]

  @property
  def out(self) -> tuple[int, ...]:
    """Returns the axes of `out`."""
    return self.kernel.shape[-self.axes :]


def channels(given: Any) -> int:
  """Returns how many last axes of tokens are channels, by what is given."""
  return given.axes if isinstance(given, Linear) else 1


class Site(nn.Module):
  """A place in a backbone; the identity, unless a technique is bound to it.

  Attributes:
    behind: the layers whose output this is, by their scope beside the site:
      dense layers, or a LayerNorm. (q, k, v) have one each; '' is the layer
      that has the site.
    before: the dense layers that read this, and nothing else does.
  """

  behind: tuple[str, ...] = ()
  before: tuple[str, ...] = ()

  @nn.compact
  def __call__(self, y, given, grid):
    return y


def site(
  name: str,
  y,
  *,
  given=None,
  grid: Grid | None = None,
  behind: tuple[str, ...] = (),
  before: tuple[str, ...] = (),
):
  """Marks `y` as a place where techniques may act.

  Args:
    name: one of those above.
    y: the value that a technique edits: an array, or (q, k, v) each
      [..., n, heads, c] at `attn_qkv`.
    given: what the branch that made `y` was given; the block's `Branch` at
      `block_in`, if its attention takes any rows.
    grid: where the tokens of `y` and `given` sit.
    behind: see `Site`.
    before: see `Site`.

  Returns:
    `y`, as edited by the techniques bound here.
  """
  here = Site(behind, before, name=PREFIX + name)
  return here(y, given, grid)


def layer(y: jax.Array, given: Linear) -> jax.Array:
  """The site `layer` of what a layer makes."""
  return site('layer', y, given=given, behind=('',))


def check_dense(technique: str, here: Any) -> None:
  """Raises ValueError unless a technique is bound right behind dense layers.

  Args:
    technique: its name, in the error.
    here: the `Site` it is at, its parent; anything else passes.
  """
  if isinstance(here, Site):
    name = here.name.removeprefix(PREFIX)
    if name not in DENSE:
      raise ValueError(
        f'{technique}: works right behind a dense layer, at layer, '
        f'{", ".join(DENSE)}; {name} is no such site'
      )


def check_stream(technique: str, here: Any) -> None:
  """Raises ValueError where rows must keep their length: inside a branch.

  Args:
    technique: its name, in the error.
    here: the `Site` it is at, its parent; anything else passes.
  """
  if isinstance(here, Site):
    name = here.name.removeprefix(PREFIX)
    if name not in ('tokens', 'block_in') and not name.endswith('_residual'):
      raise ValueError(
        f'{technique}: lengthens rows, so it works at tokens, block_in or the '
        f'f_residual of a branch f; {name} is inside a branch, whose result is '
        'added to the shorter rows'
      )


def check_tokens(technique: str, y: Any, given: Any = None) -> None:
  """Raises ValueError where y is no array of tokens, as at `attn_qkv`."""
  if channels(given) > 1:
    raise ValueError(
      f'{technique}: works on tokens, and this layer gives {channels(given)} '
      'axes of channels; bind it to attn, attn_in or the mlp'
    )
  if isinstance(y, tuple):
    raise ValueError(
      f'{technique}: works on tokens, and attn_qkv has queries, keys and '
      'values instead'
    )
