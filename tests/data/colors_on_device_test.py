"""Clips on the device whose frames were cropped before: colours, mirroring."""

import numpy as np
import pytest
from augment_batches import make_batch, noise

from vidpetl.data import augment


def test_whole_frames_are_mirrored_as_crops_are():
  """Padded content stays at the left, with and without resampling."""
  batch = make_batch([noise(40, 30)] * 40)
  mirrored = augment.Augment(scale_jitter=None, box_jitter=0)
  resampled = augment.Augment(scale_jitter=(1.0, 1.0), box_jitter=0)
  one, other = (
    augment.preprocess(batch, settings, train=True)['video']
    for settings in (mirrored, resampled)
  )
  np.testing.assert_allclose(one, other, atol=1e-5)
  assert len({np.array(clip).tobytes() for clip in one}) == 2


@pytest.mark.parametrize(
  'scale_jitter, flip, products',
  [(None, False, 0), (None, True, 1), ((1.0, 1.0), False, 2)],
)
def test_crops_are_mirrored_and_not_resampled(scale_jitter, flip, products):
  """Each resampling of an axis is a product, and mirroring is one."""
  batch = make_batch([noise(48, 48)])
  settings = augment.Augment(scale_jitter=scale_jitter, box_jitter=0, flip=flip)
  lowered = augment.preprocess.lower(batch, settings, train=True).as_text()
  assert lowered.count('stablehlo.dot_general') == products


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
    ({'color_jitter': (0.4, 0.4, 0.4)}, 'color_jitter'),
    ({'color_jitter': (0.4, 0.4, 0.4, 0.6)}, 'color_jitter'),
    ({'color_jitter_p': 1.5}, 'color_jitter_p'),
    ({'grayscale': -0.1}, 'grayscale'),
  ],
)
def test_colors_that_make_no_sense(options, message):
  with pytest.raises(ValueError, match=message):
    augment.Augment(**options)
