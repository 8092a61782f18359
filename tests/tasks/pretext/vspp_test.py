"""VSPP: its two heads, its loss by hand, and what it needs of its clips."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.tasks.pretext import vspp

RNG = np.random.default_rng(1)
LOGITS = {
  'speed': RNG.normal(size=(6, 4)).astype(np.float32),
  'part': RNG.normal(size=(6, 3)).astype(np.float32),
}
# Of the natural speed, 0, there is no output: the first one is of speed 1.
BATCH = {
  'speed': np.array([1, 2, 3, 4, 1, 2]),
  'part': np.array([0, 1, 2, 0, 1, 2]),
  'valid': np.array([True, True, False, True, True, True]),
}


RIGHT = {'speed': BATCH['speed'] - 1, 'part': BATCH['part']}


@pytest.fixture
def task(make_task):
  return make_task(vspp, 'vspp', {'rates': 5, 'parts': 3})


def test_loss_is_the_sum_of_both_cross_entropies(task):
  total, terms, scalars = task.loss(LOGITS, BATCH)
  expected = 0
  right = {'speed': 0, 'part': 0, 'accuracy': 0}
  for i in (0, 1, 3, 4, 5):
    answers = {}
    for key in ('speed', 'part'):
      scores = np.exp(LOGITS[key][i]) / np.exp(LOGITS[key][i]).sum()
      expected -= np.log(scores[RIGHT[key][i]])
      answers[key] = scores.argmax() == RIGHT[key][i]
      right[key] += answers[key]
    right['accuracy'] += all(answers.values())
  assert total == pytest.approx(expected, rel=1e-5)
  assert terms == 5
  assert {k: int(v) for k, v in scalars.items()} == right


def test_metric_is_the_share_of_right_answers(task):
  sure = {
    k: 9 * np.eye(v.shape[1], dtype=np.float32)[RIGHT[k]]
    for k, v in LOGITS.items()
  }
  sure['speed'][0] = [0, 0, 0, 9]
  sure['part'][:2] = [0, 0, 9]
  sure['part'][5] = np.nan
  metric = task.metric(None)
  for rows in (slice(0, 4), slice(4, 6)):
    outputs = task.outputs(
      {k: v[rows] for k, v in sure.items()},
      {k: v[rows] for k, v in BATCH.items()},
    )
    found = {k: np.asarray(v) for k, v in outputs.items()}
    metric.update(found | {'index': np.arange(6)[rows]})
  assert list(metric.result()) == list(metric.names)
  assert list(metric.result().items()) == [
    ('accuracy', pytest.approx(3 / 6)),
    ('speed', pytest.approx(5 / 6)),
    ('part', pytest.approx(3 / 6)),
  ]


def test_heads_are_linear_in_the_summary(task, encoded):
  head = task.head()
  variables = head.init(jax.random.key(0), encoded)
  params = variables['params']
  assert jax.tree.map(jnp.shape, params) == {
    'speed': {'kernel': (5, 4), 'bias': (4,)},
    'part': {'kernel': (5, 3), 'bias': (3,)},
  }
  logits = head.apply(variables, encoded)
  for key, layer in params.items():
    np.testing.assert_allclose(
      logits[key], encoded.summary @ layer['kernel'] + layer['bias'], atol=1e-6
    )


def test_each_head_drops_features_of_its_own_in_training(make_task, encoded):
  # Of equal layers, only the masks are different.
  task = make_task(vspp, 'vspp', {'rates': 4, 'parts': 3}, dropout=0.5)
  head = task.head()
  params = head.init(jax.random.key(0), encoded)['params']
  same = {'params': {'speed': params['speed'], 'part': params['speed']}}
  calm = head.apply(same, encoded)
  np.testing.assert_array_equal(calm['speed'], calm['part'])
  keys = {'dropout': jax.random.key(1)}
  dropped = head.apply(same, encoded, rngs=keys)
  assert not np.allclose(dropped['speed'], calm['speed'])
  assert not np.allclose(dropped['speed'], dropped['part'])
  many = [
    head.apply(same, encoded, rngs={'dropout': jax.random.key(k)})['speed']
    for k in range(60)
  ]
  np.testing.assert_allclose(np.mean(many, 0), calm['speed'], atol=0.3)


@pytest.mark.parametrize(
  'natural, speeds', [(1, (2, 3, 4, 5)), (3, (1, 2, 4, 5))]
)
def test_each_speed_that_is_drawn_has_an_output(make_task, natural, speeds):
  """The paper's lambda of 4, and of gait, whose natural speed is 3."""
  task = make_task(vspp, 'vspp', {'natural': natural})
  assert dict(task.head().sizes)['speed'] == 4
  sure = {'speed': 9 * jnp.eye(4), 'part': 9 * jnp.eye(4)}
  batch = {'speed': jnp.array(speeds) - 1, 'part': jnp.arange(4)}
  assert task.outputs(sure, batch)['speed'].all()
  assert task.eval_clip.sampler.speeds == speeds
  published = make_task(vspp, 'vspp', {'natural': natural}, natural_output=True)
  assert dict(published.head().sizes)['speed'] == 5
  sure['speed'] = 9 * jnp.eye(5)[jnp.array(speeds) - 1]
  assert published.outputs(sure, batch)['speed'].all()


@pytest.mark.parametrize(
  'options, message',
  [
    ({'sampling': 'stride'}, r'films\.clip\.sampling .*\'pretext.vspp\' needs'),
    ({'eval_clip': {'sampling': 'pace'}}, r'eval_clip\.sampling is \'pace\''),
    ({'eval_clip': {'parts': 3}}, r'eval_clip\.parts is 3, .* is 4'),
    ({'eval_clip': {'rates': 4}}, r'eval_clip\.rates is 4'),
  ],
)
def test_what_cannot_be_asked(make_task, options, message):
  options = {'sampling': 'vspp', **options}
  with pytest.raises(ValueError, match=message):
    make_task(vspp, **options)
