"""Rotary positions (Su et al. 2021) on grids of tokens.

A query or key x of a token at position p is turned in planes of two channels:

  y = x cos(a) + x' sin(a),  a = p R

where x' is x turned by a right angle in each plane, p [n, k] are the token's
coordinates and R [k, c] what each adds to the angle of each channel. Codes
differ in p, in R and in which channels make a plane. A `Rotary` is one code.
"""

from __future__ import annotations

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from vidpetl.backbones import site as site_lib

Grid = site_lib.Grid


class Rotary:
  """How a code turns queries and keys. Subclasses are frozen dataclasses.

  Attributes:
    paired: whether channels 2 j and 2 j + 1 make a plane; else j and j + c / 2.
  """

  paired: ClassVar[bool] = True

  def positions(self, grid: Grid) -> np.ndarray:
    """Returns p [n, k] of the tokens of a row, without those off the grid."""
    raise NotImplementedError

  def rates(self, channels: int) -> np.ndarray:
    """Returns R [k, c] in radians; a channel of zeros is not turned."""
    raise NotImplementedError

  def turn(self, x: jax.Array, grid: Grid) -> jax.Array:
    """Turns queries or keys.

    Args:
      x: [..., n, heads, c]. Tokens off the grid come first, and stay.
      grid: where the others sit.

    Returns:
      The same shape and dtype; angles are computed in float32.
    """
    places, rates = self.positions(grid), self.rates(x.shape[-1])
    # Products in full precision, which a matrix unit would not keep.
    angle = sum(
      jnp.asarray(places[:, None, i], jnp.float32)
      * jnp.asarray(rates[i], jnp.float32)
      for i in range(len(rates))
    )[:, None]
    lead, x = jnp.split(x, [x.shape[-3] - len(places)], axis=-3)
    y = x.astype(jnp.float32)
    y = y * jnp.cos(angle) + self._across(y) * jnp.sin(angle)
    y = y.astype(x.dtype)
    return jnp.concatenate([lead, y], axis=-3) if lead.shape[-3] else y

  def _across(self, x: jax.Array) -> jax.Array:
    """Turns each plane by a right angle: (a, b) becomes (-b, a)."""
    if self.paired:
      a, b = x[..., 0::2], x[..., 1::2]
      return jnp.stack([-b, a], axis=-1).reshape(x.shape)
    a, b = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([-b, a], axis=-1)


def coordinates(*axes: np.ndarray) -> np.ndarray:
  """Returns [n, k]: all combinations of k axes, the last runs fastest."""
  return np.stack(np.meshgrid(*axes, indexing='ij'), -1).reshape(-1, len(axes))
