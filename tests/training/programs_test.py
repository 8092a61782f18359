"""What a step of training is compiled to: what it keeps, and where."""

import json
import os
import re
import subprocess
import sys

import jax
import pytest

from vidpetl.data import clips
from vidpetl.experiment import experiment as experiment_lib
from vidpetl.training import programs, sharding

# Parameters outweigh activations.
WIDE = {
  'batch_size': 4, 'backbone.width': 96, 'backbone.heads': 2,
  'backbone.mlp': 320, 'backbone.depth': 4,
}  # fmt: skip


def compiled(config, mesh):
  """The abstract state of a run, and its compiled step."""
  config.unlock()
  config.tasks.kinetics400.num_classes = 3
  infos = experiment_lib.infos_from_config(config)
  experiment = experiment_lib.build(config, infos)
  tx, _ = experiment.optimizer(epoch=10, total=100)
  state = programs.state_shapes(config, experiment, tx, mesh)
  clip = experiment.tasks['kinetics400'].train_clip
  signature = clips.signature(infos['kinetics400'], clip)
  batch = programs.batch_shapes(config, signature, mesh)
  step = programs.train_step(config, experiment, tx, 'kinetics400', mesh)
  with jax.set_mesh(mesh):
    return state, programs.lower(step, state, batch, config).compile()


def bytes_of(tree):
  return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))


@pytest.fixture
def made(make_config):
  def make(**fields):
    config = make_config('kinetics400', **{**WIDE, **fields})
    return compiled(config, sharding.make_mesh())

  return make


def test_a_step_writes_over_the_state_that_it_is_given(made):
  state, step = made()
  kept = step.memory_analysis().alias_size_in_bytes
  assert kept >= bytes_of((state.params, state.opt_state))


def test_parts_of_a_batch_cost_one_sum_of_gradients(made):
  """Each part's gradient is added where it is made, and not kept."""
  _, whole = made(batch_size=2)
  state, parts = made(accumulate=4, batch_size=8)
  one, four = (
    step.memory_analysis().temp_size_in_bytes for step in (whole, parts)
  )
  assert four < one + 1.1 * bytes_of(state.params)


def test_a_frozen_kernel_has_no_gradient(made):
  """Nothing of its shape is computed; where it trains, its gradient is."""

  def computed(step):
    results = re.findall(r'= f32\[([\d,]+)\]\S* ([\w-]+)\(', step.as_text())
    kernels = {'96,320', '320,96'}
    return {op for shape, op in results if shape in kernels} & {'dot', 'add'}

  _, all_trained = made()
  _, frozen = made(trainable=[('heads_', 'all'), ('.*', 'frozen')])
  assert computed(all_trained) and not computed(frozen)


def test_of_a_gradient_nothing_is_stored_but_what_the_update_writes(made):
  state, step = made()
  entry = step.as_text().partition('\nENTRY ')[2]
  stored = re.findall(r'= f32\[([\d,]+)\]\S* (?:fusion|dot)\(', entry)
  for kernel in (96, 320), (320, 96):
    count = sum(x.shape == kernel for x in jax.tree.leaves(state.params))
    # The gradient, two moments, and the parameter.
    assert count and stored.count('{},{}'.format(*kernel)) == 4 * count


FSDP = """
import json, re, sys
import jax
sys.path[:0] = [{here!r}, *{path!r}]
from ml_collections import ConfigDict
import programs_test
from vidpetl.studies.pods import program
from vidpetl.training import sharding
config = ConfigDict(json.loads({config!r}))
state, step = programs_test.compiled(config, sharding.make_mesh(1, 4))
given, made = jax.tree.leaves(state), jax.tree.leaves(step.output_shardings[0])
alike = [x.sharding.is_equivalent_to(y, x.ndim) for x, y in zip(given, made)]
split = {{x.shape for x in given if x.sharding.spec and any(x.sharding.spec)}}
print(json.dumps({{
  'alike': all(alike) and len(given) == len(made),
  'split': len(split),
  'parameters': [x.size * 4 for x in jax.tree.leaves(state.params)],
  'collectives': program.collectives(program.Program(step.as_text())),
  'temporary': step.memory_analysis().temp_size_in_bytes,
  'arguments': step.memory_analysis().argument_size_in_bytes,
}}))
"""


def test_under_fsdp_a_step_keeps_what_it_is_given_where_it_was(make_config):
  """Parameters, moments and, in between, gradients: a part on each device."""
  config = make_config(
    'kinetics400', **WIDE, **{'sharding': [('.*', 'fsdp')], 'mesh.fsdp': 4}
  )
  script = FSDP.format(
    here=os.path.dirname(__file__), path=sys.path, config=config.to_json()
  )
  devices = '--xla_force_host_platform_device_count=4'
  said = subprocess.run(
    [sys.executable, '-c', script],
    env={**os.environ, 'JAX_PLATFORMS': 'cpu', 'XLA_FLAGS': devices},
    capture_output=True,
    text=True,
    check=False,
  )
  assert said.returncode == 0, said.stderr
  found = json.loads(said.stdout.splitlines()[-1])
  assert found['alike'] and found['split'] > 3
  # Each parameter is gathered once, its gradient summed once, and little else
  # is moved: no activations.
  moved, parameters = found['collectives'], found['parameters']
  gathered, others = moved.pop('all-gather'), moved.values()
  assert 0 < gathered['count'] < 1.2 * len(parameters)
  assert gathered['bytes'] < 1.05 * sum(parameters)
  assert 0 < sum(each['bytes'] for each in others) < 1.05 * sum(parameters)
