import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from vidpetl.tasks import task as task_lib
from vidpetl.tasks.quality import tsa_head, tsa_steps


@pytest.fixture(scope='module')
def make_tsa(make_task):
  def make(**options):
    options = {
      'exemplar': 'any',
      'heads': 2,
      'widths': (4, 6),
      'blocks': 1,
    } | options
    return make_task('tsa', **options)

  return make


def everything(head, summary, grid):
  head.segment(summary, grid, False)
  c = summary.shape[-1] // 16
  return head.difference(jnp.zeros((1, 3, 5, c)), jnp.zeros((1, 3, 80, c)))


def test_parameters_are_as_many_as_published():
  head = tsa_head.TsaHead(96)
  summary, grid = jnp.zeros((1, 9, 1024)), jnp.zeros((1, 9, 2, 4, 4, 1024))
  params = jax.eval_shape(
    lambda *x: head.init(*x, method=everything),
    jax.random.key(0),
    summary,
    grid,
  )['params']
  counts = {}
  for name, tree in params.items():
    part = name.partition('_')[0]
    size = sum(math.prod(x.shape) for x in jax.tree.leaves(tree))
    counts[part] = counts.get(part, 0) + size
  assert counts == {
    'segmentation': 128_846,
    'decoder': 149_760,
    'regressor': 33_153,
  }


def segmented(head, variables, *args):
  run = jax.jit(lambda *x: head.apply(variables, *x, False, method='segment'))
  return run(*args)


@pytest.fixture(scope='module')
def small(draw):
  """Three segments of two videos, on maps of 3 x 2 places 16 wide."""
  keys = jax.random.split(jax.random.key(0))
  summary = jax.random.normal(keys[0], (2, 3, 16))
  grid = jax.random.normal(keys[1], (2, 3, 2, 3, 2, 16))

  head = tsa_head.TsaHead(12, widths=(4, 6), heads=2)
  init = functools.partial(head.init, train=False, method='segment')
  return head, draw(init, summary, grid), summary, grid


def test_a_place_of_the_maps_is_segmented_as_the_summary_is(small):
  head, variables, summary, grid = small
  _, _, maps = segmented(head, variables, summary, grid)
  assert maps.shape == (2, 12, 6, 4)
  place = grid.mean(2)[:, :, 1, 0]
  alone, _, _ = segmented(head, variables, place, grid)
  np.testing.assert_allclose(maps[:, :, 2], alone, atol=1e-5)


def test_published_maps_are_memory_read_on(small):
  head, variables, summary, grid = small
  head = head.clone(scramble=True)
  _, _, maps = segmented(head, variables, summary, grid)
  memory = np.moveaxis(np.asarray(grid.mean(2)), -1, 2)  # [n, s, d, h, w]
  cells = np.ascontiguousarray(memory).reshape(-1, 3, 16)
  alone, _, _ = segmented(
    head, variables, cells, jnp.zeros((12, *grid.shape[1:]))
  )
  expected = np.asarray(alone).reshape(2, 12, 4, 6).swapaxes(2, 3)
  np.testing.assert_allclose(maps, expected, atol=1e-5)


def test_statistics_learn_from_summary_then_maps(small):
  head, variables, summary, grid = small
  run = jax.jit(
    lambda *x: head.apply(
      variables, *x, True, method='segment', mutable=['batch_stats']
    )
  )
  _, moved = run(summary, grid)
  conv = variables['params']['segmentation']['conv1_1']
  kernel, bias = np.asarray(conv['kernel']), np.asarray(conv['bias'])

  def mean(x):  # Of the first convolution, over [n, s, d].
    x = np.pad(np.swapaxes(x, 1, 2), ((0, 0), (1, 1), (0, 0)))
    taps = [x[:, i : i + 16] @ kernel[i] for i in range(3)]
    return (sum(taps) + bias).mean((0, 1))

  cells = np.moveaxis(grid.mean(2).reshape(2, 3, 6, 16), 2, 1)
  maps = mean(cells.reshape(12, 3, 16))
  before = variables['batch_stats']['segmentation']['norm1_1']['mean']
  expected = 0.9 * (0.9 * before + 0.1 * mean(summary)) + 0.1 * maps
  found = moved['batch_stats']['segmentation']['norm1_1']['mean']
  np.testing.assert_allclose(found, expected, atol=1e-6)


def layer_norm(x, p):
  x = x - x.mean(-1, keepdims=True)
  x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5)
  return x * p['scale'] + p['bias']


def test_cross_attention_by_hand(draw):
  block = tsa_head.CrossAttention(2)
  rng = np.random.default_rng(0)
  q, v = rng.normal(size=(3, 4)), rng.normal(size=(5, 4))
  variables = draw(block.init, q, v)
  p = variables['params']
  query, value = layer_norm(q, p['norm_q']), layer_norm(v, p['norm_v'])
  mixed = []
  for part in (slice(0, 2), slice(2, 4)):
    a = query @ p['q']['kernel'][:, part]
    b = value @ p['k']['kernel'][:, part]
    weight = scipy.special.softmax(a @ b.T / np.sqrt(2), -1)
    mixed.append(weight @ value @ p['v']['kernel'][:, part])
  x = np.concatenate(mixed, -1)
  x = q + x @ p['out']['kernel'] + p['out']['bias']
  y = layer_norm(x, p['norm_mlp']) @ p['mlp1']['kernel'] + p['mlp1']['bias']
  y = y * (1 + scipy.special.erf(y / np.sqrt(2))) / 2
  expected = x + y @ p['mlp2']['kernel'] + p['mlp2']['bias']
  found = jax.jit(block.apply)(variables, q, v)
  np.testing.assert_allclose(found, expected, atol=1e-5)


def test_loss_by_hand(make_tsa):
  task = make_tsa()
  rng = np.random.default_rng(0)
  difference = rng.normal(size=(3, 2))
  logits = rng.normal(size=(3, 2, 12, 2))
  score = np.array([[50.0, 51.0], [60.0, 58.0], [70.0, 70.5]])
  steps = np.array([[[3, 7], [2, 9]], [[5, 6], [2, 11]], [[4, 8], [4, 8.0]]])
  y = np.zeros((3, 2, 12, 2))
  for (n, side, column), frame in np.ndenumerate(steps):
    y[n, side, int(frame) - 1, column] = 1
  p = scipy.special.expit(logits)
  bce = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
  one, two = score.T
  mse = ((difference[:, 0] - (one - two)) ** 2).mean()
  mse += ((difference[:, 1] - (two - one)) ** 2).mean()

  batch = {'score': score, 'steps': steps, 'valid': np.ones(3, bool)}
  batch = {k: jnp.array(v) for k, v in batch.items()}
  outputs = {'difference': jnp.array(difference), 'transitions': logits}
  total, n, scalars = jax.jit(task.loss)(outputs, batch)
  np.testing.assert_allclose(total / n, mse + bce, rtol=1e-5)
  np.testing.assert_allclose(scalars['score'] / n, mse, rtol=1e-5)
  masked = batch | {
    'valid': jnp.array([True, True, False]),
    'score': batch['score'].at[2].set(jnp.nan),
    'steps': batch['steps'].at[2].set(jnp.nan),
  }
  whole, n, _ = jax.jit(task.loss)(outputs, masked)
  first = jax.tree.map(lambda x: x[:2], (outputs, batch))
  np.testing.assert_allclose(whole, jax.jit(task.loss)(*first)[0], rtol=1e-5)
  assert n == 2


@pytest.fixture(scope='module')
def run(make_tsa, init):
  """Returns (task, function of a video, further inputs and train)."""
  task = make_tsa(truth_share=0.25, plan=task_lib.Plan(epochs=4))
  model, variables = init(task)

  def apply(inputs, train):
    return model.apply(
      variables, inputs, 'dives', train, mutable=['batch_stats']
    )[0]

  compare = jax.jit(
    lambda pairs: model.apply(
      variables, pairs, 'dives', task.compare, method='head'
    )
  )
  return task, jax.jit(apply, static_argnums=1), compare


# Frames of one colour each, so that features differ.
COLOURS = np.random.default_rng(5).normal(size=(2, 2, 12, 1, 1, 3))
VIDEO = np.broadcast_to(COLOURS, (2, 2, 12, 12, 12, 3))


def test_training_and_comparing_agree(run):
  """Pairs that are encoded together and those that are compared later."""
  task, apply, compare = run
  together = apply({'video': VIDEO}, False)['difference']
  score = np.array([[8.0, 5.0], [1.0, 7.0]])
  rows = [
    task.outputs(apply({'video': VIDEO[:, i]}, False), {'score': score[:, i]})
    for i in (0, 1)
  ]
  predicted = [
    compare({'query': rows[i], 'exemplar': rows[1 - i]})['predicted']
    for i in (0, 1)
  ]
  expected = together + score[:, ::-1]
  np.testing.assert_allclose(np.stack(predicted, 1), expected, rtol=1e-4)
  assert np.abs(together[:, 0] - together[:, 1]).max() > 1e-3


def test_annotated_steps_are_used_in_a_share_of_the_epochs(run):
  """Of 4 those numbered 0 and 1, as 1 / 4 is not more than 0.25."""
  task, apply, _ = run
  own = task.new_state({}, {})
  steps = np.array([[[2.0, 8.0], [5.0, 9.0]], [[1.0, 3.0], [4.0, 11.0]]])
  found = []
  for _ in range(3):
    seen, own = task.observe(own, {}, None)
    outputs = [
      apply({'video': VIDEO, 'steps': s, **seen}, False)['difference']
      for s in (steps, steps - 1)
    ]
    found.append(bool(np.abs(outputs[0] - outputs[1]).max() > 1e-6))
    own = task.begin_epoch(own, {}, {})
  assert found == [True, True, False]
  assert own['epoch'] == 3


def test_steps_are_those_that_the_segmentation_predicts(run):
  _, apply, _ = run
  logits = apply({'video': VIDEO}, False)['transitions']
  steps = np.asarray(tsa_steps.predicted(logits), np.float32) + 1
  own = {'epoch': jnp.int32(0)}
  truth = apply({'video': VIDEO, 'steps': steps, **own}, False)
  free = apply({'video': VIDEO}, False)
  np.testing.assert_allclose(truth['difference'], free['difference'], rtol=1e-5)


@pytest.mark.parametrize(
  'options, error',
  [
    ({'eval_clip': {'frames': 14}}, 'eval_clip.frames 14'),
    ({'labels': ([1.0, 2.0], [[0.5, 1.0], [0.5, np.nan]])}, 'example 1.*has 1'),
  ],
)
def test_what_cannot_work_is_named(make_tsa, labels, options, error):
  if 'labels' in options:
    scores, steps = options['labels']
    options = {'labels': labels(scores, steps=steps)}
  with pytest.raises(ValueError, match=error):
    make_tsa(**options)


def test_heads_that_do_not_fit_the_backbone_are_named(make_tsa, init):
  with pytest.raises(ValueError, match=r'dives\.heads is 8.*32 wide.*2 wide'):
    init(make_tsa(heads=8, widths=(12, 24, 48, 96)))
