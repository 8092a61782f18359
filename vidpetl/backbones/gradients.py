"""Gradients that a TPU's program stores before anything reads them."""

from __future__ import annotations

from typing import Any

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


def stored_behind(y: jax.Array, kernel: Any) -> jax.Array:
  """y, with its gradient stored if the kernel that made it is frozen.

  A kernel that is trained reads it for its own gradient, as well.

  Args:
    y: x W.
    kernel: W, an array or several.
  """
  if devices.current().platform != 'tpu':
    return y
  return _behind(y, jax.tree.leaves(kernel))


@jax.custom_vjp
def _behind(y: jax.Array, kernel: list[jax.Array]) -> jax.Array:
  del kernel
  return y


def _behind_forward(y, kernel):
  # What is kept has to be arrays, so that its structure says it.
  trained = any(each.perturbed for each in kernel)
  return y.value, () if trained else None


def _behind_backward(trained, dy):
  if trained is None:
    dy = jax.lax.optimization_barrier(dy)
  return dy, None


_behind.defvjp(_behind_forward, _behind_backward, symbolic_zeros=True)
