import numpy as np
import pytest

from vidpetl.metrics import rank


def test_spearman_of_ties_by_hand():
  # Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4.
  rho = rank.spearman(np.array([0, 5, 5, 9]), np.array([1, 2, 3, 4]))
  np.testing.assert_allclose(rho, 4.5 / np.sqrt(4.5 * 5))


@pytest.mark.parametrize(
  'predicted, true, reason',
  [
    ([1.0], [2.0], '1 scores'),
    ([3.0, 3.0], [1.0, 2.0], 'all predicted scores'),
    ([1.0, 2.0], [3.0, 3.0], 'all true scores'),
    ([1.0, np.nan], [3.0, 4.0], 'not finite'),
  ],
)
def test_why_there_is_no_correlation(predicted, true, reason):
  assert np.isnan(rank.spearman(predicted, true))
  assert reason in rank.undefined(predicted, true)


def test_fisher_z_by_hand():
  # z is 0.887184, 0.847956, 0.887184: MUSDL's published JIGSAWS tasks.
  assert rank.fisher_z([0.71, 0.69, 0.71]) == pytest.approx(0.70345, abs=1e-5)
  assert rank.fisher_z([0.9, 0.1]) == pytest.approx(0.656295, abs=1e-5)


def test_fisher_z_at_its_ends():
  np.testing.assert_allclose(rank.fisher_z([1.0, 1.0]), 1.0, atol=2e-6)
  np.testing.assert_allclose(rank.fisher_z([1.0, -1.0]), 0.0, atol=1e-9)
  assert rank.fisher_z([1.0, 0.0]) < 1
  assert np.isnan(rank.fisher_z([0.5, np.nan]))
  assert np.isnan(rank.fisher_z([]))


def test_distances_by_hand():
  predicted, true = np.array([1.0, 4.0, 10.0]), np.array([0.0, 4.0, 8.0])
  assert rank.l2(predicted, true) == pytest.approx(5 / 3)
  assert rank.relative_l2(predicted, true) == pytest.approx(5 / 3 / 64)
  assert np.isnan(rank.relative_l2(predicted, np.ones(3)))
