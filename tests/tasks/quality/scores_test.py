import numpy as np
import pytest

from vidpetl.metrics import rank
from vidpetl.tasks.quality import scores

SCORES = (10.0, 20.0, 30.0, 1.0, 2.0, 4.0)


class Gallery:
  """Three queries and three exemplars."""

  queries = 3

  class info:
    name, split = 'dives', 'test'

  _voters = ((3, 4), (4,), (3, 4, 5))

  def __getitem__(self, i):
    fields = {'score': SCORES[i], 'difficulty': 2.5, 'action': '107B'}
    return type('Example', (), {'id': f'dive{i}', **fields})

  def voters(self, i):
    return np.array(self._voters[i])


def rows(*indices):
  index = np.array(indices)
  score = np.array(SCORES)[index]
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
  assert list(result) == list(metric.names)
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


def judged(predicted):
  index = np.arange(4)
  return {'index': index, 'predicted': predicted, 'score': 1.0 * index}


def test_why_a_number_is_missing_is_said():
  metric = scores.Scores(Gallery())
  assert np.isnan(list(metric.result().values())).all()
  metric.update(judged(np.ones(4)))
  assert np.isnan(metric.result()['spearman'])
  assert 'all predicted scores are the same' in metric.report()


def scores_of(predicted):
  metric = scores.Scores(Gallery())
  metric.update(judged(np.float32(predicted)))
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
  assert scores.Scores(Gallery()).pictures() == {}


def table(columns):
  return {name: list(cells) for name, cells in columns.items()}


def test_predictions_are_in_the_order_of_the_source_with_all_judges():
  metric = scores.Scores(Gallery())
  for i in (1, 0):
    metric.update(
      {
        'index': np.array([i]),
        'predicted': np.array([20.0 + i]),
        'score': np.array([10.0 + i]),
        'judges': np.array([[6.0 + i, 7.0]]),
        'judge_scores': np.array([[6.5, np.nan]]),
      }
    )
  found = table(metric.predictions().columns)
  assert list(found) == [
    *('id', 'truth', 'predicted'),
    *('judge1', 'judge1_truth', 'judge2', 'judge2_truth'),
  ]
  assert found['id'] == ['dive0', 'dive1']
  assert found['truth'] == [10, 11] and found['predicted'] == [20, 21]
  assert found['judge1'] == [6, 7] and found['judge1_truth'] == [6.5, 6.5]
  assert np.isnan(found['judge2_truth']).all()


def test_votes_of_all_exemplars_make_the_prediction():
  found = filled(5, 2, 0, 4, 1, 3).predictions()
  columns, votes = table(found.columns), table(found.more['votes'])
  assert columns['id'] == ['dive0', 'dive1', 'dive2']
  assert columns['truth'] == [10, 20, 30]
  assert list(votes) == ['id', 'exemplar', 'exemplar_score', 'vote']
  assert votes['id'] == ['dive0'] * 2 + ['dive1'] + ['dive2'] * 3
  assert votes['exemplar'][2:4] == ['dive4', 'dive3']
  assert votes['exemplar_score'] == [1, 2, 2, 1, 2, 4]
  by_id = {}
  for name, vote in zip(votes['id'], votes['vote']):
    by_id.setdefault(name, []).append(vote)
  means = [np.mean(by_id[name]) for name in columns['id']]
  np.testing.assert_allclose(columns['predicted'], means, rtol=1e-6)


def test_exemplars_that_voted_are_kept_with_what_they_were_encoded_to():
  kept = filled(5, 2, 0, 4, 1, 3).predictions().arrays
  assert kept['id'].tolist() == ['dive3', 'dive4', 'dive5']
  assert kept['score'].tolist() == [1.0, 2.0, 4.0]
  assert kept['difficulty'].tolist() == [2.5] * 3
  assert kept['action'].tolist() == ['107B'] * 3
  encoded = kept[scores.ENCODED + 'embedding']
  assert encoded.ravel().tolist() == [3.0, 4.0, 5.0]
