"""What of its clips speaks for what a trained run says: Grad-CAM of a run."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from etils import epath

from vidpetl.data import augment, clips, decode, index, opening
from vidpetl.experiment import complete
from vidpetl.experiment import experiment as experiment_lib
from vidpetl.experiment import state as state_lib
from vidpetl.petl import adapted
from vidpetl.studies import grad_cam, speaking
from vidpetl.training import checkpoint as checkpoint_lib
from vidpetl.training import run as run_lib
from vidpetl.training import sharding

_MODEL = ('backbone', 'petl', 'trainable')


def check_same_model(config: Any, workdir: str) -> None:
  """Refuses a config whose model is not the one that was trained.

  Raises:
    ValueError: naming the fields that differ from the run's config.json.
  """
  path = epath.Path(workdir, 'config.json')
  if not path.exists():
    return
  then = complete.as_json(opening.read_json(path))
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


def sites(run: run_lib.Run, name: str | None = None) -> list[adapted.Place]:
  """Returns the sites of the run's backbone on clips of a task.

  Args:
    run: that was trained.
    name: of the task; the first if left out.
  """
  experiment = run.experiment
  task = experiment.tasks[name or next(iter(experiment.tasks))]
  clip = experiment_lib.encoded_clip(task, experiment.dtype)
  return adapted.sites(experiment.model.backbone, clip, train=False)


def spread(run: run_lib.Run, name: str, count: int) -> list[int]:
  """Returns `count` examples of a task's evaluation set, evenly spread."""
  size = len(run.evaluation[name])
  return np.linspace(0, size - 1, min(count, size)).round().astype(int).tolist()


def read_clips(
  run: run_lib.Run, name: str, chosen: Sequence[int]
) -> Iterator[dict]:
  """Yields examples as clips in one view, a batch [devices, ...] at a time.

  The last batch is filled up with padding, whose index is -1. What cannot be
  decoded is said and left out.
  """
  source = run.evaluation[name]
  # One view, in the middle of the video.
  spec = run.experiment.tasks[name].eval_clip
  spec = dataclasses.replace(spec, views=(1, 1))
  spec.check(source.info)
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
  chosen: Sequence[int],
) -> dict[int, grad_cam.Example]:
  """Returns clips of a task with what speaks for what is said of them.

  Args:
    run: that was trained.
    state: of it.
    places: of `sites`.
    name: of a task.
    chosen: examples of its evaluation set.

  Returns:
    Those that can be decoded, by example; of people those that have any.

  Raises:
    ValueError: if the task says nothing of a clip that a map could show.
  """
  task = run.experiment.tasks[name]
  info = run.evaluation[name].info
  speaker = speaking.of(task, info.kind)
  place = grad_cam.choose_place(places)

  @functools.partial(jax.jit, out_shardings=sharding.replicated(run.mesh))
  def explain(state, batch):
    inputs = augment.preprocess(batch, task.augment, train=False)
    model = run.experiment.model
    read, maps = grad_cam.explain(
      model, state.variables, inputs, name, place, speaker.value
    )
    return speaker.told(read, inputs), maps

  examples = {}
  for batch in read_clips(run, name, chosen):
    told, maps = explain(state, sharding.to_device(batch, run.mesh))
    told, maps = jax.tree.map(np.asarray, (told, maps))
    shown = batch['valid'] & batch.get('box_valid', np.ones((1, 1))).any(-1)
    for row in np.flatnonzero(shown):
      clip = {key: array[row] for key, array in batch.items()}
      truth, said = speaker.words(clip, int(told['label'][row]), info.classes)
      _, frames, side, _, _ = batch['video'].shape
      height, width = batch['size'][row]
      heat = speaking.maps_in_frames(task, maps[row], frames, side)
      examples[int(batch['index'][row])] = grad_cam.Example(
        # What is beyond the content is padding.
        batch['video'][row, :, :height, :width],
        heat[:, :height, :width],
        truth,
        said,
        float(told['score'][row]),
      )
  return examples
