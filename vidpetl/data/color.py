"""Colour augmentation of clips on the device.

Definitions and ranges are those of torchvision's `ColorJitter` and
`RandomGrayscale`, which the published recipes state their numbers in: blends
with black, with the mean grey of the frame, and with the frame in grey, and a
turn of the hue. They are applied in this order, where torchvision shuffles it.
"""

from __future__ import annotations

from typing import Annotated

import dm_pix as pix
import jax
import jax.numpy as jnp

from vidpetl import ranges

Strengths = tuple[
  ranges.Number,
  ranges.Number,
  ranges.Number,
  Annotated[float, ranges.Between(0, 0.5)],
]


def augment(
  key: jax.Array,
  clip: jax.Array,
  size: jax.Array,
  *,
  strengths: Strengths | None,
  p: float,
  per_frame: bool,
  grayscale: float,
) -> jax.Array:
  """Returns a clip [t, R, R, 3] in [0, 1] in other colours.

  Args:
    key: of the clip.
    clip: float32.
    size: int32 [2], height and width of the content at its top left; only
      there the result means anything.
    strengths: of the jitter, see `jitter`; None for none.
    p: probability of the jitter.
    per_frame: whether each frame is jittered by draws of its own.
    grayscale: probability that all of the clip becomes grey, before the jitter.
  """
  grey_key, jitter_key = jax.random.split(key)
  if grayscale:
    # No frame is left out: a clip is of one kind.
    grey = jax.random.uniform(grey_key) < grayscale
    clip = jnp.where(grey, _grey(clip), clip)
  if strengths is None:
    return clip
  count = clip.shape[0] if per_frame else 1
  draws = jax.random.uniform(jitter_key, (5, count, 1, 1, 1))
  factors = _factors(draws[:4], strengths)
  jittered = jitter(clip, factors, _inside(clip, size), strengths[3] > 0)
  return jnp.where(draws[4] < p, jittered, clip)


def jitter(
  clip: jax.Array, factors: jax.Array, inside: jax.Array, hue: bool = True
) -> jax.Array:
  """Returns a clip with jittered colours.

  With b, c, s and h the factors, g(x) the grey of a frame x (ITU-R BT.601) and
  m(x) its mean over the content:

    x = [b x],  x = [c x + (1 - c) m(x)],  x = [s x + (1 - s) g(x)],

  clipped to [0, 1] each time; then the hue is turned by h.

  Args:
    clip: [t, R, R, 3] in [0, 1].
    factors: [4, t or 1, 1, 1, 1], b, c, s and h, the latter in turns.
    inside: bool [R, R, 1], where the content is.
    hue: whether h may be other than 0.
  """
  brightness, contrast, saturation, turn = factors
  clip = jnp.clip(brightness * clip, 0.0, 1.0)
  mean = jnp.where(inside, pix.rgb_to_grayscale(clip), 0.0).sum(
    axis=(1, 2, 3), keepdims=True
  ) / jnp.maximum(inside.sum(), 1)
  clip = jnp.clip(contrast * clip + (1 - contrast) * mean, 0.0, 1.0)
  clip = jnp.clip(saturation * clip + (1 - saturation) * _grey(clip), 0.0, 1.0)
  # Planes have no axis for channels, so that neither has the turn.
  return pix.adjust_hue(clip, turn[..., 0]) if hue else clip


def _factors(draws: jax.Array, strengths: Strengths) -> jax.Array:
  """Takes draws [4, ...] in [0, 1) to U(max(0, 1 - a), 1 + a) and U(-h, h)."""
  *blends, hue = strengths
  lows = jnp.array([*(max(0.0, 1 - a) for a in blends), -hue])
  highs = jnp.array([*(1 + a for a in blends), hue])
  shape = (4, *[1] * (draws.ndim - 1))
  return lows.reshape(shape) + (highs - lows).reshape(shape) * draws


def _grey(clip: jax.Array) -> jax.Array:
  return pix.rgb_to_grayscale(clip, keep_dims=True)


def _inside(clip: jax.Array, size: jax.Array) -> jax.Array:
  """Returns where a clip's content is, bool [R, R, 1]."""
  rows, columns = (jnp.arange(clip.shape[-2]) < length for length in size)
  return (rows[:, None] & columns)[..., None]
