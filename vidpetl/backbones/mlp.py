"""What follows attention in a block: two dense layers."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from vidpetl.backbones import activations, gradients, norms
from vidpetl.backbones import dense as dense_lib
from vidpetl.backbones import site as site_lib

Grid = site_lib.Grid
site = site_lib.site


class Mlp(nn.Module):
  """Two dense layers with an activation between them.

  Sites: `mlp_fc1`, `mlp_hidden`, `mlp_fc2`.

  Attributes:
    hidden: width between the layers.
    dtype: of the computation.
    activation: one of `activations.ACTIVATIONS`.
    grid: where the tokens sit.
  """

  # Dense layers that read what this is given, and the one that ends it.
  reads: ClassVar[tuple[str, ...]] = ('Dense_0',)
  ends: ClassVar[str] = 'Dense_1'
  # How many times `hidden` the first layer makes.
  gates: ClassVar[int] = 1

  hidden: int
  dtype: Any = jnp.float32
  activation: str = 'gelu_tanh'
  grid: Grid | None = None

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    at = functools.partial(site, grid=self.grid)
    dense = functools.partial(
      dense_lib.Dense,
      dtype=self.dtype,
      bias_init=nn.initializers.normal(1e-6),
    )
    y = dense((self.gates * self.hidden,), stored=True, name='Dense_0')(x)
    y = at('mlp_fc1', y, given=x, behind=('Dense_0',))
    y = gradients.made(at('mlp_hidden', self.between(y), before=('Dense_1',)))
    z = dense(x.shape[-1:], name='Dense_1')(y)
    return at('mlp_fc2', z, given=y, behind=('Dense_1',))

  @nn.nowrap
  def between(self, y: jax.Array) -> jax.Array:
    """What is computed between the layers."""
    return activations.ACTIVATIONS[self.activation](y)


class Gated(Mlp):
  """An MLP half of whose first layer gates the other (Shazeer 2020).

  fc2(f(g) * u) with (g, u) = fc1(x), which are the first and the second half
  of `Dense_0`; with f = SiLU it is SwiGLU. The site `mlp_fc1` has both.

  Attributes:
    norm: epsilon of a LayerNorm before fc2, as EVA-02 has it; None is none.
  """

  gates: ClassVar[int] = 2

  activation: str = 'silu'
  norm: float | None = None

  @nn.nowrap
  def between(self, y: jax.Array) -> jax.Array:
    gate, up = jnp.split(y, 2, axis=-1)
    y = activations.ACTIVATIONS[self.activation](gate) * up
    if self.norm is None:
      return y
    return norms.LayerNorm(epsilon=self.norm, dtype=self.dtype, name='norm')(y)
