"""Colours: each change against its definition, and which frames share it."""

import colorsys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.data import color

GREY = np.array([0.2989, 0.587, 0.114])
SIZE = np.array([10, 8], np.int32)


def noise(frames=3, seed=0):
  rng = np.random.default_rng(seed)
  return rng.random((frames, 12, 12, 3), np.float32)


def jitter(clip, brightness=1.0, contrast=1.0, saturation=1.0, turn=0.0):
  factors = np.array([brightness, contrast, saturation, turn], np.float32)
  inside = np.zeros((12, 12, 1), bool)
  inside[: SIZE[0], : SIZE[1]] = True
  return np.array(
    color.jitter(clip, factors.reshape(4, 1, 1, 1, 1), jnp.array(inside))
  )


def test_brightness_and_saturation():
  clip = noise()
  np.testing.assert_allclose(
    jitter(clip, brightness=1.4), np.minimum(1.4 * clip, 1), atol=1e-5
  )
  grey = (clip @ GREY)[..., None]
  np.testing.assert_allclose(
    jitter(clip, saturation=0.3), 0.3 * clip + 0.7 * grey, atol=1e-3
  )


def test_contrast_is_about_the_mean_of_each_frames_content():
  clip = noise() * np.array([0.2, 0.5, 1]).reshape(3, 1, 1, 1)
  means = (clip @ GREY)[:, : SIZE[0], : SIZE[1]].mean((1, 2))
  expected = 0.5 * clip + 0.5 * means.reshape(3, 1, 1, 1)
  np.testing.assert_allclose(jitter(clip, contrast=0.5), expected, atol=1e-4)


def test_hue_turns():
  clip = noise(1)
  turned = jitter(clip, turn=0.3)
  for y, x in ((0, 0), (3, 4), (9, 7)):
    hue, saturation, value = colorsys.rgb_to_hsv(*clip[0, y, x].tolist())
    expected = colorsys.hsv_to_rgb((hue + 0.3) % 1, saturation, value)
    np.testing.assert_allclose(turned[0, y, x], expected, atol=1e-4)


def changed(key, frames=4, **options):
  """Returns a clip of `frames` equal frames in other colours."""
  options = {
    'strengths': None, 'p': 1.0, 'per_frame': False, 'grayscale': 0.0, **options
  }  # fmt: skip
  clip = jnp.repeat(noise(1), frames, axis=0)
  return np.array(
    color.augment(jax.random.key(key), clip, jnp.array(SIZE), **options)
  )


def test_grey_is_the_whole_clip():
  clips = [changed(key, grayscale=0.5) for key in range(40)]
  grey = [np.ptp(clip, axis=-1).max(axis=(1, 2)) < 1e-5 for clip in clips]
  assert all(len(set(frames)) == 1 for frames in grey)
  assert 8 < sum(frames[0] for frames in grey) < 32


@pytest.mark.parametrize('per_frame', [False, True])
def test_jitter_is_of_a_clip_or_of_each_frame(per_frame):
  strengths = (0.4, 0.4, 0.4, 0.2)
  clips = np.stack([
    changed(key, strengths=strengths, p=0.5, per_frame=per_frame)
    for key in range(30)
  ])  # fmt: skip
  same = (clips == noise(1)).all((2, 3, 4))
  # Half of all clips, or of all frames, stay as they are.
  assert 0.25 < same.mean() < 0.75
  alike = (clips == clips[:, :1]).all((1, 2, 3, 4))
  assert alike.all() if not per_frame else alike.mean() < 0.3


def test_factors_are_uniform_around_one():
  strengths = (0.4, 0.0, 0.0, 0.0)
  darkest = [
    changed(key, 1, strengths=strengths)[0] / noise(1)[0] for key in range(200)
  ]
  # Where nothing is clipped at 1, all pixels have the factor.
  factors = np.array([np.median(ratio[noise(1)[0] < 0.7]) for ratio in darkest])
  assert 0.6 <= factors.min() < 0.63 and 1.37 < factors.max() <= 1.4
  assert factors.mean() == pytest.approx(1, abs=0.06)
