"""Kernels for TPUs of attention to whole rows of keys (`whole_rows`).

The backward pass keeps queries, keys and values and nothing else: weights are
made again from them, of a block of queries at a time. With weights P, their
gradient dP = dY V^T and the scores' dS = P (dP - sum(P dP)),

  dQ = dS K / sqrt(c),  dK = dS^T Q / sqrt(c),  dV = P^T dY,

of which dK and dV are summed over the blocks of queries, and dS, where a bias
is trained, over rows. Sums stay on the chip: where a row has several blocks of
queries, dS is summed by a kernel of its own, which makes it again.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu

from vidpetl.backbones import windows
from vidpetl.backbones.devices import LANES, MOST_ROOM

_FLOAT = jnp.float32
_NONE = -1e9  # A score that no weight is left of.


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def attend(blocks, interpret, q, k, v, more):
  """softmax(q k^T / sqrt(c) + bias) v of each head, with no scores in memory.

  Args:
    blocks: `whole_rows.Blocks`.
    interpret: runs on any device, slowly.
    q: [b, n, heads c].
    k: [b, m, heads c].
    v: [b, m, heads c].
    more: (), or (bias,), or (bias, parts of queries, parts of keys): a bias
      [heads, n, m], and of each w-th row [w, n, 1] and [w, 1, m] numbers of the
      parts that its tokens are of; 0 is of all.

  Returns:
    [b, n, heads c].
  """
  return _attend(blocks, interpret, q, k, v, more)


# Traced once, and so known as the same in all blocks of a trunk.
@functools.partial(jax.jit, static_argnums=(0, 1))
def _attend(blocks, interpret, q, k, v, more):
  of = _Specs(blocks, q, more, rows_last=blocks.biased)
  return pl.pallas_call(
    functools.partial(_forward, blocks),
    out_shape=jax.ShapeDtypeStruct(q.shape, q.dtype),
    grid=of.grid,
    in_specs=(of.queries, of.keys, of.keys, of.more),
    out_specs=of.queries,
    cost_estimate=_cost(blocks, q, products=2),
    compiler_params=_params(blocks),
    interpret=interpret,
    name='attend',
  )(q, k, v, more)


def _kept(blocks, interpret, *given):
  trained = any(each.perturbed for each in given[-1][:1])
  q, k, v, more = jax.tree.map(
    lambda x: x.value, given, is_leaf=lambda x: hasattr(x, 'perturbed')
  )
  y = attend(blocks, interpret, q, k, v, more)
  # What is kept has to be arrays, so that its structure says what trains.
  return y, (q, k, v, more, () if trained else None)


def _derivative(blocks, interpret, kept, g):
  *given, trained = kept
  more = given[-1]
  beside = trained is not None and blocks.parts == 1
  of_q, of_k, of_v, *of_bias = _attend_backward(
    blocks, interpret, beside, *given, g
  )
  if trained is not None and not beside:
    of_bias = [_bias_backward(blocks, interpret, *given, g)]
  of_bias = [x.astype(more[0].dtype) for x in of_bias]
  return of_q, of_k, of_v, (*of_bias, *(None,) * (len(more) - len(of_bias)))


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _attend_backward(blocks, interpret, with_bias, q, k, v, more, g):
  of = _Specs(blocks, q, more)
  biases = more[:with_bias]
  sums = tpu.VMEM((blocks.keys, blocks.channels), _FLOAT)
  return pl.pallas_call(
    functools.partial(_gradients, blocks),
    out_shape=(
      *map(_like, (q, k, v)),
      *(_like(x, _FLOAT) for x in biases),
    ),
    grid=of.grid,
    in_specs=(of.queries, of.keys, of.keys, of.more, of.queries),
    out_specs=(of.queries, of.keys, of.keys, *of.more[:with_bias]),
    scratch_shapes=(sums, sums),
    cost_estimate=_cost(blocks, q, products=5),
    compiler_params=_params(blocks),
    interpret=interpret,
    name='attend_backward',
  )(q, k, v, more, g)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _bias_backward(blocks, interpret, q, k, v, more, g):
  of = _Specs(blocks, q, more, rows_last=True)
  return pl.pallas_call(
    functools.partial(_bias_gradients, blocks),
    out_shape=_like(more[0], _FLOAT),
    grid=of.grid,
    in_specs=(of.queries, of.keys, of.keys, of.more, of.queries),
    out_specs=of.more[0],
    cost_estimate=_cost(blocks, q, products=2),
    compiler_params=_params(blocks),
    interpret=interpret,
    name='attend_bias_backward',
  )(q, k, v, more, g)


attend.defvjp(_kept, _derivative, symbolic_zeros=True)


def _like(x, dtype=None):
  return jax.ShapeDtypeStruct(x.shape, dtype or x.dtype)


class _Specs:
  """Blocks of arrays, for a grid of channels, rows and blocks of queries.

  With `rows_last` that of a bias stays on the chip for all rows; without, keys
  and values for all queries of a row.
  """

  def __init__(self, blocks, tokens, more, rows_last=False):
    q, k, c = blocks.queries, blocks.keys, blocks.channels
    rows, _, channels = tokens.shape
    self.grid = (channels // c, rows, blocks.parts)
    if rows_last:
      self.grid = (channels // c, blocks.parts, rows)

    def spec(shape, place):
      turned = lambda c, i, b: place(c, b, i)
      return pl.BlockSpec(shape, turned if rows_last else place)

    period = len(more[1]) if len(more) > 1 else 1
    self.queries = spec((None, q, c), lambda c, b, i: (b, i, c))
    self.keys = spec((None, k, c), lambda c, b, i: (b, 0, c))
    self.more = (
      spec((blocks.heads, q, k), lambda c, b, i: (c, i, 0)),
      spec((None, q, 1), lambda c, b, i: (b % period, i, 0)),
      spec((None, 1, k), lambda c, b, i: (b % period, 0, 0)),
    )[: len(more)]


def _params(blocks):
  most = MOST_ROOM if blocks.large else None
  return tpu.CompilerParams(vmem_limit_bytes=most)


def _cost(blocks, q, products):
  scores = len(q) * (q.shape[-1] // blocks.width) * blocks.n * blocks.m
  moved = (products - 1) * (blocks.n + blocks.m) * len(q) * q.shape[-1]
  return pl.CostEstimate(
    flops=2 * products * scores * blocks.width,
    transcendentals=scores,
    bytes_accessed=moved * q.dtype.itemsize,
  )


def _forward(blocks, q, k, v, more, y):
  """The kernel of a block of queries."""
  for lanes in _registers(blocks):
    mine, keys = _scaled(blocks, q[:, lanes]), _filled(blocks.m, k[:, lanes])
    values = _filled(blocks.m, v[:, lanes])
    found = jnp.zeros(mine.shape, _FLOAT)
    for head, own in _heads(blocks, lanes):
      query = jnp.where(own, mine, 0)
      weights, total = _weights(blocks, query, keys, more, head)
      mean = _product(weights.astype(v.dtype), values, 1, 0) / total
      found = jnp.where(own, mean, found)
    y[:, lanes] = found.astype(y.dtype)


def _gradients(blocks, q, k, v, more, g, of_q, of_k, of_v, *rest):
  """The kernel of a block of queries, which adds to the gradients of keys."""
  *of_bias, sum_k, sum_v = rest
  row, number = pl.program_id(1), pl.program_id(2)

  @pl.when(number == 0)
  def _():
    sum_k[...] = jnp.zeros(sum_k.shape, _FLOAT)
    sum_v[...] = jnp.zeros(sum_v.shape, _FLOAT)

  @pl.when(row == 0)
  def _():
    for each in of_bias:  # All queries of a row are one block.
      each[...] = jnp.zeros(each.shape, _FLOAT)

  for lanes in _registers(blocks):
    mine, its, keys, values, left = _given(blocks, number, lanes, q, k, v, g)
    found = jnp.zeros(mine.shape, _FLOAT)
    for head, own in _heads(blocks, lanes):
      query, slope = jnp.where(own, mine, 0), jnp.where(own, its, 0)
      weights, scores = _slopes(
        blocks, query, slope, keys, values, more, head, left
      )
      for each in of_bias:
        each[head] += scores
      weights, scores = weights.astype(v.dtype), scores.astype(v.dtype)
      sum_v[:, lanes] += _product(weights, slope, 0, 0)
      sum_k[:, lanes] += _product(scores, query, 0, 0)
      found = jnp.where(own, _product(scores, keys, 1, 0), found)
    of_q[:, lanes] = _scaled(blocks, found).astype(of_q.dtype)

  @pl.when(number == pl.num_programs(2) - 1)
  def _():
    of_k[...] = sum_k[...].astype(of_k.dtype)
    of_v[...] = sum_v[...].astype(of_v.dtype)


def _bias_gradients(blocks, q, k, v, more, g, of_bias):
  """The kernel of a block of queries, which adds to that of their bias."""
  number, row = pl.program_id(1), pl.program_id(2)

  @pl.when(row == 0)
  def _():
    of_bias[...] = jnp.zeros(of_bias.shape, _FLOAT)

  for lanes in _registers(blocks):
    mine, its, keys, values, left = _given(blocks, number, lanes, q, k, v, g)
    for head, own in _heads(blocks, lanes):
      query, slope = jnp.where(own, mine, 0), jnp.where(own, its, 0)
      of_bias[head] += _slopes(
        blocks, query, slope, keys, values, more, head, left
      )[1]


def _given(blocks, number, lanes, q, k, v, g):
  """Returns a register's part of a block of queries, and how many there are."""
  # What lies behind the last query may be anything.
  full = blocks.n % blocks.queries == 0
  left = None if full else blocks.n - number * blocks.queries
  mine = _filled(left, _scaled(blocks, q[:, lanes]))
  its = _filled(left, g[:, lanes])
  keys = _filled(blocks.m, k[:, lanes])
  return mine, its, keys, _filled(blocks.m, v[:, lanes]), left


def _slopes(blocks, query, slope, keys, values, more, head, left):
  """Returns a head's weights P, and the gradient dS of its scores."""
  weights, total = _weights(blocks, query, keys, more, head)
  weights = _filled(left, weights * (1 / total))
  share = weights * _product(slope, values, 1, 1)
  return weights, share - weights * jnp.sum(share, 1, keepdims=True)


def _scaled(blocks, x):
  return x * jnp.asarray(blocks.width**-0.5, x.dtype)


def _weights(blocks, q, k, more, head):
  """Returns exp(scores - max) of the keys that there are, and its sums."""
  scores = _product(q, k, 1, 1)
  if more:
    scores += more[0][head].astype(_FLOAT)
  if len(more) > 1:
    scores += windows.apart(more[1][...], more[2][...])
  key = jax.lax.broadcasted_iota(jnp.int32, (1, blocks.keys), 1)
  if blocks.together > 1:
    scores = jnp.where(_own(blocks, key), scores, _NONE)
  if blocks.keys > blocks.m:
    scores = jnp.where(key < blocks.m, scores, -jnp.inf)
  weights = jnp.exp(scores - jnp.max(scores, 1, keepdims=True))
  return weights, jnp.sum(weights, 1, keepdims=True)


def _own(blocks, key):
  """Whether a key is of a query's own row, of those side by side."""
  query = jax.lax.broadcasted_iota(jnp.int32, (blocks.queries, 1), 0)
  of_query = query // (blocks.n // blocks.together)
  return of_query == key // (blocks.m // blocks.together)


def _product(x, y, left, right):
  """Multiplies along an axis of each, with sums in float32."""
  axes = (((left,), (right,)), ((), ()))
  return jax.lax.dot_general(x, y, axes, preferred_element_type=_FLOAT)


def _registers(blocks):
  """The channels of a block, as many at a time as a register has."""
  every = range(0, blocks.channels, LANES)
  return [pl.ds(i, min(LANES, blocks.channels - i)) for i in every]


def _heads(blocks, lanes):
  """The heads of a register, and which of its channels are theirs, [1, c]."""
  channel = jax.lax.broadcasted_iota(jnp.int32, (1, lanes.size), 1)
  first = lanes.start // blocks.width
  heads = range(lanes.size // blocks.width)
  return [(first + head, channel // blocks.width == head) for head in heads]


def _filled(length, x):
  """Zeros in place of what lies behind `length` rows; None is all of them."""
  if length is None or (isinstance(length, int) and length >= len(x)):
    return x
  row = jax.lax.broadcasted_iota(jnp.int32, (len(x), 1), 0)
  return jnp.where(row < length, x, jnp.zeros((), x.dtype))
