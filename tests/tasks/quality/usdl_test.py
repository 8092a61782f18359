import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from vidpetl.studies import speaking
from vidpetl.tasks.quality import usdl


@pytest.mark.parametrize(
  'judges, bins, count',
  [(0, 101, 308_325), (7, 21, 2_086_035), (0, 25, 298_521), (6, 5, 1_775_646)],
)
def test_parameters_are_as_many_as_published(judges, bins, count):
  head = usdl.DistributionHead(bins, judges, (256, 128))
  summary = jnp.zeros((1, 10, 1024))
  params = jax.eval_shape(head.init, jax.random.key(0), summary)
  assert sum(x.size for x in jax.tree.leaves(params)) == count


def test_judges_start_apart():
  head = usdl.DistributionHead(3, 2, (4,))
  variables = jax.jit(head.init)(jax.random.key(0), jnp.zeros((1, 1, 2)))
  first, second = (
    variables['params'][f'judge{j}']['layer1']['kernel'] for j in (1, 2)
  )
  assert (first != second).all()


def test_a_label_is_a_gaussian_around_its_bin(make_task):
  task = make_task('usdl')
  target = task.distribution(jnp.array([52.25, 104.5]))
  for place, found in zip((50, 100), target):
    pdf = scipy.stats.norm.pdf(np.arange(101), place, 5)
    np.testing.assert_allclose(found, pdf / pdf.sum(), atol=1e-6)


def test_loss_is_the_published_mean_over_batch_and_bins(make_task):
  task = make_task('usdl', judges=2, low=1.0, high=5.0, bins=5, std=1.0)
  rng = np.random.default_rng(0)
  logits = rng.normal(size=(3, 2, 5)).astype(np.float32)
  judged = rng.uniform(1, 5, (3, 2))
  pdf = scipy.stats.norm.pdf(np.arange(5), judged[..., None] - 1, 1)
  t = pdf / pdf.sum(-1, keepdims=True)
  kl = t * (np.log(t) - scipy.special.log_softmax(logits, -1))
  batch = {'judge_scores': jnp.array(judged), 'valid': jnp.ones(3, bool)}
  total, n, _ = jax.jit(task.loss)(logits, batch)
  expected = kl[:, 0].mean() + kl[:, 1].mean()
  np.testing.assert_allclose(total / n, expected, rtol=1e-5)


def test_undecodable_examples_do_not_count(make_task):
  task = make_task('usdl')
  logits = jax.random.normal(jax.random.key(0), (2, 1, 101))
  score = jnp.array([50.0, jnp.nan])

  def loss(logits):
    valid = jnp.array([True, False])
    return task.loss(logits, {'score': score, 'valid': valid})[0]

  gradient = jax.jit(jax.grad(loss))(logits)
  assert np.isfinite(gradient[0]).all() and np.abs(gradient[0]).max() > 0
  np.testing.assert_array_equal(gradient[1], 0)


def test_a_missing_judge_teaches_nothing(make_task):
  task = make_task('usdl', judges=2, low=1.0, high=5.0, bins=5, std=1.0)
  logits = jax.random.normal(jax.random.key(0), (2, 2, 5))
  judged = jnp.array([[2.0, jnp.nan], [3.0, 4.0]])

  def loss(logits, judged):
    batch = {'judge_scores': judged, 'valid': jnp.ones(2, bool)}
    return task.loss(logits, batch)[0]

  value, gradient = jax.jit(jax.value_and_grad(loss))(logits, judged)
  assert np.isfinite(gradient).all()
  np.testing.assert_array_equal(gradient[0, 1], 0)
  assert np.abs(gradient[0, 0]).max() > 0
  # As if the example had been judged by the other one alone.
  alone = loss(logits, jnp.array([[2.0, 1.0], [3.0, 4.0]]))
  missing = task.distribution(jnp.array(1.0))
  log_p = jax.nn.log_softmax(logits[0, 1])
  of_one = (missing * (jnp.log(missing) - log_p)).mean()
  np.testing.assert_allclose(value, alone - of_one, rtol=1e-5)


def test_a_missing_judge_is_no_label_outside_the_bins(make_task, labels):
  options = {'judges': 2, 'low': 0.0, 'high': 10.0, 'bins': 21}
  judged = [[7.0, np.nan], [1.0, 8.0]]
  make_task('usdl', labels=labels([7, 9], judge_scores=judged), **options)
  judged = [[7.0, np.nan], [1.0, np.nan]]
  with pytest.raises(ValueError, match=r'judge_scores\[1\] is unknown of'):
    make_task('usdl', labels=labels([7, 9], judge_scores=judged), **options)


def test_labels_that_fill_a_sliver_of_the_bins_are_refused(make_task, labels):
  own = labels([5.38, 7.0, 8.5])
  said = (
    r'\.low and high .*, but scores of dives are 5\.38 to 8\.5: 3\.0 of 101 '
  )
  with pytest.raises(ValueError, match=said + r'bins\. Set low and high'):
    make_task('usdl', labels=own)
  make_task('usdl', labels=own, low=5.0, high=9.0)
  make_task('usdl', labels=own, filled=0.0)


def test_bins_far_from_the_label_do_no_harm(make_task):
  task = make_task('usdl', low=6.0, high=30.0, bins=25, std=1.0)
  batch = {'score': jnp.array([6.0]), 'valid': jnp.array([True])}
  assert task.distribution(batch['score']).min() == 0  # It underflows.

  def loss(logits):
    return task.loss(logits, batch)[0]

  value, gradient = jax.jit(jax.value_and_grad(loss))(jnp.zeros((1, 1, 25)))
  assert np.isfinite(value) and np.isfinite(gradient).all()


def one_hot_logits(bins, places):
  return 20.0 * jax.nn.one_hot(jnp.array(places), bins)


def test_one_score_is_decoded(make_task):
  logits = one_hot_logits(101, [[87]])
  batch = {'score': jnp.array([90.0])}
  outputs = make_task('usdl').outputs(logits, batch)
  np.testing.assert_allclose(outputs['predicted'], [87 * 1.045], rtol=1e-6)
  np.testing.assert_allclose(outputs['score'], [90.0])


def test_middle_judges_times_difficulty(make_task):
  task = make_task(
    'usdl', judges=7, low=0.0, high=10.0, bins=21, keep=3, difficulty=True
  )
  logits = one_hot_logits(21, [[20, 16, 15, 14, 17, 0, 13]])
  judged = jnp.array([[9.0, 8, 7, 8, 9, 0.5, 7]])
  batch = {'score': jnp.array([0.0]), 'difficulty': jnp.array([3.2])}
  outputs = task.outputs(logits, batch | {'judge_scores': judged})
  expected = [10, 8, 7.5, 7, 8.5, 0, 6.5]
  np.testing.assert_allclose(outputs['judges'], [expected], rtol=1e-6)
  np.testing.assert_array_equal(outputs['judge_scores'], judged)
  # 14, 15 and 16 are in the middle: 7, 7.5 and 8 points.
  np.testing.assert_allclose(outputs['predicted'], [3.2 * 22.5], rtol=1e-6)


def test_all_aspects_count_where_none_is_left_out(make_task):
  task = make_task('usdl', judges=6, low=1.0, high=5.0, bins=5)
  logits = one_hot_logits(5, [[0, 4, 1, 1, 2, 3]])
  batch = {'score': jnp.array([17.0]), 'judge_scores': jnp.full((1, 6), 3.0)}
  outputs = task.outputs(logits, batch)
  np.testing.assert_allclose(outputs['predicted'], [1 + 5 + 2 + 2 + 3 + 4])


def test_expectation(make_task):
  task = make_task('usdl', low=0.0, high=10.0, bins=3, decode='expectation')
  logits = jnp.log(jnp.array([[[0.5, 0.25, 0.25]]]))
  outputs = task.outputs(logits, {'score': jnp.zeros(1)})
  np.testing.assert_allclose(outputs['predicted'], [3.75], rtol=1e-6)


def test_the_head_sees_the_mean_of_the_segments(init, make_task):
  task = make_task('usdl')
  model, variables = init(task)
  video = jax.random.uniform(jax.random.key(1), (2, 12, 12, 12, 3))
  logits = jax.jit(lambda v: model.apply(variables, {'video': v}, 'dives'))
  assert logits(video).shape == (2, 1, 101)
  swapped = jnp.concatenate([video[:, 8:], video[:, 4:8], video[:, :4]], 1)
  np.testing.assert_allclose(logits(video), logits(swapped), atol=1e-4)
  assert np.abs(logits(video) - logits(video**2)).max() > 1e-2


@pytest.mark.parametrize(
  'options, field',
  [
    ({'low': 5.0, 'high': 5.0}, 'high'),
    ({'keep': 3}, 'judges'),
    ({'judges': 7, 'keep': 4}, 'keep'),
    ({'exemplar': 'any'}, r'clip\.exemplar'),
  ],
)
def test_fields_that_cannot_work_are_named(make_task, options, field):
  with pytest.raises(ValueError, match=rf'config\.tasks\.dives\.{field} is'):
    make_task('usdl', **options)


def test_labels_outside_the_bins_are_named(make_task, labels):
  make_task('usdl', labels=labels([0.0, 104.5]))
  with pytest.raises(ValueError, match=r'scores of example 1.*is 104\.6'):
    make_task('usdl', labels=labels([3.0, 104.6]))
  judged = labels([15.0, 16.0], judge_scores=[[7.0, 8.0], [8.0, 45.0]])
  options = {'judges': 2, 'low': 0.0, 'high': 10.0, 'bins': 21}
  with pytest.raises(ValueError, match=r'judge_scores\[1\] of example 1'):
    make_task('usdl', labels=judged, **options)


def test_other_numbers_of_judges_are_named(make_task, labels):
  with pytest.raises(ValueError, match=r'judges is 7.*have 0 judge scores'):
    make_task('usdl', labels=labels([3.0]), judges=7)


def test_unknown_difficulties_are_named(make_task, labels):
  judged = labels([3.0], judge_scores=[[3.0]])
  with pytest.raises(ValueError, match=r'difficulty=True.*example 0.*nan'):
    make_task('usdl', labels=judged, judges=1, difficulty=True)


def test_layers_are_relu_between_linear(draw):
  head = usdl.DistributionHead(3, 0, (4,))
  params = draw(head.init, jnp.zeros((1, 1, 2)))
  x = jnp.array([[[1.0, -2.0], [3.0, 4.0]]])
  first, second = (params['params']['score'][f'layer{i}'] for i in (1, 2))
  hidden = nn.relu(jnp.array([2.0, 1.0]) @ first['kernel'] + first['bias'])
  expected = hidden @ second['kernel'] + second['bias']
  np.testing.assert_allclose(head.apply(params, x)[0, 0], expected, rtol=1e-5)


def test_what_raises_a_score_is_the_expectation_of_its_bins(make_task):
  task = make_task('usdl', bins=3, low=0.0, high=2.0, judges=2)
  speaker = speaking.of(task, 'quality')
  logits = jnp.array([[[0.0, 0.0, 0.0], [-99.0, -99.0, 99.0]]])
  np.testing.assert_allclose(speaker.value(logits, {}), [1.5], atol=1e-6)
  # The score itself is that of an evaluation: the most probable bins' sum.
  assert speaker.told(logits, {})['score'].tolist() == [2]
