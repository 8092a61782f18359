"""Runs that read features in place of videos come to the same."""

import itertools
import json

import jax
import numpy as np
import pytest

from vidpetl.training import filling, loop, sharding
from vidpetl.training import run as run_lib

STILL = {'flip': False, 'scale_jitter': None, 'box_jitter': 0.0}


@pytest.fixture
def make(make_config, tmp_path):
  """Returns a function that makes a config in which nothing is random."""

  def make(task, dtype, probe=None):
    config = make_config(task).unlock()
    if probe:
      config.tasks[task].probe = probe
    config.trainable = (('backbone/.*', 'frozen'), ('.*', 'all'))
    config.backbone.stochastic_depth = 0.0
    config.tasks[task].augment.update(STILL)
    if task != 'ava':
      clip = config.tasks[task].clip
      clip.sampling = 'spread'
      del clip.short, clip.stride
    if dtype:
      config.cache = {'path': str(tmp_path / 'cache'), 'dtype': dtype}
    return config.lock()

  return make


def course(config, name, steps=3):
  """Takes steps, and predicts; returns losses and outputs."""
  run = run_lib.prepare(config)
  with jax.set_mesh(run.mesh):
    state, _ = run.init_state()
    if run.cache:
      filling.fill(run, state, lambda line: None)
    losses = []
    batches = run.train_batches(0)[name]
    for step, batch in enumerate(itertools.islice(batches, steps)):
      given = sharding.to_device(batch, run.mesh)
      state, told = run.train_steps()[name](
        state, given, rates=run.rates(min(step, 1))
      )
      losses.append(float(told['loss']))
    outputs = [
      run.predictors()[name](state, sharding.to_device(batch, run.mesh))
      for batch in itertools.islice(run.eval_batches(name), 1)
    ]
  return run, losses, jax.tree.map(np.asarray, outputs[0])


PROBE = {'kind': 'attentive', 'layers': (0, -1), 'heads': 2}


@pytest.mark.parametrize(
  'task, probe, kept',
  [
    ('kinetics400', None, {'summary'}),
    ('ava', None, {'regions'}),
    ('kinetics400', PROBE, {'blocks/0/grid', 'blocks/-1/grid'}),
  ],
)
def test_losses_and_outputs_are_those_of_the_videos(make, task, probe, kept):
  _, losses, outputs = course(make(task, '', probe), task)
  cached, found, predicted = course(make(task, 'float32', probe), task)
  layout = cached.cache.parts[task, True].layout
  assert {x for x in layout if '/' in x} == {f'features/{x}' for x in kept}
  np.testing.assert_allclose(found, losses, rtol=1e-5)
  assert losses[0] != losses[-1]
  assert outputs.keys() == predicted.keys()
  real = outputs['valid']  # What pads a batch is nothing.
  assert real.any()
  for name, expected in outputs.items():
    np.testing.assert_allclose(
      predicted[name][real], expected[real], 1e-4, 1e-5, err_msg=name
    )


@pytest.mark.slow
def test_a_whole_run_goes_on_from_its_cache(make, tmp_path):
  config = make('kinetics400', 'bfloat16')
  first = loop.run(config, str(tmp_path / 'a'))
  again = loop.run(config, str(tmp_path / 'b'))
  assert (
    first['tasks']['kinetics400']['metrics']
    == (again['tasks']['kinetics400']['metrics'])
  )
  lines = (tmp_path / 'b' / 'metrics.jsonl').read_text().splitlines()
  assert any('kinetics400/loss' in json.loads(line) for line in lines)
