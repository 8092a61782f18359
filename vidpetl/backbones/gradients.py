"""What a TPU's program stores before anything reads it."""

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


def made(y: jax.Array) -> jax.Array:
  """y [..., n, d], stored before it is read, where nothing in front is trained.

  There nothing keeps it for a backward pass, and XLA makes it within the
  product that reads it. Of rows whose tokens fill tiles in part, it does so
  anew for each tile of what that product makes.
  """
  if devices.current().platform != 'tpu' or y.shape[-2] % devices.ROWS == 0:
    return y
  return _made(y)


@jax.custom_vjp
def _made(y: jax.Array) -> jax.Array:
  return jax.lax.optimization_barrier(y)


_made.defvjp(lambda y: (y, None), lambda kept, dy: (dy,))
