"""Random erasing: where the box lies, what fills it, and which frames."""

import functools

import jax
import numpy as np
import pytest
from augment_batches import SIDE, make_batch, noise

from vidpetl.data import augment, erasing

PLAIN = {'scale_jitter': None, 'box_jitter': 0.0, 'flip': False}
AREAS, RATIOS = (0.02, 1 / 3), (0.3, 1 / 0.3)


def erased(count=300, **fields):
  """Returns clips of one content after erasing, and where it was erased."""
  settings = augment.Augment(**{'erasing': 1.0, **PLAIN, **fields})
  batch = make_batch([noise(40, 30)] * count)
  video = np.array(augment.preprocess(batch, settings, train=True)['video'])
  plain = augment.preprocess(batch, settings, train=False)['video']
  return video, (np.abs(video - np.array(plain)) > 1e-5).any(-1)


def test_one_box_of_the_content_in_all_frames():
  _, changed = erased()
  assert (changed == changed[:, :1]).all()
  changed = changed[:, 0]
  assert not changed[:, 40:].any() and not changed[:, :, 30:].any()
  rows, columns = changed.any(2), changed.any(1)
  np.testing.assert_array_equal(changed, rows[:, :, None] & columns[:, None])
  for side in (rows, columns):
    assert (np.abs(np.diff(side.astype(int), axis=1)).sum(1) <= 2).all()
  shares = changed.sum((1, 2)) / (40 * 30)
  # Sides are rounded.
  assert 0.01 < shares.min() < 0.04 and 0.28 < shares.max() < 0.35
  assert shares.mean() == pytest.approx((AREAS[0] + AREAS[1]) / 2, abs=0.02)
  # All of the content is reached, about alike on both sides.
  assert rows[:, :40].any(0).all() and columns[:, :30].any(0).all()
  hits = changed.mean(0)[:40, :30]
  assert hits[:, :15].mean() == pytest.approx(hits[:, 15:].mean(), abs=0.03)


def test_noise_is_normal_and_new_in_each_frame():
  video, changed = erased()
  noise_values = video[changed]
  assert noise_values.mean() == pytest.approx(0, abs=0.01)
  assert noise_values.std() == pytest.approx(1, abs=0.01)
  first, second = video[:, 0][changed[:, 0]], video[:, 1][changed[:, 1]]
  assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.02


def test_constant_is_the_mean_colour():
  video, changed = erased(20, erasing_fill='const')
  assert changed.any() and not video[changed].any()


def test_probability():
  _, changed = erased(erasing=0.25)
  hit = changed.any((1, 2, 3)).mean()
  assert hit == pytest.approx(0.25, abs=0.08)


def test_a_box_that_never_fits_is_empty():
  draw = functools.partial(erasing.draw, areas=(1.0, 1.0), ratios=RATIOS)
  begin, end = draw(jax.random.key(0), np.array([20, 20], np.int32))
  np.testing.assert_array_equal(begin, end)


@pytest.mark.parametrize(
  'fields',
  [
    {'erasing': 1.5},
    {'erasing_fill': 'rand'},
    {'erasing_area': (0.5, 0.2)},
    {'erasing_ratio': (0, 1)},
  ],
)
def test_mistakes_are_named(fields):
  with pytest.raises(ValueError, match=next(iter(fields))):
    augment.Augment(**fields)


class Draws:
  """Gives timm the draws of ours: its `random`."""

  def __init__(self, key):
    *draws, top, left = np.array(jax.random.uniform(key, (22,)))
    # Its ratio is height over width, the range of whose logarithm is even.
    pairs = zip(draws[:10], (1 - x for x in draws[10:]))
    self.tries = iter([x for pair in pairs for x in pair])
    self.corner = iter((top, left))

  def random(self):
    return 0.0

  def uniform(self, low, high):
    return low + (high - low) * next(self.tries)

  def randint(self, low, high):
    return low + int(next(self.corner) * (high - low + 1))


@pytest.mark.torch
def test_boxes_are_timms(monkeypatch):
  torch = pytest.importorskip('torch')
  import torchvision_build  # noqa: PLC0415

  torchvision_build.load()
  from timm.data import random_erasing  # noqa: PLC0415

  theirs = random_erasing.RandomErasing(1.0, mode='const', device='cpu')
  size = np.array([40, 30], np.int32)

  @jax.jit
  def ours(key):
    begin, end = erasing.draw(key, size, areas=AREAS, ratios=RATIOS)
    return erasing.inside(begin, end, SIDE)[:40, :30, 0]

  for key in jax.random.split(jax.random.key(0), 50):
    monkeypatch.setattr(random_erasing, 'random', Draws(key))
    picture = theirs(torch.ones(3, *size))[0].numpy()
    np.testing.assert_array_equal(picture == 0, ours(key))
