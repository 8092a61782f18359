"""BatchNorm's running statistics, on their way through a run."""

import subprocess
import sys

import experiments
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.experiment import adapters
from vidpetl.parameters import package, storage
from vidpetl.recipes import methods
from vidpetl.training import loop
from vidpetl.training import run as run_lib

MEAN = 'batch_stats/backbone/conv1/a/norm/mean'


@pytest.fixture
def make(world):
  """Returns a function that makes a small run of C3D."""

  def make(method='full', statistics='batch', **fields):
    argument = 'dataset=hmdb51,method=head,head=true'
    config = experiments.load_config('vpetl', argument)
    config.unlock()
    config.backbone = {'name': 'c3d', 'norm_statistics': statistics}
    config.petl, config.trainable = methods.make(method)
    config = experiments.shrink(config, world)
    config.unlock()
    config.update_from_flattened_dict(fields)
    return config.lock()

  return make


def one_step(config):
  """Returns the state before and after a step, and its scalars."""
  with jax.set_mesh(run_lib.sharding.make_mesh()):
    run = run_lib.prepare(config)
    state, _ = run.init_state()
    before = jax.tree.map(np.asarray, state)
    rows = next(run.train_batches(0)['hmdb51'])
    batch = run_lib.sharding.to_device(rows, run.mesh)
    after, scalars = run.train_steps()['hmdb51'](state, batch)
  return before, after, scalars


def difference(a, b):
  differences = jax.tree.map(lambda x, y: float(abs(x - y).max()), a, b)
  return max(jax.tree.leaves(differences))


def test_statistics_of_the_batch_move_the_running_ones(make):
  before, after, _ = one_step(make())
  assert difference(before.batch_stats, after.batch_stats) > 1e-3


def test_frozen_statistics_stay(make):
  before, after, scalars = one_step(make(statistics='frozen'))
  assert difference(before.batch_stats, after.batch_stats) == 0
  assert float(scalars['grad_norm']) > 0


@pytest.mark.slow
def test_statistics_move_under_frozen_parameters(make):
  """As in PECoP, whose frozen network runs in training mode."""
  before, after, _ = one_step(make('adapter3d'))
  assert difference(before.batch_stats, after.batch_stats) > 1e-3
  assert difference(before.frozen, after.frozen) == 0


@pytest.mark.slow
def test_parts_of_a_batch_move_them_one_after_the_other(make):
  before, once, _ = one_step(make())
  _, twice, _ = one_step(make(accumulate=2))
  kept = lambda state: state.batch_stats['backbone']['conv1']['a']['norm']
  start, one, two = (kept(s)['mean'] for s in (before, once, twice))
  # Means of halves: (1 - 0.9) (0.9 a + b) of the way, not 0.1 (a + b) / 2.
  assert difference(one, two) > 1e-4
  ratio = jnp.abs(two - start).sum() / jnp.abs(one - start).sum()
  assert 1.7 < float(ratio) < 2.1


@pytest.mark.slow
def test_another_run_starts_from_them(make, tmp_path):
  loop.run(make(), str(tmp_path / 'first'))
  saved = storage.load_arrays(str(tmp_path / 'first'))
  config = make(**{'init.path': str(tmp_path / 'first'), 'init.skip': ()})
  state, _ = run_lib.prepare(config).init_state()
  started = state.batch_stats['backbone']['conv1']['a']['norm']['mean']
  np.testing.assert_array_equal(started, saved[MEAN])
  assert np.abs(started).max() > 0
  storage.save_arrays(
    str(tmp_path / 'bare.safetensors'),
    {k: v for k, v in saved.items() if not k.startswith('batch_stats')},
  )
  config = make(**{'init.path': str(tmp_path / 'bare.safetensors')})
  with pytest.raises(ValueError, match=f'missing +{MEAN}'):
    run_lib.prepare(config).init_state()


@pytest.mark.slow
def test_a_package_has_them(make, tmp_path):
  base, tuned = str(tmp_path / 'base'), str(tmp_path / 'tuned')
  loop.run(make(), base)
  config = make('adapter3d', **{'init.path': base})
  trained = loop.run(config, tuned)
  packed = package.load(f'{tuned}/adapter')
  moved = packed.params[MEAN]
  assert np.abs(moved - storage.load_arrays(base)[MEAN]).max() > 1e-4
  # What a package gives is what its run evaluated.
  fields = {'mode': 'eval', 'eval_checkpoint': 'none', 'init.path': base}
  fields['init.adapter'] = f'{tuned}/adapter'
  found = loop.run(make('adapter3d', **fields), str(tmp_path / 'again'))
  assert found['tasks'] == trained['tasks']
  served = adapters.Adapters(base)
  served.load(f'{tuned}/adapter', 'tuned')
  clip = np.zeros((1, 8, 32, 32, 3), np.uint8)
  assert np.isfinite(served.logits('tuned', {'video': clip})).all()


@pytest.mark.slow
def test_a_head_has_statistics_in_files_as_well(world, tmp_path):
  argument = 'dataset=hmdb51,method=full,head=true'
  config = experiments.load_config('vpetl', argument)
  config = experiments.shrink(config, world)
  config.unlock()
  config.tasks.hmdb51.norm = 'batch'
  loop.run(config, str(tmp_path / 'first'))
  saved = storage.load_arrays(str(tmp_path / 'first'))
  saved = saved['batch_stats/heads_hmdb51/norm/mean']
  assert np.abs(saved).max() > 0
  config.init.path = str(tmp_path / 'first')
  # A head that is skipped is fresh, with all that belongs to it.
  for skip, expected in ((('^heads_',), np.zeros_like(saved)), ((), saved)):
    config.init.skip = skip
    state, _ = run_lib.prepare(config).init_state()
    started = state.batch_stats['heads_hmdb51']['norm']['mean']
    np.testing.assert_array_equal(started, expected)


@pytest.mark.slow
def test_they_are_those_of_all_devices(make, config_file, tmp_path):
  """One device and four see the same batch, in BatchNorm too."""
  config = make(steps=2)
  loop.run(config, str(tmp_path / 'one'))
  done = subprocess.run(
    [
      *(sys.executable, 'launch/multiprocess.py', '--processes=1'),
      *('--devices=4', '--', f'--config={config_file(config)}'),
      f'--workdir={tmp_path / "four"}',
    ],
    cwd=experiments.ROOT,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
  one, four = (storage.load_arrays(str(tmp_path / n)) for n in ('one', 'four'))
  for name in filter(lambda name: name.startswith('batch_stats'), one):
    np.testing.assert_allclose(four[name], one[name], rtol=1e-3, atol=1e-5)
