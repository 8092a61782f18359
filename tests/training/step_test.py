import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.data import augment, clips
from vidpetl.experiment import experiment as experiment_lib
from vidpetl.studies import flops
from vidpetl.training import step as step_lib


@pytest.fixture
def parts(make_config):
  """Builds the parts of a step of a task, and a random batch of it."""

  def make(name='ava', **fields):
    config = make_config('ava', 'kinetics400', **fields)
    config.unlock()
    config.tasks.kinetics400.num_classes = 3
    infos = experiment_lib.infos_from_config(config)
    experiment = experiment_lib.build(config, infos)
    tx, _ = experiment.optimizer(epoch=10, total=100)
    state = jax.jit(functools.partial(experiment.init_state, tx=tx))(
      jax.random.key(0)
    )
    task = experiment.tasks[name]
    batch = random_batch(infos[name], task)
    update = functools.partial(
      step_lib.train_step,
      model=experiment.model,
      task=task,
      tx=tx,
      seed=0,
    )
    return types.SimpleNamespace(state=state, batch=batch, update=update)

  return make


def random_batch(info, task, size=8):
  rng = np.random.default_rng(0)
  batch = {
    name: np.zeros((size, *shape), kind)
    for name, (shape, kind) in clips.signature(info, task.train_clip).items()
  }
  batch['video'] = rng.integers(0, 256, batch['video'].shape, np.uint8)
  batch['size'][:] = (24, 32)
  batch['seed'] = rng.integers(0, 2**32, batch['seed'].shape, np.uint32)
  batch['valid'][:] = True
  if 'label' in batch:
    batch['label'] = rng.integers(0, task.num_classes, size)
    return jax.tree.map(jnp.asarray, batch)
  low, high = rng.uniform(0, 0.5, (2, size, batch['boxes'].shape[1], 2))
  batch['boxes'] = np.concatenate([low, low + high], -1).astype(np.float32)
  batch['box_valid'] = rng.random(batch['box_valid'].shape) < 0.5
  batch['actions'] = (rng.random(batch['actions'].shape) < 0.1) * 1.0
  return jax.tree.map(jnp.asarray, batch)


def difference(a, b):
  return max(
    jax.tree.leaves(jax.tree.map(lambda x, y: float(abs(x - y).max()), a, b))
  )


def test_accumulation_is_the_whole_batch(parts):
  p = parts(**{'optimizer.name': 'sgd'})
  whole, one = jax.jit(p.update)(p.state, p.batch)
  split, four = jax.jit(functools.partial(p.update, accumulate=4))(
    p.state, p.batch
  )
  np.testing.assert_allclose(one['loss'], four['loss'], rtol=1e-5)
  np.testing.assert_allclose(one['grad_norm'], four['grad_norm'], rtol=1e-4)
  assert difference(whole.params, p.state.params) > 1e-6
  assert difference(whole.params, split.params) < 1e-6


def test_accumulation_mixes_the_same_clips(parts):
  augment = {'mixup': 0.8, 'cutmix': 1.0, 'erasing': 0.5}
  augment['rand_augment'] = (2, 7, 0.5)
  fields = {f'tasks.kinetics400.augment.{k}': v for k, v in augment.items()}
  p = parts('kinetics400', **{'optimizer.name': 'sgd', **fields})
  whole, one = jax.jit(p.update)(p.state, p.batch)
  split, two = jax.jit(functools.partial(p.update, accumulate=2))(
    p.state, p.batch
  )
  np.testing.assert_allclose(one['grad_norm'], two['grad_norm'], rtol=1e-4)
  assert difference(whole.params, p.state.params) > 1e-6
  assert difference(whole.params, split.params) < 1e-6


def test_first_loss_is_that_of_zero_logits(parts):
  p = parts(**{'tasks.ava.init_bias': 0.0})
  _, scalars = jax.jit(p.update)(p.state, p.batch)
  np.testing.assert_allclose(scalars['loss'], 80 * np.log(2), rtol=1e-5)


def test_undecodable_example_has_no_gradient(parts):
  p = parts(**{'optimizer.name': 'sgd'})
  valid = jnp.arange(8) < 4
  noise = jnp.where(valid[:, None, None, None, None], p.batch['video'], 0)
  a = {**p.batch, 'valid': valid}
  b = {**a, 'video': noise}
  step = jax.jit(p.update)
  assert difference(step(p.state, a)[0].params, step(p.state, b)[0].params) == 0


def test_frozen_parameters_have_no_optimizer_state(parts):
  rules = (('^heads_', 'all'), ('.*', 'frozen'))
  p = parts(trainable=rules)
  new, _ = jax.jit(p.update)(p.state, p.batch)
  assert set(new.params) == {'heads_ava', 'heads_kinetics400'}
  assert set(new.frozen) == {'backbone'}
  assert difference(new.frozen, p.state.frozen) == 0
  trained = sum(x.size for x in jax.tree.leaves(new.params))
  slots = sum(x.size for x in jax.tree.leaves(new.opt_state))
  assert slots <= 2 * trained + 8  # Adam's two, and a few counters.


def test_frozen_weights_have_no_gradient(parts):
  p = parts('kinetics400', trainable=(('^heads_', 'all'), ('.*', 'frozen')))
  model, task = p.update.keywords['model'], p.update.keywords['task']

  def forward(state, batch):
    inputs = augment.preprocess(batch, task.augment, train=True)
    rngs = {'dropout': jax.random.key(0)}
    return model.apply(state.variables, inputs, task.name, True, rngs=rngs)

  step = flops.products(p.update, p.state, p.batch)
  head = jax.tree.leaves(p.state.params['heads_kinetics400'])
  kernels = sum(x.size for x in head if x.ndim > 1)
  own = 2 * len(p.batch['video']) * kernels
  assert step == flops.products(forward, p.state, p.batch) + own


@pytest.mark.slow
def test_absent_heads_move_by_momentum_unless_held(parts):
  p = parts()
  momentum = jax.tree.map(jnp.ones_like, p.state.opt_state)
  state = p.state.replace(opt_state=momentum)
  moved, _ = jax.jit(p.update)(state, p.batch)
  held, _ = jax.jit(functools.partial(p.update, hold='heads_kinetics400/'))(
    state, p.batch
  )
  head = lambda s: s.params['heads_kinetics400']
  assert difference(head(moved), head(state)) > 0
  assert difference(head(held), head(state)) == 0
  assert difference(held.params['backbone'], moved.params['backbone']) == 0
