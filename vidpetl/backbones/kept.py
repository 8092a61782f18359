"""Features as arrays with names: what is kept of clips, and read again.

A batch that has such arrays needs no video. They are called

  features/summary, features/grid, features/regions,
  features/blocks/<number>/grid, features/blocks/<number>/lead,

and of int8 ones the scales of their tokens have the same names below 'scales/':

  x = q scale,  q = round(x / scale) in -127 to 127,  scale = max |x| / 127

over the last axis, which is a token's.
"""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from vidpetl.backbones import features as features_lib

FEATURES, SCALES = 'features/', 'scales/'
DTYPES = ('float32', 'bfloat16', 'int8')
_PARTS = ('summary', 'grid', 'regions')
_BLOCKS = 'blocks/'

Arrays = Mapping[str, jax.Array]


def name(array: str) -> bool:
  """Returns whether an array of a batch is of features."""
  return array.startswith((FEATURES, SCALES))


def named(features: features_lib.Features) -> dict[str, jax.Array]:
  """Returns what there is of features by name, without 'features/'."""
  found = {part: getattr(features, part) for part in _PARTS}
  for number, block in features.blocks.items():
    found[f'{_BLOCKS}{number}/grid'] = block.grid
    found[f'{_BLOCKS}{number}/lead'] = block.lead
  return {part: x for part, x in found.items() if x is not None}


def pack(features: features_lib.Features, dtype: str) -> dict[str, jax.Array]:
  """Returns features as arrays of a batch.

  Args:
    features: [b, ...] each.
    dtype: one of `DTYPES`.

  Raises:
    ValueError: if layers of the backbone still have to run on them.
  """
  if features.tube is not None:
    raise ValueError(
      'config.cache.path: layers of this backbone run on what a head pools '
      'from its grid, so that the grid alone cannot be kept. Leave the cache '
      "out, or use task='localisation' with its own head, which keeps what is "
      'pooled.'
    )
  packed = {}
  for part, x in named(features).items():
    if dtype == 'int8':
      packed[FEATURES + part], packed[SCALES + part] = _quantised(x)
    else:
      packed[FEATURES + part] = x.astype(dtype)
  return packed


def unpack(batch: Arrays) -> features_lib.Features | None:
  """Returns the features of a batch that has them; None of one of videos.

  Those of int8 come as float32, others as they were kept.
  """
  found = {
    key.removeprefix(FEATURES): _exact(x, batch.get(_scale(key)))
    for key, x in batch.items()
    if key.startswith(FEATURES)
  }
  if not found:
    return None
  numbers = {key.split('/')[1] for key in found if key.startswith(_BLOCKS)}
  return features_lib.Features(
    **{part: found.get(part) for part in _PARTS},
    blocks={
      int(number): features_lib.Block(
        found[f'{_BLOCKS}{number}/grid'], found.get(f'{_BLOCKS}{number}/lead')
      )
      for number in sorted(numbers)
    },
  )


def _scale(key: str) -> str:
  return SCALES + key.removeprefix(FEATURES)


def _quantised(x: jax.Array) -> tuple[jax.Array, jax.Array]:
  """Returns q int8 [..., d] and scale float32 [..., 1]."""
  x = x.astype(jnp.float32)
  scale = jnp.abs(x).max(-1, keepdims=True) / 127
  q = jnp.round(x / jnp.where(scale > 0, scale, 1))
  return q.astype(jnp.int8), scale


def _exact(x: jax.Array, scale: jax.Array | None) -> jax.Array:
  return x if scale is None else x.astype(jnp.float32) * scale
