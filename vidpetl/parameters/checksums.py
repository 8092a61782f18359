"""Checksums of arrays, the same on all devices and however they are sharded.

An array's checksum is a sum over its elements, modulo 2**32, of a hash of the
element's bits and place, in two lanes:

    sum_i mix(bits_i ^ mix(i + lane))

Whole numbers may be added in any order, so that each device sums what it holds,
and nothing that is large is copied to hosts for it. `mix` is the finaliser of
MurmurHash3 (https://github.com/aappleby/smhasher, public domain).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

# Of the meta beside a checkpoint's arrays: what `of` gave, and a hash of all.
FIELD, DIGEST = 'checksums', 'digest'
_LANES = (0x9E3779B9, 0x3C6EF372)
# Elements of an array that is summed on the host sooner than a program for its
# shape would be compiled.
_FEW = 2**18


def of(tree: Any) -> dict[str, str]:
  """Returns a text per array: its type, shape and checksum.

  Args:
    tree: arrays of any devices; all processes that hold a part must call it.

  Returns:
    Path of each leaf -> e.g. 'float32[2,3] 00112233aabbccdd'.
  """
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  sums = _sums([leaf for _, leaf in leaves])
  return {
    _name(path): f'{_kind(leaf)} {"".join(f"{int(x):08x}" for x in both)}'
    for (path, leaf), both in zip(leaves, map(np.asarray, sums), strict=True)
  }


def _sums(arrays: Sequence[jax.Array]) -> list[Any]:
  """Returns the lanes of each array; all are started before one is waited for.

  But not on several devices of a CPU, which share its threads: programs that
  wait for each other's parts could hold all of them.
  """
  large = [None if _is_small(array) else array for array in arrays]
  if jax.default_backend() != 'cpu' or jax.local_device_count() == 1:
    begun = [x if x is None else _sum(x) for x in large]
  else:
    jax.block_until_ready(large)
    begun = [x if x is None else jax.block_until_ready(_sum(x)) for x in large]
  return [
    _sum_here(array) if lanes is None else lanes
    for array, lanes in zip(arrays, begun, strict=True)
  ]


def _is_small(array: Any) -> bool:
  here = getattr(array, 'is_fully_addressable', True)
  return here and array.size <= _FEW


def kinds(tree: Any) -> dict[str, str]:
  """Returns the type and shape of each leaf, as `of` has them."""
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  return {_name(path): _kind(leaf) for path, leaf in leaves}


def kind(text: str) -> str:
  """Returns the type and shape of one of the texts of `of`."""
  return text.rpartition(' ')[0]


def differing(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
  """Returns paths at which two of `of` or of `kinds` differ, in order."""
  return sorted(k for k in {*then, *now} if then.get(k) != now.get(k))


def sign(meta: Mapping[str, Any]) -> dict[str, Any]:
  """Returns a meta with its hash."""
  return {**meta, DIGEST: _digest(meta)}


def is_intact(meta: Mapping[str, Any]) -> bool:
  """Whether a meta is as it was signed; older versions have no hash of it."""
  if FIELD not in meta and DIGEST not in meta:
    return True
  unsigned = {k: v for k, v in meta.items() if k != DIGEST}
  return FIELD in meta and meta.get(DIGEST) == _digest(unsigned)


def _digest(meta: Mapping[str, Any]) -> str:
  """Returns a hash of what JSON makes of a meta."""
  plain = json.loads(json.dumps(meta))
  return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _name(path: Any) -> str:
  return jax.tree_util.keystr(path, simple=True, separator='/')


def _kind(leaf: Any) -> str:
  return f'{leaf.dtype}[{",".join(map(str, leaf.shape))}]'


def _sum_here(array: Any) -> np.ndarray:
  """Returns what `_sum` does, computed on the host."""
  if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
    array = jax.random.key_data(array)
  values = np.asarray(array)
  size = min(values.dtype.itemsize, 4)
  bits = np.ravel(values).view(f'u{size}').astype(np.uint32)
  place = np.arange(bits.size, dtype=np.uint32)
  lanes = [_mix(bits ^ _mix(place + np.uint32(lane))) for lane in _LANES]
  return np.stack([x.sum(dtype=np.uint32) for x in lanes])


@jax.jit
def _sum(array: jax.Array) -> jax.Array:
  """Returns the lanes of an array's checksum, uint32 [2]."""
  bits = _bits(array)
  place = jnp.zeros(bits.shape, jnp.uint32)
  for axis, size in enumerate(bits.shape):
    # No reshape, which would gather what is sharded.
    along = jax.lax.broadcasted_iota(jnp.uint32, bits.shape, axis)
    place = place * jnp.uint32(size % 2**32) + along
  lanes = [_mix(bits ^ _mix(place + jnp.uint32(lane))) for lane in _LANES]
  return jnp.stack([x.sum(dtype=jnp.uint32) for x in lanes])


def _bits(array: jax.Array) -> jax.Array:
  """Returns an array's bits as uint32, those of 64-bit types in two."""
  if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
    array = jax.random.key_data(array)
  if array.dtype == jnp.bool_:
    return array.astype(jnp.uint32)
  size = min(array.dtype.itemsize, 4)
  whole = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32}[size]
  return jax.lax.bitcast_convert_type(array, whole).astype(jnp.uint32)


def _mix(x: Any) -> Any:
  x = (x ^ (x >> 16)) * np.uint32(0x85EBCA6B)
  x = (x ^ (x >> 13)) * np.uint32(0xC2B2AE35)
  return x ^ (x >> 16)
