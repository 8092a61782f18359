"""Top-k accuracy: counts, padding, ties, hosts and views."""

import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.metrics import accuracy


def _scores(seed=0, b=64, c=7):
  rng = np.random.default_rng(seed)
  return rng.normal(size=(b, c)).astype(np.float32), rng.integers(0, c, b)


def test_equals_sorting():
  scores, label = _scores()
  ranked = np.argsort(-scores, axis=1)
  counts = accuracy.TopK.of(scores, label, np.ones(64, bool), (1, 3))
  assert counts.compute() == {
    f'top{k}': np.mean((ranked[:, :k] == label[:, None]).any(1)) for k in (1, 3)
  }


def test_padding_is_not_counted():
  scores, label = _scores()
  valid = np.arange(64) < 50
  got = accuracy.TopK.of(scores, label, valid)
  want = accuracy.TopK.of(scores[:50], label[:50], valid[:50])
  assert got.compute() == want.compute()
  assert int(got.total) == 50


def test_batches_and_hosts_add_up():
  scores, label = _scores()
  valid = np.ones(64, bool)
  counts = accuracy.TopK.empty()
  for rows in np.split(np.arange(64), [10, 40]):
    counts = counts.merge(
      accuracy.TopK.of(scores[rows], label[rows], valid[rows])
    )
  assert counts.compute() == accuracy.TopK.of(scores, label, valid).compute()


def test_equal_scores_are_in_order_of_classes():
  scores = np.zeros((3, 3))
  counts = accuracy.TopK.of(scores, np.arange(3), np.ones(3, bool), ks=(1, 2))
  assert counts.right.tolist() == [1, 2]


def test_nan_is_wrong():
  scores = np.array([[1.0, 0.0], [1.0, np.nan], [np.nan, 0.0]])
  counts = accuracy.TopK.of(scores, np.zeros(3, int), np.ones(3, bool), ks=(1,))
  assert counts.compute() == {'top1': pytest.approx(1 / 3)}


def test_k_beyond_the_classes_is_an_error():
  scores, label = _scores(c=3)
  with pytest.raises(ValueError, match='top-5 accuracy needs 5 classes'):
    accuracy.TopK.of(scores, label, np.ones(64, bool))


def test_nothing_counted_is_nan():
  assert np.isnan(accuracy.TopK.empty().compute()['top1'])


def test_views_vote_with_probabilities_or_with_logits():
  # One loud view for class 0 against two quiet ones for class 1.
  logits = jnp.array([[[9.0, 0.0], [0.0, 2.0], [0.0, 2.0]]])
  assert accuracy.average_views(logits).argmax() == 1
  assert accuracy.average_views(logits, 'logits').argmax() == 0
  with pytest.raises(ValueError, match='softmax'):
    accuracy.average_views(logits, 'max')
