"""Programs are kept, shared by runs of other seeds and rates, and made once."""

import os
import subprocess
import sys
import threading
from concurrent import futures

import experiments
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.experimental.compilation_cache import compilation_cache

from vidpetl.experiment import draws, optimizer
from vidpetl.recipes import defaults
from vidpetl.training import compiling, loop

_COMPILED = '/jax/core/compile/backend_compile_duration'


@pytest.fixture
def kept(monkeypatch):
  """Puts JAX's own settings back."""
  names = (
    'jax_compilation_cache_dir',
    'jax_persistent_cache_min_compile_time_secs',
  )
  before = {name: getattr(jax.config, name) for name in names}
  monkeypatch.delenv(compiling.VARIABLE, raising=False)
  jax.config.update('jax_compilation_cache_dir', None)
  yield
  for name, value in before.items():
    jax.config.update(name, value)


@pytest.mark.parametrize(
  'folder, variable, where',
  [
    ('auto', '', 'runs/compiled'),
    ('auto', 'mine', 'mine'),
    ('own', 'mine', 'own'),
    ('', 'mine', None),
  ],
)
def test_programs_are_kept_where_it_is_said(
  folder, variable, where, kept, tmp_path, monkeypatch
):
  monkeypatch.chdir(tmp_path)
  if variable:
    monkeypatch.setenv(compiling.VARIABLE, variable)
  compiling.keep(folder, 'runs')
  found = jax.config.jax_compilation_cache_dir
  own = where and str(tmp_path / where / compiling.host())
  assert found == own


def test_jaxs_own_variable_holds(kept, tmp_path):
  jax.config.update('jax_compilation_cache_dir', str(tmp_path))
  compiling.keep('auto', tmp_path / 'runs')
  assert jax.config.jax_compilation_cache_dir == str(tmp_path)


@pytest.mark.parametrize('told, shortest', [(None, 0.1), ('0.5', 0.5)])
def test_programs_of_a_tenth_of_a_second_are_kept_unless_jax_is_told(
  told, shortest, kept, tmp_path, monkeypatch
):
  variable = 'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'
  monkeypatch.delenv(variable)
  if told:  # JAX reads it as it is imported.
    monkeypatch.setenv(variable, told)
    jax.config.update('jax_persistent_cache_min_compile_time_secs', float(told))
  compiling.keep(str(tmp_path), 'runs')
  found = jax.config.jax_persistent_cache_min_compile_time_secs
  assert found == shortest


def test_a_program_made_ahead_is_not_made_again():
  made = []
  jax.monitoring.register_event_duration_secs_listener(
    lambda name, _, **more: made.append(name == _COMPILED)
  )
  step = jax.jit(lambda x, rate: jnp.sin(x) * rate, donate_argnums=0)
  mesh = jax.make_mesh((1,), ('data',))
  where = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
  shape = jax.ShapeDtypeStruct((3, 5), jnp.float32, sharding=where)
  state = jax.device_put(np.ones((3, 5), np.float32), where)
  make = lambda: step.lower(shape, np.float32(0)).compile()
  ahead = compiling.Ahead({'it': make}, mesh)
  ahead.wait('it')
  assert sum(made)
  made.clear()
  with jax.set_mesh(mesh):
    step(state, np.float32(1))
  assert not sum(made)


def test_what_cannot_be_compiled_ahead_is_told_to_who_waits_for_it():
  made = []
  programs = {'bad': {}.popitem, 'good': lambda: made.append('good')}
  ahead = compiling.Ahead(programs, jax.make_mesh((1,), ('data',)))
  with pytest.raises(KeyError, match='dictionary is empty'):
    ahead.wait('bad')
  ahead.wait('good')
  assert made


def test_what_comes_later_is_left_until_a_program_is_waited_for():
  first, late = threading.Event(), threading.Event()
  mesh = jax.make_mesh((1,), ('data',))
  ahead = compiling.Ahead({'a': first.set}, mesh, {'b': late.set})
  assert first.wait(60)
  assert not late.wait(0.1)
  ahead.wait('a')
  assert late.wait(60)


def test_a_loop_that_closes_compiles_nothing_of_later():
  made = []
  mesh = jax.make_mesh((1,), ('data',))
  ahead = compiling.Ahead({}, mesh, {'it': lambda: made.append('it')})
  ahead.close()
  with pytest.raises(futures.CancelledError):
    ahead.wait('it')
  assert not made


def test_runs_of_all_rates_are_one_program():
  texts = set()
  params = {'w': jnp.ones((2, 2))}
  for rate, total in ((0.1, 10), (0.2, 20)):
    config = {
      **defaults.get_config().optimizer.to_dict(),
      'learning_rate': rate,
      'clip_norm': 0.0,
      'warmup_epochs': 0.0,
      'groups': {'all': {'lr_scale': 10 * rate}},
    }
    schedule = optimizer.schedule(config, 1.0, total)
    tx = optimizer.build(config, schedule, {'w': 'all'})
    rates = optimizer.table(config, schedule, total)
    now = {name: values[3] for name, values in rates.items()}
    update = jax.jit(tx.update)
    state = tx.init(params)
    texts.add(update.lower(params, state, params, rates=now).as_text())
    moved, _ = update(params, state, params, rates=now)
    expected = -10 * rate * float(schedule(3))
    np.testing.assert_allclose(moved['w'], expected, rtol=1e-6)
    # Without them, the step is counted by the optimizer.
    first, _ = tx.update(params, state, params)
    expected = optax.tree.scale(-10 * rate * float(schedule(0)), params)
    np.testing.assert_allclose(first['w'], expected['w'], rtol=1e-6)
  assert len(texts) == 1


def test_runs_of_other_seeds_rates_and_lengths_share_their_programs(
  make_config, kept, tmp_path, monkeypatch
):
  """Through files, as processes do; a schedule has its numbers in it."""
  jax.config.update('jax_compilation_cache_dir', str(tmp_path / 'programs'))
  compilation_cache.reset_cache()
  programs = []
  for number, rate in enumerate((0.1, 0.02)):
    config = make_config('kinetics400', steps=1 + number, seed=number)
    config.optimizer.learning_rate = rate
    monkeypatch.setattr(draws, '_PROGRAMS', {})
    loop.run(config, str(tmp_path / str(number)))
    names = [path.name for path in (tmp_path / 'programs').iterdir()]
    programs.append({name for name in names if name.endswith('-cache')})
  compilation_cache.reset_cache()
  expected = {'train_step', 'eval_step', 'state', 'parameter'}
  assert expected <= set(map(_program, names))
  added = programs[1] - programs[0]
  assert {_program(name) for name in added} <= {'schedule'}


def _program(name):
  """Returns 'step' of 'jit_step-0123-cache'."""
  return name.removeprefix('jit_').partition('-')[0]


# The steps of `vidpetl train`, and of a sweep's two runs.
COMPILES = """
import json, sys
import jax
from ml_collections import ConfigDict
from vidpetl.training import alone, compiling, joining
from vidpetl.training import run as run_lib
folder = sys.argv[1]
configs = [ConfigDict(json.loads(text)) for text in sys.argv[2:]]
compiling.keep('auto', folder)
jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)
(name,) = configs[0].tasks
for programs in (
  alone.Alone(run_lib.prepare(configs[0])),
  joining.prepare(configs, [f'{folder}/{i}' for i in range(2)]),
):
  with jax.set_mesh(programs.run.mesh):
    programs.compile(name, train=True)
"""


def test_another_process_compiles_no_step_anew(make_config, tmp_path):
  """It has other rates, seeds and lengths, and other hashes of texts."""
  kept = []
  for number in range(2):
    fields = {
      'seed': number,
      'steps': 3 + number,
      'trainable': [('^heads_', 'all'), ('.*', 'frozen')],
      'tasks.kinetics400.dropout': 0.3,  # Which the seed draws.
    }
    configs = [
      make_config(
        'kinetics400', **fields, **{'optimizer.learning_rate': rate + number}
      )
      for rate in (0.1, 0.2)
    ]
    _compile_in_a_process(number, tmp_path, configs)
    names = [path.name for path in tmp_path.glob('compiled/*/*-cache')]
    kept.append(set(names))
  first, second = kept
  assert {'train_step', 'together'} <= set(map(_program, first))
  assert {_program(name) for name in second - first} <= {'schedule'}


def _compile_in_a_process(number, folder, configs):
  """Keeps what is compiled where a run by default does, below a folder."""
  # Those that tests share would be found.
  places = ('JAX_COMPILATION_CACHE_DIR', compiling.VARIABLE)
  env = {k: v for k, v in os.environ.items() if k not in places}
  env |= {'PYTHONHASHSEED': str(number), 'JAX_PLATFORMS': 'cpu'}
  texts = [config.to_json() for config in configs]
  done = subprocess.run(
    [sys.executable, '-c', COMPILES, str(folder), *texts],
    cwd=experiments.ROOT,
    env=env,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
