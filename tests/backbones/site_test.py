import numpy as np
import pytest

from vidpetl.backbones import site


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
