import numpy as np
import pytest

from vidpetl.metrics.average_precision import average_precision


def by_thresholds(scores, truth):
  """The definition, one threshold after the other."""
  area, recall = 0.0, 0.0
  for threshold in sorted(set(scores), reverse=True):
    passed = scores >= threshold
    now = (passed & truth).sum() / truth.sum()
    area += (now - recall) * (passed & truth).sum() / passed.sum()
    recall = now
  return area


def test_the_example_of_scikit_learn():
  scores, truth = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])
  assert average_precision(scores, truth) == pytest.approx(0.8333333333)


@pytest.mark.parametrize('levels', [1, 3, 10, 10**6])
def test_it_is_the_sum_over_thresholds(levels):
  rng = np.random.default_rng(levels)
  for n in (1, 2, 7, 60):
    truth = rng.random(n) < 0.4
    truth[rng.integers(n)] = True
    scores = rng.integers(0, levels, n) / levels
    expected = by_thresholds(scores, truth)
    assert average_precision(scores, truth) == pytest.approx(expected)


def test_without_truth_it_is_not_a_number():
  assert np.isnan(average_precision(np.ones(3), np.zeros(3)))


def test_scores_are_numbers():
  with pytest.raises(ValueError, match='nan'):
    average_precision(np.array([0.1, np.nan]), np.ones(2))
