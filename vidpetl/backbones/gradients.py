"""Gradients that a TPU's program stores before anything reads them."""

from __future__ import annotations

import jax

from vidpetl.backbones import devices


def stored(y: jax.Array) -> jax.Array:
  """y, with its gradient stored.

  Left alone, XLA makes a gradient, if only one product reads it, within that
  product, and anew for each tile of what the product makes.
  """
  return _stored(y) if devices.current().platform == 'tpu' else y


@jax.custom_vjp
def _stored(y: jax.Array) -> jax.Array:
  return y


_stored.defvjp(
  lambda y: (y, None), lambda _, dy: (jax.lax.optimization_barrier(dy),)
)
