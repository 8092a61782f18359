"""Whose mean and standard deviation of pixels a run takes."""

import json

import numpy as np
import pytest
import safetensors.numpy

from vidpetl.experiment import complete, pixels
from vidpetl.recipes import named

GREY = {'mean': [0.5] * 3, 'std': [0.5] * 3}


def config_of(path, **fields):
  config = named.load('vpetl:backbone=videomae').copy_and_resolve_references()
  config.unlock()
  config.init.update(path=str(path), **fields)
  return complete.complete(config)


def augment_of(config):
  (task,) = config.tasks.values()
  return task.augment


@pytest.fixture
def converted(tmp_path):
  path = tmp_path / 'weights.safetensors'
  said = {'mean': 0.5, 'std': [0.5] * 3, 'backbone': {}}
  arrays = {'backbone/x': np.zeros(1, np.float32)}
  safetensors.numpy.save_file(arrays, path, {'vidpetl': json.dumps(said)})
  return path


def test_weights_of_convert_bring_their_pixels(converted):
  config, (note,) = pixels.resolve(config_of(converted))
  assert augment_of(config).mean == (0.5, 0.5, 0.5)
  assert "config.init.pixels='config'" in note and config.is_locked


def test_the_config_is_kept_if_it_is_to_be(converted):
  before = config_of(converted, pixels='config')
  config, notes = pixels.resolve(before)
  assert config == before and not notes


def test_a_family_brings_its_pixels_and_equal_ones_are_not_worth_a_note():
  config, notes = pixels.resolve(config_of('x.pth', family='videomae'))
  assert not notes and augment_of(config).mean[0] == 0.485
  config, notes = pixels.resolve(config_of('x.npz', family='vit_npz'))
  assert len(notes) == 1 and augment_of(config).mean[0] == 0.5


def test_another_run_brings_what_it_took(tmp_path):
  tasks = {'a': {'augment': GREY}, 'b': {'augment': GREY}}
  (tmp_path / 'config.json').write_text(json.dumps({'tasks': tasks}))
  config, _ = pixels.resolve(config_of(tmp_path))
  assert augment_of(config).std == (0.5, 0.5, 0.5)
  step = tmp_path / 'checkpoints' / '12'
  assert pixels.of_weights(config_of(step).init)['mean'] == (0.5, 0.5, 0.5)


def test_tasks_of_another_run_that_differ_tell_nothing(tmp_path):
  other = {'mean': [0.1] * 3, 'std': [0.5] * 3}
  tasks = {'a': {'augment': GREY}, 'b': {'augment': other}}
  (tmp_path / 'config.json').write_text(json.dumps({'tasks': tasks}))
  before = config_of(tmp_path)
  assert pixels.resolve(before) == (before, [])


def test_a_resumed_run_takes_what_it_took_when_the_file_is_gone(
  converted, tmp_path
):
  config, _ = pixels.resolve(config_of(converted))
  workdir = tmp_path / 'run'
  workdir.mkdir()
  (workdir / 'config.json').write_text(config.to_json_best_effort())
  converted.unlink()
  again, _ = pixels.resolve(config_of(converted), workdir)
  assert augment_of(again).mean == (0.5, 0.5, 0.5)
