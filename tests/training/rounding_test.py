"""A run on frozen kernels in fewer bits is named by what it has read."""

import dataclasses
import json
import types

import experiments
import jax
import numpy as np
import optax
import packages
import pytest

from vidpetl.backbones import rounded
from vidpetl.experiment import spec
from vidpetl.parameters import storage, trainable
from vidpetl.training import rounding, sharding


@pytest.fixture
def make():
  """Returns a function that makes run and state, as a run does."""

  def make(kind):
    config = packages.make_config('clip', 'lora', rank=2)
    config.frozen_dtype = kind
    config.sharding = (('.*', 'replicate'),)
    built, params = packages.trained(config)
    tree = {'params': trainable.unflatten(params)}
    source = {} if kind == 'float32' else rounding.source(built, tree['params'])
    mesh = jax.make_mesh((1, 1), sharding.AXES)
    run = types.SimpleNamespace(
      experiment=built, config=config, mesh=mesh, source=source
    )
    return run, built.state(tree, optax.sgd(0.1)), params

  return make


def test_kernels_of_layers_are_kept_and_nothing_else(make):
  run, state, params = make('int8')
  frozen = trainable.flatten(state.frozen)
  short = {p for p, x in frozen.items() if isinstance(x, rounded.Rounded)}
  assert short == {
    p for p in params if p.startswith('backbone/') and p.endswith('/kernel')
  }
  assert run.experiment.kernels.keys() >= short
  assert trainable.flatten(state.params).keys() == {
    p for p in params if p not in frozen
  }


def test_it_is_named_by_what_was_read_and_says_its_error(make):
  run, state, params = make('int8')
  whole, exact, _ = make('float32')
  assert rounding.frozen_hash(run, state) == storage.tree_hash(exact.frozen)
  assert rounding.frozen_hash(run, state) == rounding.frozen_hash(whole, exact)
  for path, value in run.source.items():
    np.testing.assert_array_equal(value, params[path])
  errors = rounding.errors(run, state)
  assert set(errors) == {'features', 'logits'}
  assert all(1e-4 < error < 0.1 for error in errors.values())
  assert 'kept in int8: of a random clip, that changes features by' in (
    rounding.told(run, state)
  )


@pytest.mark.parametrize('model', ['clips', 'people'])
def test_logits_of_trained_models_are_within_a_hundredth(model):
  """Random weights say little: in trained ones the residual stream leads."""
  folder = experiments.ROOT / 'vidpetl' / 'models' / model
  built = spec.build(json.loads((folder / 'model.json').read_text()))
  arrays = storage.load_arrays(str(folder / 'model.safetensors'))
  tree = {'params': trainable.unflatten(arrays)}
  group_of = {
    path: 'all' if path.startswith('heads_') else trainable.FROZEN
    for path in arrays
  }
  config = types.SimpleNamespace(
    frozen_dtype='int8',
    sharding=(('.*', 'replicate'),),
    get=lambda name, default: 'int8',
  )
  built = dataclasses.replace(built, group_of=group_of, config=config)
  run = types.SimpleNamespace(
    experiment=built,
    config=config,
    mesh=jax.make_mesh((1, 1), sharding.AXES),
    source=rounding.source(built, tree['params']),
  )
  errors = rounding.errors(run, built.state(tree, optax.sgd(0.1)))
  assert 1e-5 < errors['logits'] < 0.005, errors
