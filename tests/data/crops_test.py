"""Augmentation by crops and colours."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from augment_batches import SIDE, make_batch, noise

from vidpetl.data import augment

CROP = augment.Augment(
  scale_jitter=None, box_jitter=0, flip=False, crop_area=(0.3, 1.0)
)


def ramps(height, width):
  """Returns content whose red is 4 x row and whose green is 4 x column."""
  rows, columns = np.mgrid[:height, :width]
  content = np.stack([4 * rows, 4 * columns, 0 * rows], -1)
  return content[None].astype(np.uint8)


@pytest.fixture(scope='module')
def cropped():
  """Returns (top, bottom, left, right) of the crops of 400 clips 40 x 48."""
  batch = make_batch([ramps(40, 48)] * 400)
  out = augment.preprocess(batch, CROP, train=True)
  assert (np.array(out['size']) == SIDE).all()
  video = (np.array(out['video'])[:, 0] + 1) * 127.5 / 4
  # A pixel of the square has its centre half a step from the crop's edge.
  edges = []
  for axis, channel in ((1, 0), (2, 1)):
    line = video[..., channel].mean(2 if axis == 1 else 1)
    step = (line[:, 30] - line[:, 10]) / 20
    centre = line[:, 20] + 0.5
    edges += [centre - 20.5 * step, centre + 27.5 * step]
  return np.stack(edges, axis=1)


def test_crops_are_of_the_range(cropped):
  top, bottom, left, right = cropped.T
  height, width = bottom - top, right - left
  # Sides are whole pixels.
  share, ratio = height * width / (40 * 48), width / height
  assert share.min() > 0.27 and share.max() < 1.01
  assert ratio.min() > 0.72 and ratio.max() < 1.4
  assert np.percentile(share, 10) < 0.42 and np.percentile(share, 90) > 0.75
  np.testing.assert_allclose(height, np.round(height), atol=0.15)


def test_crops_lie_anywhere_in_the_content(cropped):
  top, bottom, left, right = cropped.T
  assert top.min() > -0.2 and bottom.max() < 40.2
  assert left.min() > -0.2 and right.max() < 48.2
  small = (bottom - top < 30) & (right - left < 36)
  assert np.std((left / (48 - right + left))[small]) > 0.2
  assert top[small].min() < 1 and bottom[small].max() > 39


def test_a_crop_is_resized_by_itself():
  content = noise(40, 44)
  matrix = augment.resampling_matrix(SIDE, 5, 20, SIDE, 0)
  ours = jnp.einsum('yi,tijc->tyjc', matrix, jnp.zeros((2, SIDE, 44, 3)).at[
    :, :40].set(content))  # fmt: skip
  theirs = jax.image.resize(
    content[:, 5:25].astype(np.float32), (2, SIDE, 44, 3), 'linear'
  )
  np.testing.assert_allclose(ours, theirs, atol=1e-2)


def test_crops_are_mirrored_exactly():
  batch = make_batch([noise(40, 48)] * 40)
  plain = augment.preprocess(batch, CROP, train=True)['video']
  settings = augment.Augment(scale_jitter=None, crop_area=(0.3, 1.0))
  flipped = augment.preprocess(batch, settings, train=True)['video']
  same = np.abs(plain - flipped).max((1, 2, 3, 4)) < 1e-5
  turned = np.abs(plain[..., ::-1, :] - flipped).max((1, 2, 3, 4)) < 1e-5
  assert (same != turned).all() and 8 < same.sum() < 32


def test_what_no_crop_fits_is_cropped_in_the_middle():
  # 8 x 48 with a ratio of at most 4 / 3: 8 x 10.67, at (48 - 11) / 2 = 18.
  content = ramps(8, 48)
  settings = augment.Augment(
    scale_jitter=None, box_jitter=0, flip=False, crop_area=(1.0, 1.0)
  )
  out = augment.preprocess(make_batch([content] * 3), settings, train=True)
  green = (np.array(out['video'])[:, 0, ..., 1] + 1) * 127.5 / 4
  assert green.min() == pytest.approx(18, abs=0.1)
  assert green.max() == pytest.approx(28, abs=0.1)
  empty = make_batch([content] * 3)
  empty['size'][:] = 0
  assert not np.array(
    augment.preprocess(empty, settings, train=True)['video']
  ).any()


def test_crops_are_not_for_boxes():
  batch = make_batch([noise(48, 30)], [[[0, 0, 1, 1]]])
  with pytest.raises(ValueError, match='use scale_jitter'):
    augment.preprocess(batch, CROP, train=True)


def test_colors_change_in_the_content_alone():
  batch = make_batch([noise(30, 48), noise(48, 20)])
  settings = augment.Augment(
    scale_jitter=None, flip=False, pad_value=-9.0,
    color_jitter=[0.4, 0.4, 0.4, 0.2], grayscale=0.5,
  )  # fmt: skip
  video = np.array(augment.preprocess(batch, settings, train=True)['video'])
  assert (video[0, :, 30:] == -9).all() and (video[1, :, :, 20:] == -9).all()
  plain = augment.preprocess(batch, settings, train=False)['video']
  assert np.abs(video[0, :, :30] - plain[0, :, :30]).mean() > 0.02
  assert np.abs(video[0, :, :30]).max() <= 1
  # Nothing but the content says how bright the content is on average.
  wider = batch['video'].copy()
  wider[0, :, 30:] = 255
  again = augment.preprocess(batch | {'video': wider}, settings, train=True)
  np.testing.assert_array_equal(again['video'], video)


def test_programs_without_colors_have_none():
  batch = make_batch([noise(48, 30)])
  text = {
    grayscale: augment.preprocess.lower(
      batch,
      augment.Augment(scale_jitter=None, flip=False, grayscale=grayscale),
      train=True,
    ).as_text()
    for grayscale in (0.0, 0.1)
  }
  assert '2.989' in text[0.1] and '2.989' not in text[0.0]


@pytest.mark.parametrize(
  'options, message',
  [
    ({'crop_area': (0.4, 1.0)}, 'needs scale_jitter=None'),
    ({'crop_area': (0, 1), 'scale_jitter': None}, 'crop_area'),
    ({'crop_area': (0.5, 1.5), 'scale_jitter': None}, 'crop_area'),
    ({'crop_ratio': (2, 1)}, 'crop_ratio'),
    ({'color_jitter': (0.4, 0.4, 0.4)}, 'color_jitter'),
    ({'color_jitter': (0.4, 0.4, 0.4, 0.6)}, 'color_jitter'),
    ({'color_jitter_p': 1.5}, 'color_jitter_p'),
    ({'grayscale': -0.1}, 'grayscale'),
  ],
)
def test_crops_and_colors_that_make_no_sense(options, message):
  with pytest.raises(ValueError, match=message):
    augment.Augment(**options)
