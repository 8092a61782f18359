"""What techniques at `attn_qkv` share: y = (q, k, v), each [..., n, heads, c].

Techniques may put keys and values in front, so that these can be more than the
tokens that a branch was given; what is computed from tokens is added to the
last of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import jax
import jax.numpy as jnp

from vidpetl import ranges
from vidpetl.backbones import dense

LETTERS = 'qkv'
Letters = Annotated[str, ranges.Some(LETTERS)]
# Letter -> the layer; what is learned for it is called '<layer>_…'.
PROJECTIONS = {'q': 'query', 'k': 'key', 'v': 'value'}


def named(technique: str, y) -> dict[str, jax.Array]:
  """Returns {'q': q, 'k': k, 'v': v}.

  Raises:
    ValueError: if y is of another site.
  """
  if not isinstance(y, tuple):
    raise ValueError(f'{technique}: works at the site attn_qkv alone')
  return dict(zip(LETTERS, y))


def chosen(to: str) -> list[str]:
  """Returns the letters of `to` in the order q, k, v."""
  return [letter for letter in LETTERS if letter in to]


def each(
  y, to: str, edit: Callable[[jax.Array, int, str], jax.Array], axes: int = 1
):
  """Edits (q, k, v), or tokens.

  Args:
    y: (q, k, v), or tokens [..., d].
    to: which of q, k and v; of no interest for tokens.
    edit: maps an array, the number of axes that are its channels, and how names
      of what is learned begin, to an array.
    axes: how many last axes of tokens are channels.

  Returns:
    What y was, edited.
  """
  if not isinstance(y, tuple):
    return edit(y, axes, '')
  return tuple(
    edit(x, 2, f'{PROJECTIONS[letter]}_') if letter in to else x
    for letter, x in zip(LETTERS, y)
  )


def add(x: jax.Array, update: jax.Array) -> jax.Array:
  """Adds [..., n, heads, c] to the last n of [..., m, heads, c]."""
  front = x.shape[-3] - update.shape[-3]
  if front:
    widths = [(0, 0)] * (x.ndim - 3) + [(front, 0), (0, 0), (0, 0)]
    update = jnp.pad(update, widths)
  return dense.add(x, update, 2)


def prepend(front: jax.Array, x: jax.Array) -> jax.Array:
  """Puts [..., p, heads, c] before [..., m, heads, c].

  The leading axes of `front` may lack; it is then the same for all. Heads are
  one axis meanwhile, as in `dense.as_one`.
  """
  front = jnp.broadcast_to(front, (*x.shape[:-3], *front.shape[-3:]))
  joined = [y.reshape(*y.shape[:-2], -1) for y in (front, x)]
  y = jnp.concatenate(joined, axis=-2)
  return y.reshape(*y.shape[:-1], *x.shape[-2:])
