import numpy as np
import pytest

from vidpetl.metrics import rank
from vidpetl.tasks.quality import scores


class Gallery:
  """Three queries and three exemplars."""

  queries = 3

  class info:
    name, split = 'dives', 'test'

  _voters = ((3, 4), (4,), (3, 4, 5))

  def __getitem__(self, i):
    return type('Example', (), {'id': f'dive{i}'})

  def voters(self, i):
    return np.array(self._voters[i])


def rows(*indices):
  index = np.array(indices)
  score = np.array([10.0, 20.0, 30.0, 1.0, 2.0, 4.0])[index]
  return {
    'index': index,
    'valid': np.ones(len(index), bool),
    'embedding': np.float32(index)[:, None],
    'score': score,
  }


def run(pairs):
  query, exemplar = pairs['query'], pairs['exemplar']
  assert query['embedding'].shape == (64, 1)
  assert set(query) == {'embedding', 'score'}
  return {'predicted': 10 * query['embedding'][:, 0] + exemplar['score']}


def filled(*indices):
  metric = scores.RelativeScores(Gallery())
  metric.update(rows(*indices))
  metric.compare(run)
  return metric


def test_a_score_is_the_mean_of_the_votes():
  metric = filled(5, 2, 0, 4, 1, 3)
  expected = np.array([1.5, 12.0, 20 + 7 / 3])
  result = metric.result()
  assert list(result) == ['spearman', 'l2', 'relative_l2']
  assert result['spearman'] == 1
  true = np.array([10.0, 20.0, 30.0])
  assert result['l2'] == pytest.approx(((expected - true) ** 2).mean())
  assert result['relative_l2'] == pytest.approx(
    rank.relative_l2(expected, true)
  )
  assert '3 queries, 3 votes each (1 at least)' in metric.report()
  assert 'not decoded' not in metric.report()


def test_undecodable_exemplars_have_no_vote():
  metric = filled(0, 1, 2, 4)
  expected = np.array([2.0, 12.0, 22.0])
  true = np.array([10.0, 20.0, 30.0])
  assert metric.result()['l2'] == pytest.approx(((expected - true) ** 2).mean())
  assert '3 votes lost' in metric.report()


def test_a_query_without_a_vote_is_named():
  with pytest.raises(ValueError, match=r'None of the 1 exemplars of dive1'):
    filled(0, 1, 2, 3, 5)


def test_undecodable_queries_are_said():
  metric = filled(0, 2, 3, 4, 5)
  assert '1 queries could not be decoded' in metric.report()
  assert np.isfinite(metric.result()['spearman'])


def test_more_pairs_than_are_compared_at_a_time():
  class Many(Gallery):
    queries = 50

    def voters(self, i):
      return np.array([50, 51])

  metric = scores.RelativeScores(Many())
  index = np.arange(52)
  metric.update(
    {
      'index': index,
      'embedding': np.float32(index)[:, None],
      'score': np.float32(index),
    }
  )
  metric.compare(lambda p: {'predicted': p['query']['score']})
  assert metric.result()['l2'] == 0


def test_why_a_number_is_missing_is_said():
  metric = scores.Scores()
  assert np.isnan(list(metric.result().values())).all()
  metric.update({'predicted': np.ones(4), 'score': np.arange(4.0)})
  assert np.isnan(metric.result()['spearman'])
  assert 'all predicted scores are the same' in metric.report()


def scores_of(predicted):
  metric = scores.Scores()
  metric.update({'predicted': np.float32(predicted), 'score': np.arange(4.0)})
  return metric.pictures()


def test_a_picture_shows_predicted_over_true_scores():
  rising, falling = (
    scores_of(predicted)['scores'] for predicted in ([0, 1, 2, 3], [3, 2, 1, 0])
  )
  assert rising.shape == (480, 480, 3) and rising.dtype == np.uint8
  # Dots are blue: at the lower left and upper right, or the other way round.
  blue = [
    np.argwhere(picture[..., 2] > picture[..., 0] + 60.0)
    for picture in (rising, falling)
  ]
  slopes = [np.corrcoef(places.T)[0, 1] for places in blue]
  assert slopes[0] < -0.9 and slopes[1] > 0.9
  assert scores_of([0, 1, 2, np.nan]) == {}
  assert scores.Scores().pictures() == {}
