"""RSPNet: speeds of clips, the key encoder, its queue, and the loss by hand."""

import contextlib
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl import mistakes
from vidpetl.tasks import task as task_lib
from vidpetl.tasks.pretext import contrast, rspnet

RNG = np.random.default_rng(2)
BATCH = 4


def unit(*shape):
  x = RNG.normal(size=shape).astype(np.float32)
  return x / np.linalg.norm(x, axis=-1, keepdims=True)


def embeddings(*shape):
  return {'appearance': unit(*shape), 'motion': unit(*shape)}


def inputs(seeds=(5, 3, 9, 1)):
  """Returns videos whose pixels are 100 example + 10 clip + frame."""
  example, clip, frame = np.ogrid[: len(seeds), :2, :4]
  video = (100 * example + 10 * clip + frame)[..., None, None, None]
  return {
    'video': jnp.broadcast_to(video * 1.0, (len(seeds), 2, 4, 2, 2, 3)),
    'seed': jnp.array([[s, 0] for s in seeds], jnp.uint32),
    'valid': jnp.ones(len(seeds), bool),
  }


def numbers(video):
  return np.array(video[..., 0, 0, 0]).astype(int).tolist()


@pytest.fixture
def task(make_task):
  return make_task(rspnet, 'pair', embedding=8, queue=12)


def test_half_of_a_training_batch_is_fast(task):
  queries = task.views(inputs(), True)
  # Of the seeds 5, 3, 9 and 1 the larger half is fast.
  assert numbers(queries) == [[0, 2], [100, 101], [200, 202], [300, 301]]


def test_evaluation_has_query_positive_and_negative(task):
  batch = inputs()
  batch['seed'] = jnp.array([[0, 7], [0, 4], [0, 4], [0, 7]], jnp.uint32)
  views = numbers(task.views(batch, False))
  assert views[0] == [[0, 2], [10, 12], [10, 11]]
  assert views[1] == [[100, 101], [110, 111], [110, 112]]


def recording_forward(calls):
  """Returns a forward whose embeddings are the video's pixels."""

  def forward(params, batch_stats, video, batch, train):
    calls.append((params, batch_stats, numbers(video), train))
    value = video.mean((1, 2, 3, 4))[:, None] * jnp.ones((1, 8))
    read = {'appearance': value, 'motion': -value}
    return None, read, batch_stats + 1

  return forward


def test_keys_are_encoded_negative_first(task):
  own = task.new_state({'backbone': jnp.ones(3)}, jnp.zeros(()))
  calls = []
  seen, after = task.observe(own, inputs(), recording_forward(calls))
  (_, first, negative, train), (_, second, positive, _) = calls
  assert train and (first, second) == (0, 1) and after['batch_stats'] == 2
  assert positive == [[10, 12], [110, 111], [210, 212], [310, 311]]
  assert negative == [[10, 11], [110, 112], [210, 211], [310, 312]]
  assert seen['positive']['appearance'][:, 0].tolist() == [
    11,
    110.5,
    211,
    310.5,
  ]
  assert seen['negative']['motion'][:, 0].tolist() == [
    -10.5,
    -111,
    -210.5,
    -311,
  ]
  # The loss sees the queue as it was.
  np.testing.assert_array_equal(seen['queue'], own['queue'])


def test_the_queue_takes_negative_keys_over_its_oldest(task):
  own = task.new_state({'backbone': jnp.ones(3)}, jnp.zeros(()))
  start = np.array(own['queue'])
  np.testing.assert_allclose(np.linalg.norm(start, axis=1), 1, rtol=1e-5)
  forward = recording_forward([])
  negatives = []
  for step in range(4):
    batch = inputs()
    batch['video'] = batch['video'] + 1000 * step
    seen, own = task.observe(own, batch, forward)
    negatives.append(np.array(seen['negative']['appearance']))
    expected = start.copy()
    for k, keys in enumerate(negatives):
      expected[4 * (k % 3) : 4 * (k % 3) + 4] = keys
    np.testing.assert_array_equal(own['queue'], expected)
  assert own['pointer'] == 4


def test_undecodable_videos_are_not_queued(task):
  own = task.new_state({'backbone': jnp.ones(3)}, jnp.zeros(()))
  batch = inputs() | {'valid': jnp.array([True, False, True, True])}
  _, after = task.observe(own, batch, recording_forward([]))
  changed = (after['queue'] != own['queue']).any(1)
  assert changed.tolist() == [True, False, True, True] + [False] * 8


def test_the_queue_is_a_multiple_of_the_batch(task):
  own = task.new_state({'backbone': jnp.ones(3)}, jnp.zeros(()))
  with pytest.raises(
    ValueError, match=r'films\.queue is 12, no multiple of .*5'
  ):
    task.observe(own, inputs((1, 2, 3, 4, 5)), recording_forward([]))


def test_the_key_encoder_follows(task):
  params = {
    'backbone': {'w': jnp.array([1.0, 2.0])},
    'heads_films': jnp.ones(2),
    'heads_others': jnp.ones(2),
  }
  own = task.new_state(params, {'mean': jnp.array(3.0)})
  assert set(own['params']) == {'backbone', 'heads_films'}
  # The step gives the memory of what it was given away.
  for leaf, copy in (
    (params['backbone']['w'], own['params']['backbone']['w']),
    (params['heads_films'], own['params']['heads_films']),
  ):
    assert copy.unsafe_buffer_pointer() != leaf.unsafe_buffer_pointer()
  now = jax.tree.map(lambda x: x + 10, params)
  after = task.begin_step(own, now, {'mean': jnp.array(99.0)})
  np.testing.assert_allclose(
    after['params']['backbone']['w'], [1.01, 2.01], rtol=1e-6
  )
  assert after['batch_stats']['mean'] == 3


def softmax_loss(query, key, queue, temperature):
  logits = np.array([query @ key, *(query @ other for other in queue)])
  logits = logits / temperature
  return np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[0]


def test_loss(make_task):
  task = make_task(
    rspnet, 'pair', embedding=8, queue=12, appearance=0.5, motion=2.0
  )
  query = embeddings(BATCH, 8)
  batch = {
    'positive': embeddings(BATCH, 8),
    'negative': embeddings(BATCH, 8),
    'queue': unit(12, 8),
    'valid': np.array([True, True, False, True]),
  }
  # One whose motion is right by more than the margin, which costs nothing.
  batch['positive']['motion'][0] = query['motion'][0]
  batch['negative']['motion'][0] = -query['motion'][0]
  total, terms, scalars = task.loss(query, batch)
  appearance = motion = order = 0
  for i in (0, 1, 3):
    for key in ('positive', 'negative'):
      keys = batch[key]['appearance']
      appearance += softmax_loss(
        query['appearance'][i], keys[i], batch['queue'], 0.07
      )
    near, far = (
      query['motion'][i] @ batch[key]['motion'][i]
      for key in ('positive', 'negative')
    )
    motion += max(0, 2.0 - (near - far) / 0.07)
    order += near > far
  assert total == pytest.approx(0.5 * appearance + 2 * motion, rel=1e-4)
  assert terms == 3
  assert scalars['appearance_loss'] == pytest.approx(appearance, rel=1e-4)
  assert scalars['motion_loss'] == pytest.approx(motion, rel=1e-4)
  assert scalars['speed_order'] == order


def test_embeddings_have_length_one(task, encoded):
  head = task.head()
  params = head.init(jax.random.key(0), encoded)

  def read(head, features):
    return task.read(head, features, {}, True)

  found = head.apply(params, encoded, method=read)
  assert set(found) == {'appearance', 'motion'}
  for key, value in found.items():
    layer = params['params'][key]
    raw = encoded.summary @ layer['kernel'] + layer['bias']
    expected = raw / np.linalg.norm(raw, axis=-1, keepdims=True)
    np.testing.assert_allclose(value, expected, atol=1e-6)


def test_a_blank_clip_has_a_gradient():
  gradient = jax.grad(lambda x: contrast.normalise(x).sum())(jnp.zeros((1, 4)))
  assert np.isfinite(gradient).all()


def test_metric(task):
  assert np.isnan(task.metric(None).result()['appearance'])
  query = np.eye(8, dtype=np.float32)[:5]
  positive = query.copy()
  # The positive of 1 is nearer to 0 than to 1, but 0's own is nearest there.
  positive[1] = [0.9, 0.1, 0, 0, 0, 0, 0, 0]
  positive[2] = [0, 0.5, 0, 0, 0, 0, 0, 0]
  motion = {
    'appearance': np.stack([query, positive, positive], 1),
    'motion': np.stack([query, query, -query], 1),
  }
  motion['motion'][4, 1:] = motion['motion'][4, :0:-1]
  metric = task.metric([types.SimpleNamespace(id=f'film{i}') for i in range(5)])
  for rows in (slice(2, 5), slice(0, 2)):
    outputs = task.outputs({k: v[rows] for k, v in motion.items()}, {})
    found = {k: np.asarray(v) for k, v in outputs.items()}
    metric.update(found | {'index': np.arange(5)[rows]})
  # By hand: 0, 3 and 4 find their own; 1 finds that of 2; 2 finds none (ties
  # at 0, of which the first is not its own).
  assert list(metric.result()) == list(metric.names)
  assert metric.result() == {
    'speed_order': pytest.approx(4 / 5),
    'appearance': pytest.approx(3 / 5),
  }
  said = metric.predictions().columns
  assert said['nearest'] == ['film0', 'film2', 'film0', 'film3', 'film4']
  assert said['speed_order'].tolist() == [1, 1, 1, 1, 0]


@pytest.mark.parametrize(
  'options, message',
  [
    ({'sampling': 'stride'}, "needs 'pair'"),
    ({'clip': {'frames': 5}}, r'films\.clip\.frames is 5: it must be even'),
  ],
)
def test_what_makes_no_sense(make_task, options, message):
  options = {'sampling': 'pair', **options}
  with pytest.raises(ValueError, match=message):
    make_task(rspnet, **options)


@pytest.mark.parametrize(
  'plan, queue',
  [
    ((None, 1), 16384),
    ((240_000, 16), 16384),
    ((240_000, 24), 16368),
    ((1_059, 16), 1_056),
    ((30, 16), 16),
    ((3, 16), 16),
  ],
)
def test_a_queue_is_no_longer_than_the_data(make_task, plan, queue):
  plan = task_lib.Plan(1.0, *plan)
  small = plan.examples is not None and plan.examples < 16384
  said = pytest.warns(mistakes.Note) if small else contextlib.nullcontext()
  with said as notes:
    task = make_task(rspnet, 'pair', plan=plan)
  assert task.queue == queue
  if small:
    assert f'{queue:,} keys for {plan.examples:,} ' in str(notes[0].message)
  assert make_task(rspnet, 'pair', plan=plan, queue=512).queue == 512
