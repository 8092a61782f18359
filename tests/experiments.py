"""Configs for tests: those of the project, made small."""

import importlib.util
import pathlib

import jax

from vidpetl.recipes import crops, presets
from vidpetl.training import programs, sharding
from vidpetl.training import run as run_lib

ROOT = pathlib.Path(__file__).parent.parent


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
  preset = presets.like(config.backbone.to_dict())
  for name in [n for n in config.tasks if tasks and n not in tasks]:
    del config.tasks[name]
  for name, task in config.tasks.items():
    for split in ('train', 'eval'):
      task[split] = _on_raw_files(name, task[split], world)
    _shrink_task(task, preset.tiny_frames)
    if 'views' in task.get('eval_clip', ()):
      clips, crops = task.eval_clip.views
      task.eval_clip.views = (min(clips, 2), crops)
  config.backbone = {**config.backbone.to_dict(), **preset.tiny}
  if 'ava' not in config.tasks:
    config.checkpoint.best = ''
  config.report, config.validation, config.page = 'last', 0.0, False
  config.dtype = 'float32'
  config.batch_size = config.eval_batch_size = 8
  config.steps, config.log_every, config.checkpoint.every = 2, 1, 100
  config.optimizer.warmup_epochs = 0.0
  config.input.workers = 2
  return config.lock()


def _shrink_task(task, frames):
  """Cuts smaller clips, of which `frames` frames are encoded at a time."""
  task.clip.update(crops.at(task.clip, 32))
  if task.task.startswith('quality.'):
    task.starts, task.length = (0, frames // 2), frames
    task.clip.frames = frames + frames // 2
    if task.task == 'quality.tsa':
      task.widths, task.heads = (4,), 2
    return
  if task.task == 'pretext.rspnet':
    task.clip.frames, task.queue = 2 * frames, 16
    return
  task.clip.frames = min(task.clip.frames, frames)
  if task.task == 'classification':
    task.num_classes = None
  elif task.task == 'localisation':
    task.clip.max_boxes = task.eval_clip.max_boxes = 4
    task.pool = (2, 2)
    task.pictures = 1


def _on_raw_files(name, source, world):
  """A task's source, on the tiny world's raw files."""
  if source.source == 'tfds_images':
    return {**source.to_dict(), 'data_dir': str(world['images'])}
  dataset = source.get('dataset', name)
  raw = {
    'source': 'raw',
    'dataset': dataset,
    'raw': str(world[dataset.removesuffix('_1')]),
    'split': source.split,
    **{k: source[k] for k in ('task', 'fold') if k in source},
  }
  return raw | ({'video_start': 900} if dataset == 'ava' else {})


def begin(config):
  """Reads a batch of each task and lowers its step; nothing is compiled.

  Returns:
    The run.
  """
  with jax.set_mesh(sharding.make_mesh()):
    run = run_lib.prepare(config)
    batches = run.train_batches(0)
    for name, step in run.train_steps().items():
      shapes = run.batch_shapes(name)
      batch = next(batches[name])
      assert {k: v.shape for k, v in batch.items()} == {
        k: v.shape for k, v in shapes.items()
      }
      programs.lower(step, run.shapes, shapes, config)
  return run


def check_close(metrics, expected, tolerance):
  """Asserts that metrics agree; None is what cannot be measured."""
  assert set(metrics) == set(expected)
  for name, value in expected.items():
    if value is None:
      assert metrics[name] is None, name
    else:
      assert abs(metrics[name] - value) <= tolerance, name
