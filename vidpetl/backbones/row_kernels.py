"""Kernels for TPUs of attention to whole rows of keys (`whole_rows`).

The backward pass keeps queries, keys and values and nothing else: weights are
made again from them, of a block of queries at a time. With weights P, their
gradient dP = dY V^T and the scores' dS = P (dP - sum(P dP)),

  dQ = dS K,  dK = dS^T Q,  dV = P^T dY,

of which dK and dV are summed over the blocks of queries.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu

# Of a TPU's registers.
LANES = 128
_FLOAT = jnp.float32


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def attend(blocks, interpret, q, k, v):
  """softmax(q k^T) v of each head, without the scores in memory.

  Args:
    blocks: `whole_rows.Blocks`.
    interpret: runs on any device, slowly.
    q: [b, n, heads c], scaled.
    k: [b, m, heads c].
    v: [b, m, heads c].

  Returns:
    [b, n, heads c].
  """
  return _attend(blocks, interpret, q, k, v)


# Traced once, and so known as the same in all blocks of a trunk.
_once = functools.partial(jax.jit, static_argnums=(0, 1))


@_once
def _attend(blocks, interpret, q, k, v):
  spec, grid = _specs(blocks, q)
  return pl.pallas_call(
    functools.partial(_forward, blocks),
    out_shape=jax.ShapeDtypeStruct(q.shape, q.dtype),
    grid=grid,
    in_specs=[spec('q'), spec('k'), spec('k')],
    out_specs=spec('q'),
    cost_estimate=_cost(blocks, q, products=2),
    interpret=interpret,
    name='attend',
  )(q, k, v)


def _kept(blocks, interpret, q, k, v):
  return attend(blocks, interpret, q, k, v), (q, k, v)


def _derivative(blocks, interpret, kept, g):
  return _attend_backward(blocks, interpret, *kept, g)


@_once
def _attend_backward(blocks, interpret, q, k, v, g):
  spec, grid = _specs(blocks, q)
  like = lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype)
  sums = tpu.VMEM((blocks.keys, blocks.channels), _FLOAT)
  return pl.pallas_call(
    functools.partial(_gradients, blocks),
    out_shape=(like(q), like(k), like(v)),
    grid=grid,
    in_specs=[spec('q'), spec('k'), spec('k'), spec('q')],
    out_specs=(spec('q'), spec('k'), spec('k')),
    scratch_shapes=(sums, sums),
    cost_estimate=_cost(blocks, q, products=5),
    interpret=interpret,
    name='attend_backward',
  )(q, k, v, g)


attend.defvjp(_kept, _derivative)


def _specs(blocks, q):
  """Returns a maker of blocks, of queries 'q' or keys 'k', and the grid."""
  length = {'q': blocks.queries, 'k': blocks.keys}
  at = {'q': lambda b, c, i: (b, i, c), 'k': lambda b, c, i: (b, 0, c)}

  def spec(of):
    return pl.BlockSpec((None, length[of], blocks.channels), at[of])

  channels = q.shape[-1] // blocks.channels
  return spec, (len(q), channels, pl.cdiv(blocks.n, blocks.queries))


def _cost(blocks, q, products):
  scores = len(q) * (q.shape[-1] // blocks.width) * blocks.n * blocks.m
  moved = (products - 1) * (blocks.n + blocks.m) * len(q) * q.shape[-1]
  return pl.CostEstimate(
    flops=2 * products * scores * blocks.width,
    transcendentals=scores,
    bytes_accessed=moved * q.dtype.itemsize,
  )


def _forward(blocks, q, k, v, y):
  """The kernel of a block of queries."""
  for lanes in _registers(blocks):
    mine, keys = q[:, lanes], _filled(blocks.m, k[:, lanes])
    values = _filled(blocks.m, v[:, lanes])
    found = jnp.zeros(mine.shape, _FLOAT)
    for own in _heads(blocks):
      weights, total = _weights(blocks, jnp.where(own, mine, 0), keys)
      mean = _product(weights.astype(v.dtype), values, 1, 0) / total
      found = jnp.where(own, mean, found)
    y[:, lanes] = found.astype(y.dtype)


def _gradients(blocks, q, k, v, g, of_q, of_k, of_v, sum_k, sum_v):
  """The kernel of a block of queries, which adds to the gradients of keys."""
  number = pl.program_id(2)

  @pl.when(number == 0)
  def _():
    sum_k[...] = jnp.zeros(sum_k.shape, _FLOAT)
    sum_v[...] = jnp.zeros(sum_v.shape, _FLOAT)

  # What lies behind the last query may be anything.
  left = (
    blocks.n - number * blocks.queries if blocks.n % blocks.queries else None
  )
  for lanes in _registers(blocks):
    mine, its = _filled(left, q[:, lanes]), _filled(left, g[:, lanes])
    keys = _filled(blocks.m, k[:, lanes])
    values = _filled(blocks.m, v[:, lanes])
    found = jnp.zeros(mine.shape, _FLOAT)
    for own in _heads(blocks):
      query, slope = jnp.where(own, mine, 0), jnp.where(own, its, 0)
      weights, total = _weights(blocks, query, keys)
      weights *= 1 / total
      share = weights * _product(slope, values, 1, 1)
      scores = share - weights * jnp.sum(share, 1, keepdims=True)
      weights, scores = weights.astype(v.dtype), scores.astype(v.dtype)
      sum_v[:, lanes] += _product(weights, slope, 0, 0)
      sum_k[:, lanes] += _product(scores, query, 0, 0)
      found = jnp.where(own, _product(scores, keys, 1, 0), found)
    of_q[:, lanes] = found.astype(of_q.dtype)

  @pl.when(number == pl.num_programs(2) - 1)
  def _():
    of_k[...] = sum_k[...].astype(of_k.dtype)
    of_v[...] = sum_v[...].astype(of_v.dtype)


def _weights(blocks, q, k):
  """Returns exp(q k^T - max) of the keys that there are, and its sums."""
  scores = _product(q, k, 1, 1)
  if blocks.keys > blocks.m:
    key = jax.lax.broadcasted_iota(jnp.int32, (1, blocks.keys), 1)
    scores = jnp.where(key < blocks.m, scores, -jnp.inf)
  weights = jnp.exp(scores - jnp.max(scores, 1, keepdims=True))
  return weights, jnp.sum(weights, 1, keepdims=True)


def _product(x, y, left, right):
  """Multiplies along an axis of each, with sums in float32."""
  axes = (((left,), (right,)), ((), ()))
  return jax.lax.dot_general(x, y, axes, preferred_element_type=_FLOAT)


def _registers(blocks):
  """The channels of a block, as many at a time as a register has."""
  return [pl.ds(i, LANES) for i in range(0, blocks.channels, LANES)]


def _heads(blocks):
  """Which channels of a register are of each of its heads, [1, LANES]."""
  channel = jax.lax.broadcasted_iota(jnp.int32, (1, LANES), 1)
  heads = range(LANES // blocks.width)
  return [channel // blocks.width == head for head in heads]


def _filled(length, x):
  """Zeros in place of what lies behind `length` rows; None is all of them."""
  if length is None or (isinstance(length, int) and length >= len(x)):
    return x
  row = jax.lax.broadcasted_iota(jnp.int32, (len(x), 1), 0)
  return jnp.where(row < length, x, jnp.zeros((), x.dtype))
