"""Augmentation: pixels, padding, and boxes that stay on their pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from augment_batches import SIDE, make_batch, noise

from vidpetl.data import augment, boxes

PLAIN = augment.Augment(scale_jitter=None, box_jitter=0, flip=False)
FULL = augment.Augment(box_jitter=0)


def painted(height, width, box):
  """Returns black content with a white rectangle, and its box."""
  x1, y1, x2, y2 = box
  content = np.ones((1, height, width, 3), np.uint8)
  content[:, y1:y2, x1:x2] = 255
  return content, np.array([[x1, y1, x2, y2]]) / np.tile([width, height], 2)


def test_evaluation_only_normalises_and_pads():
  contents = [noise(48, 30), noise(20, 48)]
  batch = make_batch(contents, [[[0, 0, 1, 1]], [[0.5, 0.25, 0.75, 1]]])
  settings = augment.Augment(pad_value=-9.0)
  out = augment.preprocess(batch, settings, train=False)
  for clip, content in zip(np.array(out['video']), contents):
    height, width = content.shape[1:3]
    np.testing.assert_allclose(
      clip[:, :height, :width], content / 127.5 - 1, atol=1e-6
    )
    assert (clip[:, height:] == -9).all() and (clip[:, :, width:] == -9).all()
  np.testing.assert_allclose(
    out['boxes'], [[[0, 0, 30, 48]], [[24, 5, 36, 20]]]
  )
  assert out['box_valid'].all()


def test_mean_and_std_are_of_videos_in_0_1():
  settings = augment.Augment(mean=(0.1, 0.2, 0.3), std=(1, 2, 4))
  content = np.full((1, 48, 48, 3), 255, np.uint8)
  out = augment.preprocess(make_batch([content]), settings, train=False)
  np.testing.assert_allclose(
    out['video'][0, 0, 0, 0], [0.9, 0.4, 0.175], rtol=1e-6
  )


def test_views_are_normalised_alike():
  batch = make_batch([noise(48, 30), noise(20, 48)])
  several = batch | {'video': np.stack([batch['video']] * 3, axis=1)}
  one = augment.preprocess(batch, PLAIN, train=False)['video']
  views = augment.preprocess(several, PLAIN, train=False)['video']
  assert views.shape == (2, 3, 2, SIDE, SIDE, 3)
  np.testing.assert_array_equal(views, jnp.stack([one] * 3, axis=1))
  with pytest.raises(ValueError, match='views are for evaluation'):
    augment.preprocess(several, PLAIN, train=True)


def test_no_augmentation_is_exact():
  batch = make_batch([noise(48, 30), noise(20, 48)])
  exact = augment.preprocess(batch, PLAIN, train=False)['video']
  for settings in (
    PLAIN,
    augment.Augment(scale_jitter=(1, 1), box_jitter=0, flip=False),
  ):
    trained = augment.preprocess(batch, settings, train=True)['video']
    np.testing.assert_array_equal(trained, exact)


def test_mirroring_is_exact_and_of_every_other_clip():
  content = noise(30, 48)[:, :, :20]
  batch = make_batch([content] * 200)
  settings = augment.Augment(scale_jitter=None, flip=True)
  video = np.array(augment.preprocess(batch, settings, train=True)['video'])
  plain = np.zeros((2, SIDE, SIDE, 3), np.float32)
  mirrored = plain.copy()
  plain[:, :30, :20] = content / np.float32(127.5) - 1
  mirrored[:, :30, :20] = plain[:, :30, 19::-1]
  flips = [np.abs(clip - mirrored).max() < 1e-6 for clip in video]
  same = [np.abs(clip - plain).max() < 1e-6 for clip in video]
  assert all(f != s for f, s in zip(flips, same))
  assert 70 < sum(flips) < 130


@pytest.mark.parametrize('scaled', [31, 44, 53])
def test_resizing_is_that_of_the_content_alone(scaled):
  content = noise(48, 48)[:, :40, :44].astype(np.float32)
  matrix = [
    augment.resampling_matrix(SIDE, 0, length, to, 0)
    for length, to in ((40, scaled), (44, scaled + 1))
  ]
  square = np.zeros((2, SIDE, SIDE, 3), np.float32)
  square[:, :40, :44] = content
  ours = jnp.einsum('yi,tijc,xj->tyxc', matrix[0], square, matrix[1])
  theirs = jax.image.resize(content, (2, scaled, scaled + 1, 3), 'linear')
  height, width = min(scaled, SIDE), min(scaled + 1, SIDE)
  np.testing.assert_allclose(
    ours[:, :height, :width], theirs[:, :height, :width], atol=1e-2
  )


@pytest.fixture(scope='module')
def jittered():
  """Returns 300 clips of one white rectangle on black, all but boxes varied."""
  content, box = painted(48, 40, (8, 12, 30, 34))
  settings = augment.Augment(box_jitter=0, pad_value=-9.0)
  batch = make_batch([content] * 300, [box] * 300)
  out = augment.preprocess(batch, settings, train=True)
  return {key: np.array(value) for key, value in out.items()}


def test_padding_is_exact_after_scaling(jittered):
  for clip, (height, width) in zip(jittered['video'], jittered['size']):
    assert (np.abs(clip[:, :height, :width]) < 1.001).all()
    assert (clip[:, height:] == -9).all() and (clip[:, :, width:] == -9).all()


def test_scales_are_uniform(jittered):
  heights = jittered['size'][:, 0]
  # 0.65 x 48 = 31.2; what scales to more than 48 is cropped: (1.1 - 0.99) /
  # 0.45 of all.
  assert heights.min() in (31, 32) and heights.max() == SIDE
  assert (heights == SIDE).mean() == pytest.approx(0.245, abs=0.1)
  assert heights[heights < SIDE].mean() == pytest.approx(39.25, abs=1.3)


def test_boxes_stay_on_their_pixels(jittered):
  # White against black: an edge lies where brightness is half.
  bright = jittered['video'][:, 0, ..., 0] > 0
  widths = set()
  for clip, (x1, y1, x2, y2) in zip(bright, jittered['boxes'][:, 0]):
    rows, columns = np.flatnonzero(clip.any(1)), np.flatnonzero(clip.any(0))
    extent = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    np.testing.assert_allclose(extent, [x1, y1, x2, y2], atol=1)
    # Not an accident of a blob anywhere: its area is the box's.
    assert clip.sum() == pytest.approx((x2 - x1) * (y2 - y1), rel=0.15)
    widths.add(round(float(x2 - x1)))
  assert min(widths) <= 15 and max(widths) >= 23


def test_boxes_are_cut_where_the_content_is():
  # The right half of what was scaled up is sometimes cropped by up to 10 %.
  settings = augment.Augment(scale_jitter=(1.5, 1.5), box_jitter=0, flip=False)
  content, box = painted(48, 48, (0, 0, 10, 48))
  batch = make_batch([content] * 100, [box] * 100)
  out = augment.preprocess(batch, settings, train=True)
  boxes, valid = np.array(out['boxes'])[:, 0], np.array(out['box_valid'])[:, 0]
  bright = np.array(out['video'])[:, 0, ..., 0] > 0
  assert boxes.min() >= 0 and boxes.max() <= SIDE
  assert 0 < valid.sum() < 100
  assert not boxes[~valid].any()
  # The scaled box is 15 wide: gone when the crop begins at 15 or later.
  assert not bright[~valid].any()
  assert bright[valid & (boxes[:, 2] > 1)].any((1, 2)).all()


def test_box_jitter_moves_each_edge_by_its_side():
  given = jnp.tile(jnp.array([10.0, 20.0, 50.0, 30.0]), (4000, 1))
  moved = boxes.jitter(jax.random.key(0), given, ratio=0.15) - given
  limits = np.array([6, 1.5, 6, 1.5])
  assert (np.abs(moved) <= limits + 1e-4).all()
  np.testing.assert_allclose(np.abs(moved).max(0), limits, rtol=0.01)
  np.testing.assert_allclose(moved.std(0), limits / np.sqrt(3), rtol=0.05)
  correlations = np.corrcoef(moved.T) - np.eye(4)
  assert np.abs(correlations).max() < 0.07


def test_box_jitter_is_for_training_and_stays_in_the_content():
  batch = make_batch([noise(48, 30)] * 50, [[[0, 0, 1, 1]]] * 50)
  settings = augment.Augment(scale_jitter=None, flip=False)
  boxes = augment.preprocess(batch, settings, train=True)['boxes']
  assert (boxes[..., 2] <= 30).all() and (boxes[..., 3] <= 48).all()
  assert len(np.unique(boxes[..., 2])) > 10
  plain = augment.preprocess(batch, settings, train=False)['boxes']
  assert len(np.unique(plain[..., 2])) == 1


def test_invalid_boxes_stay_invalid():
  batch = make_batch([noise(48, 30)], [[[0, 0, 1, 1], [0, 0, 0, 0]]])
  batch['box_valid'][0, 1] = False
  for train in (True, False):
    out = augment.preprocess(batch, FULL, train=train)
    assert out['box_valid'].tolist() == [[True, False]]
    assert not out['boxes'][0, 1].any()


def test_each_clip_follows_from_its_own_seed():
  batch = make_batch([noise(48, 30)] * 6, [[[0.1, 0.1, 0.8, 0.8]]] * 6)
  order = np.array([4, 2, 0, 5, 1, 3])
  shuffled = {key: value[order] for key, value in batch.items()}
  out = augment.preprocess(batch, augment.Augment(), train=True)
  other = augment.preprocess(shuffled, augment.Augment(), train=True)
  for key in out:
    np.testing.assert_array_equal(np.array(out[key])[order], other[key])
  assert len({tuple(box) for box in np.array(out['boxes'])[:, 0]}) == 6


def test_all_frames_of_a_clip_are_treated_alike():
  content = np.repeat(noise(48, 30, 1), 2, axis=0)
  batch = make_batch([content] * 6, [[[0, 0, 1, 1]]] * 6)
  out = augment.preprocess(batch, augment.Augment(), train=True)
  video = np.array(out['video'])
  np.testing.assert_array_equal(video[:, 0], video[:, 1])


def test_undecodable_clips_are_padding():
  batch = make_batch([noise(48, 30)] * 6, [[[0.2, 0.2, 0.6, 0.6]]] * 6)
  batch['size'][:] = 0
  for train in (True, False):
    out = augment.preprocess(batch, augment.Augment(), train=train)
    assert (np.array(out['video']) == 0).all()
    assert not out['box_valid'].any()


def test_other_keys_pass_through_and_bfloat16():
  batch = make_batch([noise(48, 30)]) | {'label': np.array([3])}
  half = augment.Augment(scale_jitter=None, flip=False, dtype='bfloat16')
  out = augment.preprocess(batch, half, train=True)
  assert out['label'].tolist() == [3]
  assert out['video'].dtype == jnp.bfloat16
  exact = augment.preprocess(batch, PLAIN, train=True)['video']
  np.testing.assert_allclose(
    out['video'].astype(jnp.float32), exact, atol=2**-8
  )


def test_lists_of_a_config_are_fine():
  settings = augment.Augment(scale_jitter=[0.65, 1.1], mean=[0.5] * 3)
  assert settings == augment.Augment()
  assert hash(settings) == hash(augment.Augment())


@pytest.mark.parametrize(
  'options, message',
  [
    ({'scale_jitter': (1.1, 0.65)}, 'scale_jitter'),
    ({'scale_jitter': (0, 1)}, 'scale_jitter'),
    ({'box_jitter': 0.5}, 'box_jitter'),
    ({'std': (1, 0, 1)}, 'std'),
    ({'mean': (0.5,)}, 'mean'),
  ],
)
def test_settings_that_make_no_sense(options, message):
  with pytest.raises(ValueError, match=message):
    augment.Augment(**options)


def pairs(batch):
  """Returns a batch whose two clips are the same."""
  return batch | {'video': np.stack([batch['video']] * 2, axis=1)}


def test_two_clips_of_an_example_have_draws_of_their_own():
  batch = make_batch([noise(48, 30)] * 8)
  out = augment.preprocess(pairs(batch), FULL, train=True)
  assert out['video'].shape == (8, 2, 2, SIDE, SIDE, 3)
  sizes = np.array(out['size'])
  assert sizes.shape == (8, 2, 2)
  assert (sizes[:, 0] != sizes[:, 1]).any(1).sum() > 5
  assert len({tuple(size) for size in sizes[:, 0]}) > 4
  # Padding is where each clip's own content is not.
  for clip, (height, width) in zip(
    np.array(out['video']).reshape(16, 2, SIDE, SIDE, 3), sizes.reshape(16, 2)
  ):
    assert (clip[:, height:] == 0).all() and (clip[:, :, width:] == 0).all()
    assert (clip[:, height - 1, : width - 1] != 0).any()


def test_pairs_follow_from_their_own_seed():
  batch = pairs(make_batch([noise(48, 30)] * 6))
  order = np.array([4, 2, 0, 5, 1, 3])
  shuffled = {key: value[order] for key, value in batch.items()}
  out = augment.preprocess(batch, FULL, train=True)['video']
  other = augment.preprocess(shuffled, FULL, train=True)['video']
  np.testing.assert_array_equal(np.array(out)[order], other)


def test_pairs_that_are_not_augmented_are_exact():
  batch = make_batch([noise(48, 30), noise(20, 48)])
  one = augment.preprocess(batch, PLAIN, train=False)['video']
  for train in (True, False):
    two = augment.preprocess(pairs(batch), PLAIN, train=train)['video']
    np.testing.assert_array_equal(two, jnp.stack([one] * 2, axis=1))
