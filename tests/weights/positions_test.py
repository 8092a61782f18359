import pathlib
import re

import jax
import numpy as np
import pytest
import scipy.ndimage

from vidpetl.weights import family, positions


def table(n, d=3):
  return np.random.default_rng(n).normal(size=(1, n, d)).astype(np.float32)


@pytest.mark.parametrize(
  'old, new',
  [
    ((4, 4), (9, 9)),
    ((14, 14), (18, 32)),
    ((6, 5), (2, 8)),
    ((16,), (4,)),
    ((3,), (8,)),
    ((2, 3, 4), (5, 6, 4)),
  ],
)
def test_is_linear_interpolation_that_keeps_the_corners(old, new):
  x = table(np.prod(old))
  zoom = [n / o for o, n in zip(old, new)]
  expected = scipy.ndimage.zoom(
    x.reshape(*old, -1).astype(np.float64), (*zoom, 1), order=1
  )
  out = positions.resize(x, old, new)
  assert out.shape == (1, np.prod(new), 3) and out.dtype == x.dtype
  np.testing.assert_allclose(out[0], expected.reshape(-1, 3), atol=1e-6)


@pytest.mark.parametrize(
  'old, new', [((5, 4), (9, 3)), ((16,), (6,)), ((3, 4, 5), (8, 3, 5))]
)
def test_googles_newer_codes_resize_as_jax_does(old, new):
  x = table(np.prod(old))
  expected = jax.image.resize(x.reshape(*old, -1), (*new, 3), 'bilinear')
  out = positions.resize(x, old, new, rule='linear_antialias')
  np.testing.assert_allclose(out[0], expected.reshape(-1, 3), atol=1e-6)


def test_one_entry_is_repeated_so_an_image_fills_a_clip():
  x = table(6)
  out = positions.resize(x, (1, 2, 3), (4, 2, 3))
  np.testing.assert_array_equal(out, np.tile(x, (1, 4, 1)))


def test_same_size_is_left_alone():
  x = table(12)
  np.testing.assert_array_equal(positions.resize(x, (3, 4), (3, 4)), x)


def test_class_tokens_are_kept():
  x = table(1 + 4)
  out = positions.resize(x, (2, 2), (3, 5), cls=1)
  assert out.shape == (1, 16, 3)
  np.testing.assert_array_equal(out[:, 0], x[:, 0])
  np.testing.assert_array_equal(
    out[:, 1:], positions.resize(x[:, 1:], (2, 2), (3, 5))
  )


def test_a_table_of_another_grid_is_refused():
  # 24 x 24 = 18 x 32: only explicit sizes tell them apart.
  with pytest.raises(ValueError, match=r'has 576 .* 1 class token.* 18 x 32'):
    positions.resize(table(576), (18, 32), (14, 14), cls=1)


def test_each_encoders_table_follows_its_own_axes():
  grid = (2, 5, 3)
  for encoder, expected in (
    ('SpatialTransformer', (5, 3)),
    ('TemporalTransformer', (2,)),
    ('Transformer', (2, 5, 3)),
  ):
    path = f'backbone/{encoder}/posembed_input/pos_embedding'
    assert positions.is_table(path)
    assert positions.axes(path, grid) == expected


def test_the_page_of_weights_says_every_familys_rule():
  page = pathlib.Path(__file__).parents[2] / 'docs' / 'weights.md'
  _, section = page.read_text().split('## How positions are resized')
  rows = [row.split('|') for row in section.split('\n## ')[0].splitlines()]
  said = {
    name: rule
    for row in rows
    if len(row) > 4 and row[1].startswith(' tables, ')
    for rule in re.findall('`(.+)`', row[1])
    for name in re.findall('`(.+?)`', row[4])
  }
  for name in family.names():
    found = family.load(name)
    ours = {
      path
      for several in found.rules.values()
      for each in several
      for rule in each
      for path in rule.ours
      if positions.is_table(path) or positions.is_relative(path)
    }
    if ours:
      assert said.get(name) == found.positions, name


def test_relative_tables_keep_their_centre_and_their_ends():
  old, new = (2, 3, 4), (3, 5, 4)
  sizes = [2 * n - 1 for n in old]
  ramp = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in sizes)), -1)
  table = ramp.swapaxes(0, 1).reshape(-1, 3).astype(np.float32)
  sizes = [2 * n - 1 for n in new]
  ramp = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in sizes)), -1)
  expected = ramp.swapaxes(0, 1).reshape(-1, 3)
  np.testing.assert_allclose(
    positions.resize_relative(table, old, new), expected, atol=1e-6
  )


def test_windows_of_images_are_repeated_in_time():
  table = np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32)
  resized = positions.resize_relative(table, (1, 2, 2), (4, 2, 2))
  np.testing.assert_array_equal(resized, np.tile(table, (7, 1)))


def test_a_relative_table_of_other_windows_is_refused():
  with pytest.raises(ValueError, match=r'10 relative .* \(1, 2, 2\).* 9'):
    positions.resize_relative(np.ones((10, 2)), (1, 2, 2), (4, 2, 2))
