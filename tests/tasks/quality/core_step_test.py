"""CoRe's recipe: pairs one at a time, a step every other one."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from vidpetl.data import augment, clips
from vidpetl.experiment import state as state_lib
from vidpetl.parameters import variables as variables_lib
from vidpetl.tasks.quality import core_groups
from vidpetl.training import step as step_lib

EDGES = (0.0, 1.0, 2.5, 4.0, 9.0)


@pytest.fixture(scope='module')
def parts(make_task, init, labels):
  """Returns (task, model, state, batch of two pairs)."""
  task = make_task(
    'core',
    exemplar='any',
    depth=4,
    width=8,
    edges=EDGES,
    score_range=9.0,
    augment={'scale_jitter': None, 'flip': True},
  )
  model, variables = init(task)
  tx = optax.sgd(1.0)
  params = variables['params']
  state = state_lib.TrainState(
    step=jnp.zeros([], jnp.int32),
    params=params,
    frozen={},
    batch_stats={},
    opt_state=tx.init(params),
    task_state={},
  )
  batch = {
    name: np.zeros((2, *shape), kind)
    for name, (shape, kind) in clips.signature(
      labels([8.0, 5.0]), task.train_clip
    ).items()
  }
  rng = np.random.default_rng(0)
  batch['video'] = rng.integers(0, 256, batch['video'].shape, np.uint8)
  batch['seed'] = rng.integers(0, 2**32, batch['seed'].shape, np.uint32)
  batch['size'][:] = 12
  batch['valid'][:] = True
  # Differences of 3 and of 0.5, which are in different leaves.
  batch['score'] = np.array([[8.0, 5.0], [6.5, 7.0]], np.float32)
  batch = jax.tree.map(jnp.asarray, batch)
  step = functools.partial(
    step_lib.train_step, model=model, task=task, tx=tx, seed=0
  )
  return task, model, state, batch, step


def published_loss(log_p, x, score):
  """Of one pair, written out: log p and x [2, leaves], score [2]."""
  left, right = core_groups.bounds(EDGES)
  total = 0.0
  for direction, d in enumerate((score[0] - score[1], score[1] - score[0])):
    (leaf,) = [
      i
      for i, (low, high) in enumerate(zip(left, right))
      if (low <= d < high if d >= 0 else low < d <= high)
    ]
    place = (d - left[leaf]) / (right[leaf] - left[leaf])
    total -= log_p[direction, leaf]
    total += (x[direction, leaf] - place) ** 2
  return total


def summed_gradients(task, model, state, batch):
  """Returns the sum of the gradients of one pair after the other."""
  inputs = augment.preprocess(batch, task.augment, train=True)
  score = np.asarray(batch['score'])

  def loss(params, i):
    one = {k: v[i : i + 1] for k, v in inputs.items()}
    log_p, x = model.apply(variables_lib.make(params, {}), one, 'dives', True)
    return published_loss(log_p[0], x[0], score[i])

  each = [jax.grad(loss)(state.params, i) for i in range(len(score))]
  return jax.tree.map(lambda *gs: sum(gs), *each)


def moved(before, after):
  return jax.tree.map(lambda a, b: np.asarray(a - b), before, after.params)


def test_a_step_is_the_sum_of_two_pairs(parts):
  """But for the 2 that the step divides by, which Adam does not see."""
  task, model, state, batch, step = parts
  expected = summed_gradients(task, model, state, batch)
  after, _ = jax.jit(functools.partial(step, accumulate=2))(state, batch)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(2 * a, b, atol=1e-4),
    moved(state.params, after),
    expected,
  )


def test_a_batch_of_two_pairs_is_another_step(parts):
  """Their leaves differ: squared errors weigh as much as in two batches."""
  _, _, state, batch, step = parts
  _, apart = jax.jit(functools.partial(step, accumulate=2))(state, batch)
  _, together = jax.jit(step)(state, batch)
  np.testing.assert_allclose(
    together['classification'], apart['classification'], rtol=1e-5
  )
  np.testing.assert_allclose(
    together['regression'], 2 * apart['regression'], rtol=1e-5
  )
