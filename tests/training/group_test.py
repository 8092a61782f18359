"""Runs that train together come out as each would alone."""

import json
import shutil

import jax
import numpy as np
import pytest

from vidpetl.parameters import package, storage, variables
from vidpetl.recipes import methods
from vidpetl.studies import flops
from vidpetl.training import (
  alone,
  checkpoint,
  group,
  interruption,
  loop,
  programs,
  together,
)
from vidpetl.training import run as run_lib

# Seed, rate and weight decay.
OWN = ((0, 0.05, 0.0), (3, 0.02, 0.1))
TASK = 'kinetics400'


@pytest.fixture
def base(make_config, tmp_path):
  """A frozen trunk, as a file."""
  run = run_lib.prepare(make_config(TASK, steps=1))
  variables_of = variables.flatten(run.init_state()[0].variables)
  path = str(tmp_path / 'base.safetensors')
  storage.save_arrays(path, storage.to_host(variables_of))
  return path


@pytest.fixture
def make(make_config, base):
  """Returns configs that may train together."""

  def make(method, own, **fields):
    seed, rate, decay = own
    petl, rules = methods.make(
      method, **({'rank': 2} if method == 'lora' else {})
    )
    config = make_config(
      TASK,
      **{
        'petl': petl,
        'trainable': rules,
        'seed': seed,
        'data_seed': 7,
        'steps': 4,
        'init.path': base,
        'init.skip': ('^heads_', '/site_'),
        'optimizer.learning_rate': rate,
        'checkpoint.every': 2,
        'checkpoint.best': f'{TASK}/top1',
        'writers': (),
        **fields,
      },
    )
    config.unlock()
    for one in config.optimizer.groups.values():
      one['weight_decay'] = decay
    return config.lock()

  return make


def plan(make, method, folder, own=OWN, **fields):
  """Returns runs of a group, in folders of their own."""
  return [
    group.Planned(make(method, each, **fields), str(folder / str(i)), '', {})
    for i, each in enumerate(own)
  ]


def run_alone(planned, folder):
  """Returns results of the same runs, one by one."""
  return [
    loop.run(each.config, str(folder / str(i)))
    for i, each in enumerate(planned)
  ]


def losses(workdir):
  rows = map(json.loads, (workdir / 'metrics.jsonl').read_text().splitlines())
  return [row[f'{TASK}/loss'] for row in rows if f'{TASK}/loss' in row]


def check_same(one, other):
  """Asserts that two working directories hold the same run."""
  files = lambda folder: {
    str(path.relative_to(folder))
    for path in folder.rglob('*')
    if 'checkpoints' not in str(path) and 'check.json' not in str(path)
  }
  assert files(one) == files(other)
  assert (one / 'config.json').read_text() == (
    other / 'config.json'
  ).read_text()
  np.testing.assert_allclose(losses(one), losses(other), rtol=2e-4)
  for step in checkpoint.Checkpoints(str(one)).steps():
    mine, theirs = (
      storage.load_changing(str(each / 'checkpoints' / str(step)))
      for each in (one, other)
    )
    assert mine.keys() == theirs.keys()
    for name, array in mine.items():
      np.testing.assert_allclose(
        array, theirs[name], rtol=2e-3, atol=2e-5, err_msg=name
      )


@pytest.mark.parametrize(
  'method',
  [
    'head',
    pytest.param('lora', marks=pytest.mark.slow),
    pytest.param('adaptformer', marks=pytest.mark.slow),
  ],
)
def test_numbers_in_a_group_are_those_alone(make, method, tmp_path):
  """Of other seeds, rates and decays: losses, checkpoints, metrics, files."""
  planned = plan(make, method, tmp_path / 'group')
  found = group.run(planned)
  expected = run_alone(planned, tmp_path / 'alone')
  for i, (mine, theirs) in enumerate(zip(found, expected, strict=True)):
    metrics = lambda results: results['tasks'][TASK]['metrics']
    assert metrics(mine) == pytest.approx(metrics(theirs), abs=1e-6)
    check_same(tmp_path / 'group' / str(i), tmp_path / 'alone' / str(i))
