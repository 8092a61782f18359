import jax.numpy as jnp
import numpy as np

from vidpetl.tasks.quality import core_groups

EDGES = (0.0, 1.0, 2.5, 2.5, 9.0)
# -9 -2.5 -2.5 -1 0 1 2.5 2.5 9: leaves 1 and 6 are empty.


def test_differences_are_of_pairs_of_one_kind():
  found = core_groups.differences([1.0, 2.0, 4.0, 9.0, 7.5], list('ababc'))
  np.testing.assert_array_equal(found, [3.0, 7.0])
  assert core_groups.differences([1.0, 2.0], list('ab')).size == 0


def test_edges_are_order_statistics():
  found = np.array([5.0, 0.5, 3.0, 1.0, 2.0, 8.0, 4.0])
  # In order 0.5 1 2 3 4 5 8; numbers floor(6 i / 4) are 1, 3 and 4.
  edges = core_groups.edges(found, 4, 30.0)
  assert edges == (0.0, 1.0, 3.0, 4.0, 30.0)


def test_intervals_hold_as_many_pairs():
  found = np.random.default_rng(0).exponential(size=4001)
  edges = core_groups.edges(found, 8, 30.0)
  counts, _ = np.histogram(found, edges)
  assert np.abs(counts - 500).max() <= 1


def test_few_different_differences_leave_intervals_empty():
  edges = core_groups.edges(np.array([1.0, 1.0, 1.0, 2.0]), 4, 3.0)
  assert edges == (0.0, 1.0, 1.0, 1.0, 3.0)


def test_membership_is_half_open_away_from_zero():
  leaf_of = {
    0.0: 4,  # [0, 1)
    -0.1: 3,  # (-1, 0]
    1.0: 5,  # [1, 2.5)
    -1.0: 2,  # (-2.5, -1]
    0.999: 4,
    2.5: 7,  # [2.5, 9), as [2.5, 2.5) is empty.
    -2.5: 0,
    8.0: 7,
    -8.0: 0,
    9.5: 7,  # Out of reach.
    -9.5: 0,
  }
  found = core_groups.leaf(jnp.array(list(leaf_of)), EDGES)
  assert found.tolist() == list(leaf_of.values())


def test_leaves_are_mirrored():
  left, right = core_groups.bounds(EDGES)
  np.testing.assert_array_equal(left, [-9, -2.5, -2.5, -1, 0, 1, 2.5, 2.5])
  np.testing.assert_array_equal(right, [-2.5, -2.5, -1, 0, 1, 2.5, 2.5, 9])


def test_place_in_the_own_leaf():
  d = jnp.array([1.75, -1.75, -5.75])
  leaf = core_groups.leaf(d, EDGES)
  found = core_groups.places(d, EDGES)
  assert np.isfinite(found).all()
  np.testing.assert_allclose(found[jnp.arange(3), leaf], [0.5, 0.5, 0.5])
