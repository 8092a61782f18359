"""Gradients that a TPU's program stores before anything reads them."""

from __future__ import annotations

from typing import Any

import jax

from vidpetl.backbones import devices


def stored(y: jax.Array, kernel: Any = ()) -> jax.Array:
  """y, with its gradient stored, unless a kernel that made it is trained.

  Left alone, XLA makes a gradient, if only one product reads it, within that
  product, and anew for each tile of what the product makes. A kernel that is
  trained reads it for its own gradient, as well.

  Args:
    y: an activation, or a kernel as it is multiplied by.
    kernel: an array or several; () is none.
  """
  if devices.current().platform != 'tpu':
    return y
  return _stored(y, jax.tree.leaves(kernel))


@jax.custom_vjp
def _stored(y: jax.Array, kernel: list[jax.Array]) -> jax.Array:
  del kernel
  return y


def _forward(y, kernel):
  # What is kept has to be arrays, so that its structure says it.
  trained = any(each.perturbed for each in kernel)
  return y.value, () if trained else None


def _backward(trained, dy):
  if trained is None:
    dy = jax.lax.optimization_barrier(dy)
  return dy, None


_stored.defvjp(_forward, _backward, symbolic_zeros=True)
