import jax
import numpy as np
import pytest
import tiny

from vidpetl.backbones import attention, layers, site
from vidpetl.parameters import trainable


@pytest.mark.parametrize(
  'rows, shape',
  [
    ('clip', (2, 1 + 3 * 4 * 5, 6)),
    ('frame', (2, 3, 1 + 4 * 5, 6)),
    ('location', (2, 4 * 5, 1 + 3, 6)),
  ],
)
def test_tokens_become_a_volume_and_back(rows, shape):
  grid = site.Grid(3, 4, 5, cls=1, rows=rows)
  x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
  lead, volume = grid.to_volume(x)
  assert volume.shape == (2, 3, 4, 5, 6)
  assert lead.shape == (*shape[:-2], 1, 6)
  np.testing.assert_array_equal(grid.to_tokens(lead, volume), x)


def test_rows_are_the_same_tokens_in_other_orders():
  volume = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5, 1)
  rows = {
    r: site.Grid(3, 4, 5, rows=r).flatten(volume)
    for r in ('clip', 'frame', 'location')
  }
  np.testing.assert_array_equal(rows['frame'].reshape(2, 60, 1), rows['clip'])
  np.testing.assert_array_equal(rows['location'].swapaxes(1, 2), rows['frame'])
  assert rows['location'][1, 7, 2, 0] == volume[1, 2, 1, 2, 0]


def test_a_volume_is_left_alone():
  grid = site.Grid(3, 4, 5)
  x = np.ones((2, 3, 4, 5, 6))
  lead, volume = grid.to_volume(x)
  assert lead is None and volume is x and grid.to_tokens(lead, x) is x


def test_windows_have_no_volume():
  """Rows of tokens that are no whole clip, as in a windowed attention."""
  with pytest.raises(ValueError, match='inside a windowed attention'):
    site.Grid(2, 3, 3).to_volume(np.ones((2, 4, 18, 8)))


@pytest.mark.parametrize('backbone', ['self_attention', 'dot_product', 'swin'])
def test_unbound_sites_do_nothing(backbone, monkeypatch):
  def shapes_and_features():
    model = tiny.BACKBONES[backbone]()
    shapes = tiny.shapes(model)
    params = {'params': trainable.unflatten(tiny.random(shapes))}
    return shapes, jax.jit(lambda p: model.apply(p, tiny.VIDEO, False))(params)

  shapes, features = shapes_and_features()
  for module in (attention, layers):
    monkeypatch.setattr(module, 'site', lambda name, y, **around: y)
  bare, expected = shapes_and_features()
  assert shapes == bare
  np.testing.assert_array_equal(features.grid, expected.grid)
  np.testing.assert_array_equal(features.summary, expected.summary)
