import numpy as np
import pytest
import scipy.ndimage

from vidpetl.backbones import positions


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
  old, new = (2, 2, 3), (4, 3, 5)
  for encoder, n, m in (
    ('SpatialTransformer', 6, 15),
    ('TemporalTransformer', 2, 4),
    ('Transformer', 12, 60),
  ):
    path = f'backbone/{encoder}/posembed_input/pos_embedding'
    assert positions.is_table(path)
    for cls in (0, 1):
      table = np.ones((1, n + cls, 2))
      resized = positions.resize_table(path, table, old, new)
      assert resized.shape == (1, m + cls, 2)


def test_table_of_another_grid_is_named():
  with pytest.raises(ValueError, match=r'SpatialTransformer.*init\.grid'):
    positions.resize_table(
      'SpatialTransformer/pos_embedding',
      np.ones((1, 9, 2)),
      (2, 2, 3),
      (2, 4, 4),
    )
