"""A tiny demo world, and experiments on it that train in seconds."""

import contextlib
import fcntl
import importlib.util
import os
import pathlib

# Compiling is most of what tests do; these programs run for milliseconds.
os.environ['XLA_FLAGS'] = (
  os.environ.get('XLA_FLAGS', '') + ' --xla_backend_optimization_level=0'
)

import pytest

from vidpetl.data import world as world_lib

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture(scope='session')
def world(tmp_path_factory):
  """dataset -> raw folder; written once, also by parallel workers."""
  out = tmp_path_factory.getbasetemp().parent / 'world'
  with _lock(out.with_suffix('.lock')):
    return world_lib.write(out, size='tiny', processes=1)


@contextlib.contextmanager
def _lock(path):
  with open(path, 'w') as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    yield


def load_config(name, argument=''):
  """Returns what configs/<name>.py:<argument> is."""
  path = ROOT / 'configs' / f'{name}.py'
  spec = importlib.util.spec_from_file_location(name, path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module.get_config(argument)


def shrink(config, world, tasks=None):
  """The same experiment, a few steps of a tiny model on tiny raw videos."""
  config = config.copy_and_resolve_references()
  config.unlock()
  for name in [n for n in config.tasks if tasks and n not in tasks]:
    del config.tasks[name]
  for name, task in config.tasks.items():
    for split in ('train', 'eval'):
      task[split] = {
        'source': 'raw',
        'dataset': name,
        'raw': str(world[name]),
        'split': task[split].split,
      }
      if name == 'ava':
        task[split].video_start = 900
    task.clip.update(frames=4, resolution=32)
    if task.task == 'classification':
      task.num_classes = None
    else:
      task.clip.max_boxes = task.eval_clip.max_boxes = 4
      task.pool = (2, 2)
      task.pictures = 1
  config.backbone.update(
    width=8, heads=2, mlp=16, depth=1, temporal_depth=1, tubelet=(2, 16, 16)
  )
  if 'ava' not in config.tasks:
    config.checkpoint.best = ''
  config.dtype = 'float32'
  config.batch_size = config.eval_batch_size = 8
  config.steps, config.log_every, config.checkpoint.every = 2, 1, 100
  config.optimizer.warmup_epochs = 0.0
  config.input.workers = 2
  return config.lock()


@pytest.fixture
def make_config(world):
  """Returns configs/cofinetune_ava.py:demo, shrunk, with fields replaced."""

  def make(*tasks, **fields):
    config = shrink(load_config('cofinetune_ava', 'demo'), world, tasks)
    config.unlock()
    config.update_from_flattened_dict(fields)
    return config.lock()

  return make


@pytest.fixture
def config_file(tmp_path):
  """Returns a function that writes a config where --config finds it."""

  def write(config):
    path = tmp_path / 'experiment.py'
    path.write_text(
      'import json\n'
      'import ml_collections\n\n\n'
      'def get_config():\n'
      f'  text = {config.to_json()!r}\n'
      '  return ml_collections.ConfigDict(json.loads(text)).lock()\n'
    )
    return path

  return write
