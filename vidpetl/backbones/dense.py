"""Dense layers, of kernels with any number of axes, as plain products.

A kernel [d, heads, c] is multiplied as [d, heads c], and rows of tokens
[..., d] as [rows, d]. On a CPU or GPU that changes nothing in memory, and XLA
then makes the gradient of a kernel in the order that the kernel has. Left as
they are, it makes the gradient as [heads, c, d], and the optimizer's update
carries transposes of gradients, moments and parameters. A TPU keeps its last
two axes in tiles, so that rows of tokens keep their axes there: to join them
would be a copy.

On a CPU kernels of few outputs are multiplied by turned, see `_narrow`, and the
gradient of some others is a product with turned tokens, see `_wide`.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.experimental import layout

from vidpetl.backbones import devices, gradients, meshes, rounded
from vidpetl.backbones import site as site_lib

_NARROW = 8  # Inputs for an output, from which on `_narrow` is faster.
_WIDE = 512  # Kernels of a multiple of so many outputs are faster by `_wide`.


def product(x: jax.Array, kernel: jax.Array, axes: int = 1) -> jax.Array:
  """Multiplies [..., d] by a kernel.

  Args:
    x: [..., d].
    kernel: [*inner, *out], with d = prod(inner).
    axes: number of axes of `inner`.

  Returns:
    [..., *out].
  """
  out = kernel.shape[axes:]
  lead, d = x.shape[:-1], x.shape[-1]
  platform = devices.current().platform
  kernel = _matrix(kernel, axes)
  if platform == 'tpu':
    return jnp.tensordot(x, kernel, 1).reshape(*lead, *out)
  x = x.reshape(math.prod(lead), d)
  multiply = _on_cpu(*kernel.shape) if platform == 'cpu' else jnp.matmul
  return multiply(x, kernel).reshape(*lead, *out)


def _on_cpu(inputs: int, outputs: int) -> Callable[..., jax.Array]:
  """Returns the product whose gradient a CPU computes quickly."""
  if inputs >= _NARROW * outputs:
    return _narrow
  return jnp.matmul if outputs % _WIDE else _wide


def _matrix(kernel: jax.Array, axes: int) -> jax.Array:
  """A kernel [*inner, *out] as a matrix, and its gradient, on a TPU.

  The gradient is stored as a matrix. Left alone, XLA makes it as the kernel is,
  from what it reads with axes of few channels, which it copies for it.
  """
  matrix = kernel.reshape(math.prod(kernel.shape[:axes]), -1)
  return gradients.stored(matrix) if kernel.ndim > 2 else matrix


def _narrow(x: jax.Array, kernel: jax.Array) -> jax.Array:
  """x W, for a W [d, out] of few columns.

  XLA's products on a CPU turn their left side over where its rows are summed.
  For W's gradient, x^T (the gradient of x W), that is all of x. The gradient of
  W^T turns over what is narrow, ten times faster with 8 outputs.
  """
  turned = jax.lax.optimization_barrier(kernel.T)
  return jax.lax.dot_general(x, turned, (((1,), (1,)), ((), ())))


@jax.custom_vjp
def _wide(x: jax.Array, kernel: jax.Array) -> jax.Array:
  """x W, whose W's gradient is the product of x^T as it is stored, and dy.

  A CPU's product that sums over the rows of both sides reads them down their
  columns, and takes up to twice as long if rows of dy are of 2 KiB or a
  multiple: a column then lies on few lines of the cache.
  """
  return x @ kernel


def _wide_forward(x, kernel):
  # Nothing is kept for a gradient that nobody asks for.
  kept = x.value if kernel.perturbed else None
  return x.value @ kernel.value, (kept, kernel.value if x.perturbed else None)


def _wide_backward(kept, dy):
  x, kernel = kept
  dx = None if kernel is None else dy @ kernel.T
  return dx, None if x is None else jax.lax.optimization_barrier(x.T) @ dy


_wide.defvjp(_wide_forward, _wide_backward, symbolic_zeros=True)


def as_one(
  function: Callable[..., jax.Array], axes: int, *arrays: jax.Array
) -> jax.Array:
  """function(*arrays), number by number, with channels as one axis.

  Split into heads of few channels, a TPU's layout of a sum is another one than
  kernels read, and each is copied.

  Args:
    function: of arrays that are broadcast from the right.
    axes: how many last axes are channels.
    *arrays: [..., *channels]; the first has all axes of the result.
  """
  joined = (x.reshape(*x.shape[: x.ndim - axes], -1) for x in arrays)
  return function(*joined).reshape(arrays[0].shape)


def add(x: jax.Array, y: jax.Array, axes: int) -> jax.Array:
  """x + y, `as_one`."""
  return as_one(operator.add, axes, x, y)


def in_order(x: jax.Array, axes: int = 1) -> jax.Array:
  """Has a TPU store tokens [b, ..., n, *channels] in the order of their axes.

  Convolutions store the tokens of a place in all frames side by side, and
  products those of a place in all windows, where channels would not fill a
  tile. Left alone, sums and norms of all blocks follow, MLPs write what is
  between their products, and what kernels read is copied.

  Args:
    x: tokens, of which each device has its part of the first axis.
    axes: how many last axes are channels, which are stored as one.
  """
  if devices.current().platform != 'tpu':
    return x

  def constrain(x):
    return layout.with_layout_constraint(x, layout.Layout((*range(x.ndim),)))

  # Left to the partitioner, chips of a v4-128 or v5p-256 get the tokens of all.
  own = lambda x: meshes.on_each(constrain, (x,), single=2)
  return as_one(own, axes, x)


def biased(y: jax.Array, bias: jax.Array, axes: int = 1) -> jax.Array:
  """y + b, for y [..., *out] and b [*out], with `axes` axes of `out`."""
  half = y.dtype == jnp.bfloat16 and devices.current().platform != 'gpu'
  return as_one(_biased if half else operator.add, axes, y, bias)


def placed(y: jax.Array, table: jax.Array) -> jax.Array:
  """y + table, for tokens y [..., *places, d] and a table [*places, d].

  A place of size 1 stands for all along its axis.

  Left to it, a GPU's compiler sums the table's gradient over tokens that lie
  side by side, and turns those of all blocks over for it, forward as well.
  """
  if y.dtype != jnp.bfloat16 or devices.current().platform != 'gpu':
    return y + table
  table = jnp.broadcast_to(table, y.shape[-table.ndim :])
  return as_one(_biased, table.ndim, y, table)


@jax.custom_vjp
def _biased(y: jax.Array, bias: jax.Array) -> jax.Array:
  """y + b, whose gradient is a product with ones.

  A TPU sums columns slowly, and multiplies by ones next to the product of the
  kernel's gradient, which reads the same. A CPU would sum in 16 bits.
  """
  return y + bias


def _biased_forward(y, bias):
  return y + bias, None


def _biased_backward(kept, dy):
  del kept
  # Of a product with one row of ones XLA makes a sum again.
  ones = jnp.ones((2, *dy.shape[:-1]), dy.dtype)
  return dy, jnp.tensordot(ones, dy, dy.ndim - 1)[0]


_biased.defvjp(_biased_forward, _biased_backward)


class Dense(nn.Module):
  """x W + b. Site: `layer`.

  It has the parameters of `nn.DenseGeneral`: `kernel` [*inner, *features] and
  `bias` [*features].

  Attributes:
    features: axes of the output.
    inner: axes of the kernel for the input's one; without it, that one.
    dtype: of the computation.
    use_bias: whether there is b.
    kernel_init: initialiser of the kernel as a matrix.
    bias_init: initialiser.
    stored: whether a TPU stores its output's gradient, if the kernel is frozen:
      where what follows has a derivative that is long to compute.
  """

  features: tuple[int, ...]
  inner: tuple[int, ...] = ()
  dtype: Any = jnp.float32
  use_bias: bool = True
  kernel_init: Callable[..., jax.Array] = nn.initializers.xavier_uniform()
  bias_init: Callable[..., jax.Array] = nn.initializers.zeros
  stored: bool = False

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps [..., d] to [..., *features]."""
    inner = self.inner or x.shape[-1:]
    shape = math.prod(inner), math.prod(self.features)

    def init(key, full, dtype=jnp.float32):
      return self.kernel_init(key, shape, dtype).reshape(full)

    kernel = self.param('kernel', init, (*inner, *self.features))
    apply = functools.partial(
      rounded.apply, functools.partial(product, axes=len(inner))
    )
    x, bias = x.astype(self.dtype), None
    y = apply(x, kernel)
    if self.use_bias:
      bias = self.param('bias', self.bias_init, self.features)
      y = biased(y, bias.astype(self.dtype), len(self.features))
    if self.stored:
      y = gradients.stored(y, kernel)
    return site_lib.layer(
      y, site_lib.Linear(x, kernel, bias, len(self.features), apply)
    )
