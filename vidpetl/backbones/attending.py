"""softmax(q k^T / sqrt(c) + bias) v, by the kernel that a device has for it.

Scores may be capped: s = q k^T / sqrt(c) becomes a tanh(s / a), within +-a.
Rows may be of several parts, whose tokens hardly see those of another: a
shifted window's. Which token is of which part is told in a few numbers, so that
what is added to the scores need not lie in memory, nor in the program.

`WAYS` is the table: the first way that takes the shapes is used. Each states
its conditions in `takes`; the last one takes everything. A device that is not
here, and is only planned for, may have `ways` of its own, which come first.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from vidpetl.backbones import devices, splash, whole_rows, windows

# Fewer keys are attended to faster without a kernel of their own: of 16 (the
# temporal encoder of ViViT), 2.6 times as fast on an H100.
_FEWEST_KEYS = 64
# Rows of an odd length are filled up to a multiple of this.
_MULTIPLE = 8
_MASKED = -1e9


class Shapes(NamedTuple):
  """What is to be attended to.

  Attributes:
    queries: n of a row.
    keys: m of a row.
    heads: of a token.
    width: c of a head.
    dtype: of queries, keys and values.
    biased: whether there is a bias.
    capped: whether scores are capped.
    shared: whether all rows have one bias.
  """

  queries: int
  keys: int
  heads: int
  width: int
  dtype: Any
  biased: bool
  capped: bool = False
  shared: bool = True


class Way(NamedTuple):
  """A way to attend.

  Attributes:
    name: of it.
    takes: (shapes, device) -> whether it can, and is worth it.
    attend: see `attend`.
  """

  name: str
  takes: Callable[[Shapes, Any], bool]
  attend: Callable[..., jax.Array]


def attend(
  q: jax.Array,
  k: jax.Array,
  v: jax.Array,
  bias: jax.Array | None = None,
  cap: float | None = None,
  parts: np.ndarray | None = None,
) -> jax.Array:
  """softmax(q k^T / sqrt(c) + bias) v, with the softmax in float32.

  Args:
    q: [..., n, heads, c].
    k: [..., m, heads, c].
    v: [..., m, heads, c].
    bias: [..., heads, n, l] for the last l of the m keys; keys in front of
      them, which techniques have added, have none.
    cap: a, above 0, if scores are capped, before a bias is added.
    parts: [..., p], with a bias: the part that each of a row's last p tokens is
      of, above 0. Tokens in front of them are of all parts.

  Returns:
    [..., n, heads, c] in the dtype of `v`.
  """
  found = way(q, k, bias, devices.current(), cap)
  if parts is None:
    return found.attend(q, k, v, bias, cap)
  return found.attend(q, k, v, bias, cap, parts)


def way(q: Any, k: Any, bias: Any, on: Any, cap: float | None = None) -> Way:
  """Returns how arrays, or their shapes, are attended to on a device."""
  shapes = Shapes(
    q.shape[-3],
    k.shape[-3],
    *q.shape[-2:],
    q.dtype,
    bias is not None,
    cap is not None,
    bias is None or bias.ndim == 3,
  )
  ways = (*getattr(on, 'ways', ()), *WAYS)
  return next(way for way in ways if way.takes(shapes, on))


def takes_cudnn(shapes: Shapes, on: Any) -> bool:
  """Whether cuDNN's fused attention takes them.

  Heads of 8 to 128 channels, in multiples of 8, in 16 bits, on NVIDIA's Ampere
  or later; no capped scores.
  """
  generation = str(getattr(on, 'compute_capability', '')).split('.')[0]
  return (
    on.platform == 'gpu'
    and generation.isdigit()  # Not so on AMD's.
    and int(generation) >= 8
    and shapes.dtype in (jnp.bfloat16, jnp.float16)
    and shapes.width % 8 == 0
    and shapes.width <= 128
    and shapes.keys >= _FEWEST_KEYS
    and not shapes.capped
  )


def _cudnn(q, k, v, bias, cap=None, parts=None):
  del cap  # None.
  if bias is not None:
    bias = windows.in_front(bias, k.shape[-3])
    if parts is not None:
      bias = bias + _apart(parts, *bias.shape[-2:])
    return _cudnn_biased(q, k, v, bias)
  flat = lambda x: x.reshape(-1, *x.shape[-3:])
  n, m = q.shape[-3], k.shape[-3]
  lengths = {}
  if n % 2 or m % 2:  # In training JAX gives cuDNN even lengths alone.
    rows = math.prod(q.shape[:-3])
    lengths = {
      'query_seq_lengths': jnp.full(rows, n, jnp.int32),
      'key_value_seq_lengths': jnp.full(rows, m, jnp.int32),
    }
    q, k, v = (_filled(x, -3) for x in (q, k, v))
  y = jax.nn.dot_product_attention(
    flat(q), flat(k), flat(v), implementation='cudnn', **lengths
  )
  return y.reshape(*q.shape[:-1], v.shape[-1])[..., :n, :, :]


def _cudnn_biased(q, k, v, bias):
  """Attends with biases that differ from row to row as if rows were heads.

  A row's leading axes are those of the bias, from the right on; of the others,
  the batch, biases are the same. So one kernel takes all windows of a grid, and
  a bias lies in memory once, not once per clip.
  """
  rows, heads = bias.shape[:-3], bias.shape[-3]
  n, m = q.shape[-3], k.shape[-3]
  bias = bias.astype(q.dtype)
  if n % 2 or m % 2:
    q, k, v = (_filled(x, -3) for x in (q, k, v))
    bias = _filled(_filled(bias, -1, _MASKED), -2)

  def flat(x):
    x = x.reshape(-1, math.prod(rows), *x.shape[-3:])
    return x.swapaxes(1, 2).reshape(len(x), x.shape[2], -1, x.shape[-1])

  y = jax.nn.dot_product_attention(
    flat(q),
    flat(k),
    flat(v),
    bias=bias.reshape(1, -1, *bias.shape[-2:]),
    implementation='cudnn',
  )
  y = y.reshape(*y.shape[:2], -1, heads, y.shape[-1]).swapaxes(1, 2)
  return y.reshape(*q.shape[:-1], v.shape[-1])[..., :n, :, :]


def _filled(x: jax.Array, axis: int, value: float = 0.0) -> jax.Array:
  """Fills an axis up to a multiple of `_MULTIPLE`."""
  around = [(0, 0)] * x.ndim
  around[axis] = (0, -x.shape[axis] % _MULTIPLE)
  return jnp.pad(x, around, constant_values=value)


def _apart(parts: jax.Array, n: int, m: int) -> jax.Array:
  """Returns what is added to scores, [..., 1, n, m]; 0 within a part.

  Args:
    parts: see `attend`.
    n: queries of a row.
    m: its keys.
  """
  queries, keys = (windows.in_front(parts, length) for length in (n, m))
  found = windows.apart(queries[..., None], keys[..., None, :])
  return found[..., None, :, :]


def _plain(q, k, v, bias, cap=None, parts=None):
  if bias is not None:
    bias = windows.in_front(bias, k.shape[-3])
  return _products('nhc', q.shape[-1] ** -0.5, cap, q, k, v, bias, parts)


def _heads_first(q, k, v, bias, cap=None, parts=None):
  """Transposes each of q, k, v once; the products then need no transposes.

  A CPU's products of batches have the batch's axes first. Left to it, XLA
  transposes an operand anew for each product, forward and backward. Queries are
  scaled, and not scores, as there are fewer of them.
  """
  if bias is not None:
    bias = windows.in_front(bias, k.shape[-3])
  q, k, v = (x.swapaxes(-3, -2) for x in (q * q.shape[-1] ** -0.5, k, v))
  return _products('hnc', 1.0, cap, q, k, v, bias, parts).swapaxes(-3, -2)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def _products(axes, scale, cap, q, k, v, bias, parts):
  """softmax(scale q k^T + bias) v; products in the dtype of q, k and v.

  Its derivative is its own, for two reasons. The gradient of the scores, which
  are float32, is rounded to the operands' dtype before it is multiplied;
  otherwise two of the four products backward were in float32. And a product
  whose result is transposed is made in the order that is asked for. Scores that
  are capped are made once more for it, and not kept.

  Args:
    axes: the last three of q, k, v and of the result: 'nhc' or 'hnc'.
    scale: of the scores; 1 costs nothing.
    cap: of the scores, or None.
    q: queries, n.
    k: keys, m in place of n.
    v: values, as keys.
    bias: [..., heads, n, m], or None.
    parts: see `attend`.
  """
  return _attended(axes, scale, cap, q, k, v, bias, parts)[0]


def _attended(axes, scale, cap, q, k, v, bias, parts):
  """Returns what is attended to, and what the derivative needs."""
  scores = _scores(axes, scale, q, k)
  if cap is not None:
    scores = cap * jnp.tanh(scores / cap)
  if bias is not None:
    scores += bias
  if parts is not None:
    scores += _apart(parts, *scores.shape[-2:])
  weights = nn.softmax(scores).astype(v.dtype)
  y = _product('hnm', axes.replace('n', 'm'), axes, weights, v)
  return y, (q, k, v, bias, weights)


def _scores(axes, scale, q, k):
  keys = axes.replace('n', 'm')
  return _scaled(_product(axes, keys, 'hnm', q, k, jnp.float32), scale)


def _attended_backward(axes, scale, cap, kept, g):
  q, k, v, bias, weights = kept
  keys = axes.replace('n', 'm')
  of_v = _product('hnm', axes, keys, weights, g)
  slope = _product(axes, keys, 'hnm', g, v, jnp.float32)
  share = weights * slope
  scores = share - weights * share.sum(-1, keepdims=True)
  of_bias = None if bias is None else _summed(scores, bias)
  if cap is not None:
    scores *= 1 - jnp.tanh(_scores(axes, scale, q, k) / cap) ** 2
  scores = _scaled(scores, scale).astype(v.dtype)
  of_q = _product('hnm', keys, axes, scores, k)
  of_k = _product('hnm', axes, keys, scores, q)
  return of_q, of_k, of_v, of_bias, None


_products.defvjp(_attended, _attended_backward)


def _scaled(x, scale):
  return x if scale == 1 else x * scale


def _product(left, right, out, x, y, dtype=None):
  return jnp.einsum(
    f'...{left},...{right}->...{out}', x, y, preferred_element_type=dtype
  )


def _summed(g: jax.Array, like: jax.Array) -> jax.Array:
  """Sums over the axes along which `like` was broadcast to the shape of g."""
  lead = g.ndim - like.ndim
  if lead and devices.current().platform == 'cpu':
    # XLA's sum over leading axes took 33 ms where this takes 0.4.
    rows = g.reshape(math.prod(g.shape[:lead]), -1)
    g = (jnp.ones((1, len(rows)), g.dtype) @ rows).reshape(g.shape[lead:])
  else:
    g = g.sum(tuple(range(lead)))
  once = [i for i, n in enumerate(like.shape) if n == 1 < g.shape[i]]
  return g.sum(once, keepdims=True).astype(like.dtype)


WAYS = (
  Way('cudnn', takes_cudnn, _cudnn),
  Way('heads first', lambda shapes, on: on.platform == 'cpu', _heads_first),
  Way('whole rows', whole_rows.takes, whole_rows.attend),
  Way('splash', splash.takes, splash.attend),
  Way('plain', lambda shapes, on: True, _plain),
)
