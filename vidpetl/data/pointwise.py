"""Changes of colour as Pillow makes them, on bytes: tables, and blends.

A table gives the new level of each of 256 levels, by frame and channel. What
Pillow takes from an image, its histogram or its mean, is taken from each frame
of a clip, and from its content alone.

Every function here takes a clip uint8 [t, R, R, 3], `inside`, bool [R, R, 1],
where its content is, and one argument, a float32 []; `TABLES` return int32
[t, 3, 256], `BLENDS` a clip.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

_LEVELS = np.arange(256)


def look_up(clip: jax.Array, table: jax.Array) -> jax.Array:
  """Returns a clip [t, R, R, 3] by a table [t, 3, 256]."""
  frames = jnp.arange(len(clip))[:, None, None, None]
  return table[frames, jnp.arange(3), clip].astype(jnp.uint8)


def blend(start: jax.Array, end: jax.Array, factor: jax.Array) -> jax.Array:
  """Returns start + factor (end - start), clipped and cut to levels, int32."""
  mixed = start + factor * (end - start).astype(jnp.float32)
  return jnp.clip(mixed, 0.0, 255.0).astype(jnp.int32)


def grey(clip: jax.Array) -> jax.Array:
  """Returns the luma of ITU-R BT.601, int32 [t, R, R, 1], in 16 bits."""
  red, green, blue = jnp.moveaxis(clip.astype(jnp.int32), -1, 0)
  luma = 19595 * red + 38470 * green + 7471 * blue + (1 << 15) >> 16
  return luma[..., None]


def histogram(clip: jax.Array, inside: jax.Array) -> jax.Array:
  """Returns how many pixels of the content have each level, [t, 3, 256]."""
  count, *_, channels = clip.shape
  row = jnp.arange(count)[:, None, None, None] * channels + jnp.arange(channels)
  counts = jnp.zeros((count * channels, 256), jnp.int32)
  ones = jnp.broadcast_to(inside, clip.shape).astype(jnp.int32)
  counts = counts.at[row, clip].add(ones)
  return counts.reshape(count, channels, 256)


# ---------------------------------------------------------------------- tables


def autocontrast(clip, inside, argument):
  """Stretches the levels that there are over all 256."""
  del argument
  low = jnp.where(inside, clip, 255).min((1, 2)).astype(jnp.int32)[..., None]
  high = jnp.where(inside, clip, 0).max((1, 2)).astype(jnp.int32)[..., None]
  span = jnp.maximum(high - low, 1)
  above = jnp.maximum(_LEVELS - low, 0)
  level = jnp.minimum(255 * above // span, 255)
  # Pillow computes i s - low s in float64, with s = 255 / span, and cuts it to
  # an integer. Where the exact result is one, that may be just below it, for
  # every sixth span even at its end, so that white becomes 254.
  errors, half = (jnp.asarray(x) for x in _errors())
  error = errors[span, _LEVELS] - errors[span, low]
  short = (255 * above % span == 0) & (-error > half[level])
  return jnp.where(high > low, level - short, _LEVELS)


@functools.cache
def _errors() -> tuple[np.ndarray, np.ndarray]:
  """Returns how far Pillow's products are off, and how far they may be.

  Returns:
    Errors of float64's i 255 / n, [n, i] in units of 2^-52, up to a number
    that all i have in common for which 255 i / n has the same fraction; half
    the distance from an integer to the float64 below it, [integer], in the
    same units.
  """
  span = np.maximum(_LEVELS, 1)[:, None]
  fraction = _LEVELS * (255.0 / span) - 255 * _LEVELS // span
  period = span // np.gcd(span, 255)
  first = np.take_along_axis(fraction, _LEVELS % period, axis=1)
  errors = ((fraction - first) * 2.0**52).astype(np.int32)
  half = 2.0 ** (np.ceil(np.log2(np.maximum(_LEVELS, 1))) - 2)
  return errors, half.astype(np.float32)


def equalize(clip, inside, argument):
  """Makes all levels about as frequent."""
  del argument
  counts = histogram(clip, inside)
  last = 255 - jnp.argmax(counts[..., ::-1] > 0, axis=-1)[..., None]
  others = counts.sum(-1, keepdims=True) - jnp.take_along_axis(counts, last, -1)
  step = others // 255
  below = jnp.cumsum(counts, axis=-1) - counts
  level = (step // 2 + below) // jnp.maximum(step, 1)
  return jnp.where(step > 0, jnp.minimum(level, 255), _LEVELS)


def invert(clip, inside, argument):
  del inside, argument
  return _same(clip, 255 - _LEVELS)


def posterize(clip, inside, argument):
  """Keeps the highest bits, as many as the argument says."""
  del inside
  kept = 8 - argument.astype(jnp.int32)
  return _same(clip, _LEVELS >> kept << kept)


def solarize(clip, inside, argument):
  """Inverts levels from the argument on."""
  del inside
  return _same(clip, jnp.where(argument > _LEVELS, _LEVELS, 255 - _LEVELS))


def solarize_add(clip, inside, argument):
  """Adds the argument to levels below 128."""
  del inside
  lighter = jnp.minimum(_LEVELS + argument.astype(jnp.int32), 255)
  return _same(clip, jnp.where(_LEVELS < 128, lighter, _LEVELS))


def contrast(clip, inside, argument):
  """Blends with the mean grey of the frame."""
  count = jnp.maximum(inside.sum(), 1)
  total = jnp.where(inside, grey(clip), 0).sum((1, 2))[..., None]
  mean = (2 * total + count) // (2 * count)
  return _same(clip, blend(mean, _LEVELS, argument))


def brightness(clip, inside, argument):
  """Blends with black."""
  del inside
  return _same(clip, blend(jnp.zeros(256, jnp.int32), _LEVELS, argument))


def _same(clip: jax.Array, levels: jax.Array) -> jax.Array:
  """Returns the table of levels that all channels share."""
  return jnp.broadcast_to(levels, (len(clip), 3, 256)).astype(jnp.int32)


TABLES = {
  'AutoContrast': autocontrast,
  'Equalize': equalize,
  'Invert': invert,
  'PosterizeIncreasing': posterize,
  'SolarizeIncreasing': solarize,
  'SolarizeAdd': solarize_add,
  'ContrastIncreasing': contrast,
  'BrightnessIncreasing': brightness,
}

# ---------------------------------------------------------------------- blends


def color(clip, inside, argument):
  """Blends with the frame in grey."""
  del inside
  return blend(grey(clip), clip.astype(jnp.int32), argument).astype(jnp.uint8)


def sharpness(clip, inside, argument):
  """Blends with the smoothed frame, whose outermost pixels are as they were."""
  pixels = clip.astype(jnp.int32)
  around = jnp.pad(pixels, ((0, 0), (1, 1), (1, 1), (0, 0)))
  around = around[:, :-2] + around[:, 1:-1] + around[:, 2:]
  around = around[:, :, :-2] + around[:, :, 1:-1] + around[:, :, 2:]
  # Of weights 1, with 5 in the middle, rounded.
  smooth = (2 * (around + 4 * pixels) + 13) // 26
  inner = jnp.pad(inside, ((1, 1), (1, 1), (0, 0)))
  inner = (
    inner[2:, 1:-1] & inner[:-2, 1:-1] & inner[1:-1, 2:] & inner[1:-1, :-2]
  )
  smooth = jnp.where(inner, smooth, pixels)
  return blend(smooth, pixels, argument).astype(jnp.uint8)


BLENDS = {'ColorIncreasing': color, 'SharpnessIncreasing': sharpness}
