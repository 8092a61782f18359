"""The teacher: who it is, when it changes, what it costs."""

import dataclasses

import experiments
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.parameters import storage, trainable
from vidpetl.tasks import distillation
from vidpetl.training import loop
from vidpetl.training import run as run_lib


def make(world, argument='backbone=c3d', **fields):
  config = experiments.load_config(
    'self_distillation', f'dataset=hmdb51,schedule=cosine,{argument}'
  )
  config = experiments.shrink(config, world)
  config.unlock()
  config.update_from_flattened_dict(fields)
  return config.lock()


@dataclasses.dataclass(frozen=True)
class Plain:
  """A wrapped task whose loss is 2 for each of its two terms a clip."""

  name: str = 'own'

  def loss(self, outputs, batch):
    return 4.0 * len(outputs), 2.0 * len(outputs), {}


@pytest.mark.parametrize('reduction, square', [('sum', 12.0), ('mean', 3.0)])
def test_the_distance_by_hand(reduction, square):
  task = distillation.Distilled(Plain(), 10.0, reduction)
  outputs = {
    'task': jnp.zeros(2),
    # Squares of clip 0: 4 x 1; of clip 1: 4 x 5.
    'summary': jnp.stack([jnp.ones(4), jnp.full(4, 5.0**0.5)]),
  }
  batch = {'teacher': jnp.zeros((2, 4)), 'valid': jnp.ones(2, bool)}
  total, terms, scalars = task.loss(outputs, batch)
  np.testing.assert_allclose(scalars['distance'] / terms, square, rtol=1e-6)
  np.testing.assert_allclose(total / terms, 2.0 + 10.0 * square, rtol=1e-6)
  batch['valid'] = jnp.array([True, False])
  total, terms, _ = task.loss(outputs, batch)
  first = 4.0 if reduction == 'sum' else 1.0
  np.testing.assert_allclose(total / terms, 2.0 + 10.0 * first, rtol=1e-6)


def steps_of(config, steps):
  """Yields the state before each step of a run, and the step's scalars."""
  with jax.set_mesh(run_lib.sharding.make_mesh()):
    run = run_lib.prepare(config)
    (name,) = run.experiment.tasks
    state, _ = run.init_state()
    batches, update = run.train_batches(0)[name], run.train_steps()[name]
    for step in range(steps):
      if run.starts_epoch(step):
        state = run.begin_epoch(state)
      before = jax.tree.map(np.asarray, state)
      rows = run_lib.sharding.to_device(next(batches), run.mesh)
      state, scalars = update(state, rows)
      yield before, {k: float(v) for k, v in scalars.items()}


def test_the_teacher_is_the_encoder_at_the_end_of_the_last_epoch(world):
  """8 clips in batches of 4: two steps an epoch."""
  config = make(world, batch_size=4, steps=5)
  states = [state for state, _ in steps_of(config, 5)]
  teacher = lambda s: states[s].task_state['hmdb51']['teacher']
  for step, taken_at in enumerate([0, 0, 2, 2, 4]):
    jax.tree.map(
      np.testing.assert_array_equal,
      teacher(step),
      {
        'params': states[taken_at].params,
        'batch_stats': states[taken_at].batch_stats,
      },
    )
  moved = jax.tree.map(
    lambda a, b: float(abs(a - b).max()),
    teacher(0)['params']['backbone'],
    teacher(2)['params']['backbone'],
  )
  assert max(jax.tree.leaves(moved)) > 1e-4


@pytest.mark.tail(1)
@pytest.mark.parametrize('mode', ['batch', 'running'])
def test_distance_at_the_first_step_of_an_epoch(world, mode):
  """0 where the teacher computes as the student does; not so by other norms."""
  config = make(
    world,
    f'backbone=c3d,teacher={mode}',
    batch_size=4,
    steps=3,
    **{'optimizer.learning_rate': 10.0},
  )
  distances = [scalars['distance'] for _, scalars in steps_of(config, 3)]
  if mode == 'batch':
    # But for rounding.
    assert max(distances[0], distances[2]) < 1e-5 * distances[1]
  else:
    assert min(distances) > 1e-4


def test_without_weight_nothing_changes(world, tmp_path):
  """The same parameters come out with lambda = 0 and with no teacher."""
  plain = make(world, 'backbone=c3d,weight=0')
  with plain.unlocked():
    del plain.tasks.hmdb51.distill
  loop.run(plain, str(tmp_path / 'plain'))
  zero = make(world, **{'tasks.hmdb51.distill.weight': 0.0})
  loop.run(zero, str(tmp_path / 'zero'))
  a, b = (
    storage.load_arrays(str(tmp_path / name)) for name in ('plain', 'zero')
  )
  for name in a:
    np.testing.assert_allclose(a[name], b[name], atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_a_resumed_run_has_the_same_teacher(world, tmp_path):
  config = make(
    world,
    batch_size=4,
    steps=4,
    **{'checkpoint.every': 1, 'checkpoint.keep': 9},
  )
  loop.run(config, str(tmp_path / 'whole'))
  (tmp_path / 'resumed' / 'checkpoints').mkdir(parents=True)
  # After step 3, in the middle of the second epoch.
  source = tmp_path / 'whole' / 'checkpoints' / '3'
  source.rename(tmp_path / 'resumed' / 'checkpoints' / '3')
  loop.run(config, str(tmp_path / 'resumed'))
  a, b = (
    storage.load_arrays(str(tmp_path / name)) for name in ('whole', 'resumed')
  )
  jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.mark.slow
def test_adapters_are_distilled_on_a_transformer(world):
  config = make(world, 'backbone=swin,method=adaptformer', steps=2)
  (before, _), (_, scalars) = steps_of(config, 2)
  teacher = trainable.flatten(before.task_state['hmdb51']['teacher']['params'])
  names = {name for name in teacher if name.startswith('backbone/')}
  assert names and all('/site_' in name for name in names)
  assert scalars['distance'] >= 0


def test_mistakes_are_named(world):
  with pytest.raises(ValueError, match=r'distill\.reduction'):
    run_lib.prepare(make(world, 'backbone=c3d,reduction=max'))
  frozen = make(world, 'backbone=c3d,method=head')
  with pytest.raises(ValueError, match='nothing of the encoder trains'):
    run_lib.prepare(frozen).init_state()
