"""The order of examples: pure, complete, and the same for ever."""

import numpy as np
import pytest

from vidpetl.data import index


def test_an_epoch_holds_each_example_once():
  order = index.permutation(0, 'ava', 3, 1000)
  np.testing.assert_array_equal(np.sort(order), np.arange(1000))


def test_orders_differ_by_seed_name_and_epoch():
  orders = {
    tuple(index.permutation(*key, 50))
    for key in [(0, 'a', 0), (1, 'a', 0), (0, 'b', 0), (0, 'a', 1)]
  }
  assert len(orders) == 4


def test_neighbours_are_unrelated():
  order = index.permutation(0, 'a', 0, 20_000)
  correlation = np.corrcoef(order[:-1], order[1:])[0, 1]
  assert abs(correlation) < 0.03
  assert abs(np.corrcoef(order, np.arange(20_000))[0, 1]) < 0.03


def test_the_stream_is_what_it_always_was():
  # Changing these breaks the resumption of every run there is.
  assert index.words(2, 0, 'a').tolist() == [
    3402305107054235275,
    161441831026246789,
  ]
  assert index.permutation(7, 'ava', 2, 8).tolist() == [3, 5, 0, 2, 1, 7, 6, 4]
  assert index.example_seed(7, 'ava', 5).tolist() == [1744563294, 3931461212]


def test_words_do_not_depend_on_how_many_are_drawn():
  np.testing.assert_array_equal(
    index.words(5, 1, 'x'), index.words(100, 1, 'x')[:5]
  )


def test_keys_are_not_concatenated():
  assert index.words(1, 'a', 'bc') != index.words(1, 'ab', 'c')
  assert index.words(1, 1, 12) != index.words(1, 11, 2)
  assert index.words(1, 1) != index.words(1, '1')


def test_uniform_is_uniform():
  draws = index.uniform(10_000, 0)
  assert draws.min() >= 0 and draws.max() < 1
  assert draws.mean() == pytest.approx(0.5, abs=0.01)
  assert draws.var() == pytest.approx(1 / 12, abs=0.003)


@pytest.mark.parametrize('n, size', [(10, 4), (3, 8), (7, 7), (1, 3)])
def test_batches_run_through_whole_epochs(n, size):
  stream = np.concatenate(
    [index.batch(0, 'a', k, size, n)[0] for k in range(3 * n)]
  )
  for epoch in range(len(stream) // n):
    part = stream[epoch * n : (epoch + 1) * n]
    np.testing.assert_array_equal(part, index.permutation(0, 'a', epoch, n))


def test_positions_count_on_over_batches():
  _, positions = index.batch(0, 'a', 3, 4, 10)
  assert positions.tolist() == [12, 13, 14, 15]


def test_example_seeds_differ():
  seeds = {tuple(index.example_seed(0, 'a', k)) for k in range(1000)}
  seeds |= {tuple(index.example_seed(0, 'b', k)) for k in range(1000)}
  assert len(seeds) == 2000
  assert index.example_seed(0, 'a', 0).dtype == np.uint32


def test_an_empty_dataset_is_an_error():
  with pytest.raises(ValueError, match="'hollow' has no examples"):
    index.batch(0, 'hollow', 0, 4, 0)
