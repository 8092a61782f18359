"""RandAugment of whole clips, on the device.

Cubuk et al., RandAugment: Practical automated data augmentation with a reduced
search space, 2020. Operations, ranges and chances are those of timm's
'rand-m7-n4-mstd0.5-inc1' and the like, in which published recipes state theirs;
pixels are those of Pillow, on bytes.

Each layer of each clip draws one operation of 15. Computing all of them and
taking one costs many times as much as the one, on any device. So clips are
worked off one after the other, and `lax.switch` runs what was drawn alone.
"""

from __future__ import annotations

import functools
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np

from vidpetl import ranges
from vidpetl.data import affine, clipwise, pointwise

Settings = tuple[
  ranges.Count, Annotated[float, ranges.Between(0, 10)], ranges.Number
]

OPS = (*pointwise.TABLES, *pointwise.BLENDS, *affine.CHANGES)
_HIGHEST = 10.0
_GROUPS = (pointwise.TABLES, pointwise.BLENDS, affine.CHANGES)
# Of each operation, its group, from 1 on, and its place there.
_GROUP = np.array([i for i, ops in enumerate(_GROUPS, 1) for _ in ops])
_PLACE = np.array([i for ops in _GROUPS for i, _ in enumerate(ops)])


def augment(
  keys: jax.Array,
  video: jax.Array,
  size: jax.Array,
  *,
  settings: Settings,
  p: float,
  fill: int,
  interpolation: str,
) -> jax.Array:
  """Returns videos uint8 [b, t, R, R, 3] with other pixels.

  Args:
    keys: [b].
    video: with the content at the top left. Only there the result means
      anything.
    size: int32 [b, 2], height and width of the content.
    settings: number of operations, magnitude, its standard deviation.
    p: probability of each operation.
    fill: level of what a change of place uncovers.
    interpolation: of changes of place, a key of `affine.INTERPOLATIONS`.
  """
  change = functools.partial(apply, fill=fill, interpolation=interpolation)

  def one(key, clip, size):
    drawn = draw(key, settings, p)
    step = lambda clip, layer: (change(clip, size, *layer), None)
    return jax.lax.scan(step, clip, drawn)[0]

  return clipwise.run(one, keys, video, size)


def draw(
  key: jax.Array, settings: Settings, p: float
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """Draws what happens to one clip.

  Returns:
    Of each layer [n]: the operation, an index into `OPS`; whether it is
    applied; its argument.
  """
  count, magnitude, std = settings
  key, noise = jax.random.split(key)
  op, chance, sign = jax.random.uniform(key, (3, int(count)))
  op = jnp.floor(op * len(OPS)).astype(jnp.int32)
  magnitude += std * jax.random.normal(noise, op.shape)
  magnitude = jnp.clip(magnitude, 0.0, _HIGHEST)
  argument = arguments(magnitude, jnp.where(sign < 0.5, -1.0, 1.0))
  argument = jnp.take_along_axis(argument, op[None], axis=0)[0]
  return op, chance < p, argument


def arguments(magnitude: jax.Array, sign: jax.Array) -> jax.Array:
  """Returns the argument of each operation, float32 [15, ...].

  Args:
    magnitude: [...] of 0 to 10.
    sign: [...] -1 or 1, for operations with two directions.
  """
  level = magnitude / _HIGHEST
  none = jnp.zeros_like(level)
  factor = jnp.maximum(1 + 0.9 * sign * level, 0.1)
  shear, move = 0.3 * sign * level, 0.45 * sign * level
  by_name = {
    'AutoContrast': none,
    'Equalize': none,
    'Invert': none,
    'PosterizeIncreasing': 4 - jnp.floor(4 * level),
    'SolarizeIncreasing': 256 - jnp.floor(256 * level),
    'SolarizeAdd': jnp.floor(110 * level),
    'ContrastIncreasing': factor,
    'BrightnessIncreasing': factor,
    'ColorIncreasing': factor,
    'SharpnessIncreasing': factor,
    'Rotate': 30 * sign * level,
    'ShearX': shear,
    'ShearY': shear,
    'TranslateXRel': move,
    'TranslateYRel': move,
  }
  return jnp.stack([by_name[name] for name in OPS])


def apply(
  clip: jax.Array,
  size: jax.Array,
  op: jax.Array,
  applied: jax.Array,
  argument: jax.Array,
  *,
  fill: int = 128,
  interpolation: str = 'bicubic',
) -> jax.Array:
  """Returns a clip uint8 [t, R, R, 3] after one operation.

  Args:
    clip: with its content at the top left.
    size: int32 [2], height and width of the content.
    op: int32 [], an index into `OPS`.
    applied: bool [].
    argument: float32 [] of the operation.
    fill: see `augment`.
    interpolation: see `augment`.
  """
  rows, columns = (jnp.arange(clip.shape[-2]) < length for length in size)
  inside = (rows[:, None] & columns)[..., None]
  place = jnp.asarray(_PLACE)[op]
  choose = lambda ops, *args: jax.lax.switch(place, [*ops.values()], *args)

  def by_table(clip):
    table = choose(pointwise.TABLES, clip, inside, argument)
    return pointwise.look_up(clip, table)

  def by_blend(clip):
    return choose(pointwise.BLENDS, clip, inside, argument)

  def by_place(clip):
    matrix = choose(affine.CHANGES, argument, size)
    return affine.resample(
      clip, size, matrix, interpolation=interpolation, fill=fill
    )

  group = jnp.where(applied, jnp.asarray(_GROUP)[op], 0)
  ways = [lambda clip: clip, by_table, by_blend, by_place]
  return jax.lax.switch(group, ways, clip)
