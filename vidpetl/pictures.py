"""Draws what a trained run has learned, and what it looks at.

  python -m vidpetl.pictures --config=CONFIG --workdir=RUN [--checkpoint=best]

Writes into RUN/pictures, as PNG and SVG:

  fusion_weights.png    what MST-Adapters learned of their branches, by layer
  grad_cam_<task>.png   what speaks for the predicted class in clips that are
                        spread evenly over the evaluation set, in one view
"""

from __future__ import annotations

import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '0')

import dataclasses
import functools
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from absl import app, flags, logging
from etils import epath, epy

from vidpetl import cli
from vidpetl.recipes import config_flag

with epy.lazy_imports():
  import jax

  from vidpetl.data import augment, clips, decode, index
  from vidpetl.experiment import complete, configure
  from vidpetl.experiment import experiment as experiment_lib
  from vidpetl.experiment import state as state_lib
  from vidpetl.parameters import trainable
  from vidpetl.petl import adapted
  from vidpetl.studies import fusion, grad_cam, style
  from vidpetl.training import checkpoint as checkpoint_lib
  from vidpetl.training import run as run_lib
  from vidpetl.training import sharding

_MODEL = ('backbone', 'petl', 'trainable')


def define_flags() -> None:
  """Defines the command line."""
  config_flag.define('The config that the run was trained with.')
  flags.DEFINE_string('workdir', None, 'Folder of the run.')
  flags.DEFINE_string('checkpoint', 'latest', "'latest', 'best' or a step.")
  flags.DEFINE_integer('examples', 4, 'Clips to explain.', lower_bound=1)
  flags.DEFINE_string('task', None, 'Which task; all classifications if unset.')
  flags.mark_flags_as_required(['config', 'workdir'])


def check_same_model(config: Any, workdir: str) -> None:
  """Refuses a config whose model is not the one that was trained.

  Raises:
    ValueError: naming the fields that differ from the run's config.json.
  """
  path = epath.Path(workdir, 'config.json')
  if not path.exists():
    return
  then = complete.as_json(json.loads(path.read_text()))
  now = complete.as_json(config)
  differ = [f for f in _MODEL if then.get(f) != now.get(f)]
  if differ:
    raise ValueError(
      f'{path} has other values of {", ".join(differ)}: give the --config that '
      'the run was trained with.'
    )


def restore(
  run: run_lib.Run, workdir: str, wanted: str
) -> tuple[state_lib.TrainState, int]:
  """Returns the state of a checkpoint, and its step.

  Args:
    run: that was trained.
    workdir: of the run.
    wanted: 'latest', 'best' or a step.

  Raises:
    ValueError: if there is no such checkpoint, or it is of another model.
  """
  folder = epath.Path(workdir, 'checkpoints')
  if not folder.is_dir():
    raise ValueError(f'{folder} is not there: train with this --workdir first.')
  check_same_model(run.config, workdir)
  options = run.config.checkpoint
  saved = checkpoint_lib.Checkpoints(workdir, options.keep, options.best)
  try:
    step = saved.find(wanted, '--checkpoint')
    return run.restore(saved, step), step
  finally:
    saved.close()


def choose_tasks(run: run_lib.Run, name: str | None) -> list[str]:
  """Returns the classifications that are evaluated, or the one that is named.

  Raises:
    ValueError: if the one that is named is none of them.
  """
  tasks = run.experiment.tasks
  known = [
    task
    for task, source in run.evaluation.items()
    if 'label' in clips.signature(source.info, tasks[task].eval_clip)
  ]
  if name and name not in known:
    raise ValueError(
      f'--task={name}: Grad-CAM is drawn of classifications that have an '
      f'evaluation set; this config has {", ".join(known) or "none"}.'
    )
  return [name] if name else known


def sites(run: run_lib.Run) -> list[adapted.Place]:
  """Returns the sites of the run's backbone."""
  experiment = run.experiment
  task = next(iter(experiment.tasks.values()))
  clip = experiment_lib.encoded_clip(task, experiment.dtype)
  return adapted.sites(experiment.model.backbone, clip, train=False)


def read_clips(run: run_lib.Run, name: str, count: int) -> Iterator[dict]:
  """Yields `count` clips, evenly spread, a batch [devices, ...] at a time.

  The last batch is filled up with padding, whose index is -1. What cannot be
  decoded is said and left out.
  """
  source = run.evaluation[name]
  # One view, in the middle of the video.
  spec = run.experiment.tasks[name].eval_clip
  spec = dataclasses.replace(spec, views=(1, 1))
  spec.check(source.info)
  chosen = np.linspace(0, len(source) - 1, min(count, len(source)))
  chosen = chosen.round().astype(int)
  size = run.mesh.size
  for first in range(0, len(chosen), size):
    batch = clips.padding(source.info, spec, (size,))
    for row, i in enumerate(chosen[first : first + size]):
      clip = {key: array[row, ...] for key, array in batch.items()}
      seed = index.example_seed(0, source.info.name, int(i))
      try:
        clips.load(source, int(i), spec, seed, out=clip)
      except decode.DecodeError as error:
        print(f'{name}: left out, cannot be decoded: {error}')
    yield batch


def explain_clips(
  run: run_lib.Run,
  state: state_lib.TrainState,
  places: Sequence[adapted.Place],
  name: str,
  count: int,
) -> list[grad_cam.Example]:
  """Returns clips of a task with what speaks for their predicted classes."""
  task = run.experiment.tasks[name]
  place = grad_cam.choose_place(places)

  @functools.partial(jax.jit, out_shardings=sharding.replicated(run.mesh))
  def explain(state, batch):
    inputs = augment.preprocess(batch, task.augment, train=False)
    model = run.experiment.model
    logits, maps = grad_cam.explain(model, state.variables, inputs, name, place)
    return jax.nn.softmax(logits), maps

  classes = run.evaluation[name].info.classes
  examples = []
  for batch in read_clips(run, name, count):
    scores, maps = explain(state, sharding.to_device(batch, run.mesh))
    scores, maps = np.asarray(scores), np.asarray(maps)
    for row in np.flatnonzero(batch['valid']):
      best, label = int(scores[row].argmax()), int(batch['label'][row])
      _, frames, side, _, _ = batch['video'].shape
      height, width = batch['size'][row]
      heat = grad_cam.to_frames(maps[row], frames, side)
      examples.append(
        grad_cam.Example(
          # What is beyond the content is padding.
          batch['video'][row, :, :height, :width],
          heat[:, :height, :width],
          classes.get(label, f'class {label}'),
          classes.get(best, f'class {best}'),
          float(scores[row, best]),
        )
      )
  return examples


def draw(
  config: Any,
  workdir: str,
  checkpoint: str = 'latest',
  count: int = 4,
  task: str | None = None,
) -> list[epath.Path]:
  """Draws all pictures of a run.

  Args:
    config: that it was trained with.
    workdir: where it lives.
    checkpoint: 'latest', 'best' or a step.
    count: clips to explain.
    task: which to explain; None for all classifications.

  Returns:
    The files that were written.
  """
  pictures = {}
  with jax.set_mesh(sharding.make_mesh(**config.mesh.to_dict())):
    run = run_lib.prepare(config, workdir)
    tasks = choose_tasks(run, task)
    state, step = restore(run, workdir, checkpoint)
    print(f'Step {step} of {workdir}.')
    places = sites(run)
    params = trainable.flatten(state.variables['params'])
    if found := fusion.read(params, places):
      pictures['fusion_weights'] = fusion.draw(found)
    else:
      print('The run has no MST-Adapter with learned fusion weights to draw.')
    for name in tasks:
      if examples := explain_clips(run, state, places, name, count):
        pictures[f'grad_cam_{name}'] = grad_cam.draw(examples)
  folder = epath.Path(workdir, 'pictures')
  paths = []
  for name, picture in pictures.items():
    paths += style.save(picture, folder, name)
  for path in paths:
    print(path)
  return paths


def main(argv: list[str]) -> None:
  """Runs the command line."""
  args = flags.FLAGS
  if len(argv) > 1:
    raise app.UsageError(f'What is meant by {argv[1:]}?')
  logging.set_verbosity(logging.ERROR)
  config = configure.from_flags()
  if config.compile_cache:
    jax.config.update('jax_compilation_cache_dir', config.compile_cache)
  draw(config, args.workdir, args.checkpoint, args.examples, args.task)


if __name__ == '__main__':
  cli.run(define_flags, main)
