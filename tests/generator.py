"""A generator of random numbers, for programs that compile quickly.

Initial parameters and dropout are drawn in dozens of places of a program. JAX's
own generator compiles to rounds in each, which take a third of the time of
compiling the programs of a run. No claim rests on which generator draws.
Programs that a test starts have JAX's.
"""

import functools
import math

import jax
import numpy as np
from jax import lax
from jax.extend import random

# The golden ratio's bits, and the factors of MurmurHash3's finaliser.
_ODD = tuple(map(np.uint32, (0x9E3779B9, 0x85EBCA6B, 0xC2B2AE35)))

JAX_KEY = jax.random.key


def use():
  """Makes it the generator of keys that name none."""
  jax.random.key = functools.partial(JAX_KEY, impl=QUICK)


def _scrambled(x):
  """MurmurHash3's finaliser: each bit of [n] depends on all of it."""
  for odd, shift in zip(_ODD[1:], (16, 13)):
    x = _times(_shifted(x, shift), odd)
  return _shifted(x, 16)


def _shifted(x, bits):
  return lax.bitwise_xor(
    x, lax.shift_right_logical(x, lax.full_like(x, np.uint32(bits)))
  )


def _times(x, factor):
  return lax.mul(x, lax.full_like(x, factor))


def _words(key, like):
  """Returns both words of a key [2], each as wide as `like`."""
  return (
    lax.broadcast(lax.index_in_dim(key, i, keepdims=False), like.shape)
    for i in (0, 1)
  )


def _hashed(key, numbers):
  """Returns 32 bits for each number of any shape; key is [2]."""
  one, other = _words(key, numbers)
  mixed = _scrambled(
    lax.add(lax.bitwise_xor(numbers, one), lax.full_like(numbers, _ODD[0]))
  )
  return _scrambled(lax.bitwise_xor(mixed, other))


def _keys(key, numbers):
  """Returns a key for each number, [*shape, 2]."""
  one = _hashed(key, numbers)
  other = _scrambled(lax.add(one, _times(numbers, _ODD[0])))
  return lax.concatenate(
    [lax.expand_dims(one, (one.ndim,)), lax.expand_dims(other, (one.ndim,))],
    one.ndim,
  )


def _seed(seed):
  number = lax.convert_element_type(seed, np.uint32)
  return _keys(np.array([0, 1], np.uint32), number)


def _split(key, shape):
  return lax.reshape(_keys(key, _count(shape)), (*shape, 2))


def _fold_in(key, data):
  # Else it would be the first of those that the key is split into.
  return _keys(key, lax.bitwise_not(lax.convert_element_type(data, np.uint32)))


def _bits(key, width, shape):
  drawn = lax.reshape(_hashed(key, _count(shape)), shape)
  return lax.convert_element_type(drawn, np.dtype(f'uint{width}'))


def _count(shape):
  return lax.iota(np.uint32, math.prod(shape))


QUICK = random.define_prng_impl(
  key_shape=(2,),
  seed=_seed,
  split=_split,
  random_bits=_bits,
  fold_in=_fold_in,
  name='quick',
  tag='quick',
)
