import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl import mistakes
from vidpetl.tasks.quality import core_groups, core_tree

EDGES = (0.0, 1.0, 2.5, 4.0, 9.0)


@pytest.fixture(scope='module')
def task(make_task):
  return make_task(
    'core',
    exemplar='difficulty',
    depth=4,
    width=8,
    edges=EDGES,
    score_range=9.0,
    divide_by_difficulty=True,
  )


def test_parameters_are_as_many_as_published():
  tree = core_tree.RegressionTree()
  f, y = jnp.zeros((1, 1024)), jnp.zeros(1)
  params = jax.eval_shape(tree.init, jax.random.key(0), f, f, y)
  assert sum(x.size for x in jax.tree.leaves(params)) == 2_510_382


def test_leaves_are_what_the_nodes_on_their_way_decide(draw):
  tree = core_tree.RegressionTree(depth=3, width=4)
  rng = np.random.default_rng(0)
  q, e, y = rng.normal(size=3), rng.normal(size=3), np.array(0.3)
  variables = draw(tree.init, q, e, y)
  p = variables['params']
  log_p, place = jax.jit(tree.apply)(variables, q, e, y)

  root = p['root']['layer1']
  x = np.concatenate([e, q, [0.3]]) @ root['kernel'] + root['bias']
  nodes = [(0.0, np.maximum(x, 0))]
  for level in (1, 2):
    decide, grow = p[f'decision{level}'], p[f'children{level}']
    children = []
    for n, (log, x) in enumerate(nodes):
      d = x @ decide['kernel'][n] + decide['bias'][n]
      own = np.maximum(x @ grow['kernel'][n] + grow['bias'][n], 0)
      for side in (0, 1):
        log_side = d[side] - np.log(np.exp(d).sum())
        children.append((log + log_side, own[4 * side : 4 * side + 4]))
    nodes = children
  last = p['place']
  places = [
    x @ last['kernel'][n, :, 0] + last['bias'][n, 0]
    for n, (_, x) in enumerate(nodes)
  ]
  np.testing.assert_allclose(log_p, [log for log, _ in nodes], atol=1e-5)
  np.testing.assert_allclose(place, places, atol=1e-5)
  np.testing.assert_allclose(np.exp(log_p).sum(), 1, rtol=1e-5)


def published_loss(task, log_p, x, y):
  """Loops over directions and leaves: NLL, and means of squared errors."""
  left, right = core_groups.bounds(task.edges)
  total = 0.0
  for direction, d in enumerate((y[:, 0] - y[:, 1], y[:, 1] - y[:, 0])):
    leaf = np.array([core_groups.leaf(v, task.edges) for v in d])
    total -= log_p[np.arange(len(d)), direction, leaf].mean()
    for g in np.unique(leaf):
      place = (d[leaf == g] - left[g]) / (right[g] - left[g])
      total += ((x[leaf == g, direction, g] - place) ** 2).mean()
  return total


def random_outputs(n, rng):
  log_p = jax.nn.log_softmax(rng.normal(size=(n, 2, 8)).astype(np.float32))
  return np.asarray(log_p), rng.normal(size=(n, 2, 8)).astype(np.float32)


def test_loss_is_the_published_one_of_a_batch(task):
  rng = np.random.default_rng(1)
  log_p, x = random_outputs(9, rng)
  y = rng.uniform(0, 5, (9, 2)).astype(np.float32)
  difficulty = rng.uniform(1, 4, (9, 1)).repeat(2, 1).astype(np.float32)
  batch = {
    'score': jnp.array(y * difficulty),
    'difficulty': jnp.array(difficulty),
    'valid': jnp.ones(9, bool),
  }
  total, n, scalars = jax.jit(task.loss)((log_p, x), batch)
  expected = published_loss(task, log_p, x, y)
  np.testing.assert_allclose(total / n, expected, rtol=1e-4)
  np.testing.assert_allclose(sum(scalars.values()), total, rtol=1e-6)


def test_padding_does_not_count(task):
  rng = np.random.default_rng(2)
  outputs = random_outputs(4, rng)
  score = rng.uniform(0, 5, (4, 2))
  batch = {
    'score': jnp.array(score).at[3].set(jnp.nan),
    'difficulty': jnp.ones((4, 2)).at[3].set(jnp.nan),
    'valid': jnp.array([True, True, True, False]),
  }

  def loss(outputs):
    return task.loss(outputs, batch)[0]

  whole = jax.jit(jax.value_and_grad(loss))(outputs)
  part = jax.jit(task.loss)(
    [x[:3] for x in outputs], {k: v[:3] for k, v in batch.items()}
  )
  np.testing.assert_allclose(whole[0], part[0], rtol=1e-5)
  for gradient in whole[1]:
    np.testing.assert_array_equal(gradient[3], 0)


def test_a_prediction_is_a_place_in_the_best_leaf(task):
  log_p = jnp.log(jnp.array([[0.1] * 6 + [0.3, 0.1], [0.3] + [0.1] * 7]))
  x = jnp.full((2, 8), 0.5).at[1].set(0.25)
  found = task.difference(log_p, x)
  # [2.5, 4] and [-9, -4].
  np.testing.assert_allclose(found, [3.25, -7.75], rtol=1e-6)


def test_label_and_prediction_are_inverse(task):
  d = jnp.array([-8.0, -1.0, -0.2, 0.0, 0.7, 2.5, 3.9])
  log_p = jax.nn.log_softmax(
    9.0 * jax.nn.one_hot(core_groups.leaf(d, EDGES), 8)
  )
  places = core_groups.places(d, EDGES)
  np.testing.assert_allclose(task.difference(log_p, places), d, atol=1e-6)


def test_training_and_comparing_agree(task, init):
  """Pairs that are encoded together, and those that are compared later."""
  model, variables = init(task)
  key = jax.random.key(3)
  video = jax.random.uniform(key, (3, 2, 12, 12, 12, 3))
  score = jnp.array([[8.0, 5.0], [1.0, 7.0], [4.0, 4.0]])
  rows = {'score': score, 'difficulty': jnp.full((3, 2), 2.0)}

  @jax.jit
  def together(video):
    inputs = {'video': video, **rows}
    return model.apply(variables, inputs, 'dives', train=True)

  @jax.jit
  def apart(video):
    one, two = (
      task.outputs(
        model.apply(variables, {'video': video[:, i]}, 'dives'),
        {k: v[:, i] for k, v in rows.items()},
      )
      for i in (0, 1)
    )
    return [
      model.apply(
        variables,
        {'query': q, 'exemplar': e},
        'dives',
        task.compare,
        method='head',
      )['predicted']
      for q, e in ((one, two), (two, one))
    ]

  log_p, x = together(video)
  predicted = 2.0 * (task.difference(log_p, x) + score[:, ::-1] / 2.0)
  np.testing.assert_allclose(jnp.stack(apart(video), 1), predicted, rtol=1e-4)
  assert np.abs(log_p[:, 0] - log_p[:, 1]).max() > 1e-4


def test_edges_come_from_pairs_of_the_training_data(make_task, labels):
  info = labels(
    [4.0, 8.0, 6.0, 9.0, 12.0], difficulties=[2.0, 2.0, 2.0, 3.0, 3.0]
  )
  options = {'depth': 3, 'score_range': 30.0, 'labels': info}
  # Of 4 8 6 and of 9 12: 2 2 3 4; over difficulties 2 4 3 and 3 4: 1 1 1 2.
  plain = make_task('core', exemplar='difficulty', **options)
  assert plain.edges == (0.0, 2.0, 30.0)
  divided = make_task(
    'core', exemplar='difficulty', divide_by_difficulty=True, **options
  )
  assert divided.edges == (0.0, 1.0, 30.0)
  # Of all pairs: 1 2 2 3 3 4 4 5 6 8.
  anyone = make_task('core', exemplar='any', **options)
  assert anyone.edges == (0.0, 3.0, 30.0)


def test_without_data_leaves_are_evenly_spaced(make_task):
  task = make_task('core', exemplar='any', depth=4, score_range=8.0)
  assert task.edges == (0.0, 2.0, 4.0, 6.0, 8.0)


@pytest.mark.parametrize(
  'options, error',
  [
    ({'exemplar': ''}, r"clip\.exemplar is ''"),
    ({'score_range': 8.0}, 'score_range is 8.*differ by up to 8'),
    ({'divide_by_difficulty': True}, 'divide_by_difficulty=True.*example 2'),
    ({'exemplar': 'difficulty'}, "exemplar='difficulty' needs.*example 2"),
    ({'exemplar': 'action'}, "exemplar='action'.* action of example 3"),
    ({'edges': (0.0, 2.0)}, 'edges is .*has 9'),
  ],
)
def test_what_cannot_work_is_named(make_task, labels, options, error):
  info = labels(
    [1.0, 9.0, 4.0, 5.0],
    difficulties=[2.0, 2.0, np.nan, 2.0],
    actions=np.array(['pike', 'pike', 'pike', ''], object),
  )
  with pytest.raises(ValueError, match=error):
    make_task('core', **{'exemplar': 'any', 'labels': info} | options)


def test_who_is_like_no_other_is_named_and_gives_no_edge(make_task, labels):
  info = labels(
    [1.0, 9.0, 4.0, 5.0],
    actions=np.array(['pike', 'twist', 'pike', 'tuck'], object),
    ids=np.array(['a', 'b', 'c', 'd'], object),
  )
  options = {'depth': 3, 'score_range': 9.0, 'labels': info}
  with pytest.warns(mistakes.Note, match=r'2 of 4 .*: b of .*\(twist\), d of'):
    task = make_task('core', exemplar='action', **options)
  assert task.edges == (0.0, 3.0, 9.0)


def test_examples_that_are_all_unlike_are_refused(make_task, labels):
  info = labels([1.0, 9.0], difficulties=[2.0, 3.0])
  with pytest.raises(
    ValueError, match=r"no two examples of dives/train .*'any'"
  ):
    make_task('core', exemplar='difficulty', labels=info)


def test_queries_without_a_difficulty_are_named(task, labels):
  class Source:
    info = labels([1.0, 2.0], difficulties=[2.0, np.nan])

  with pytest.raises(ValueError, match=r'divide_by_difficulty.*example 1'):
    task.metric(Source())
