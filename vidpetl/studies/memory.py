"""What a training step has in memory at most, by part, without compiling it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

from vidpetl.backbones import devices as devices_lib
from vidpetl.data import clips
from vidpetl.experiment import experiment as experiment_lib
from vidpetl.studies import liveness
from vidpetl.training import sharding
from vidpetl.training import step as step_lib


def parts(
  config: Any,
  experiment: experiment_lib.Experiment,
  infos: Mapping[str, Any],
  state: Any,
  tx: Any,
  devices: int,
) -> dict[str, Any]:
  """Returns bytes on one device, of the task that takes most.

  State goes by its sharding; what a step makes of it and of the batch is that
  of the moment at which there is most, see `studies.liveness`, on the device
  that is meant.

  Args:
    config: of the run, completed.
    experiment: that it is.
    infos: of the data of each task.
    state: abstract, see `Experiment.init_state`.
    tx: optimizer.
    devices: that share the batch and, along 'fsdp', the parameters.
  """
  fsdp = max(config.mesh.fsdp, 1)
  mesh = jax.sharding.AbstractMesh((devices // fsdp, fsdp), sharding.AXES)
  on_one = lambda tree: sharding.bytes_per_device(tree, mesh, config.sharding)
  at_a_time = config.batch_size / config.accumulate / devices
  rows = max(1, round(at_a_time))
  peaks = {
    name: peak(experiment, infos[name], state, tx, name, rows)
    for name in experiment.tasks
  }
  made = {k: p.kept + p.worked_on for k, p in peaks.items()}
  most = peaks[max(peaks, key=lambda name: peaks[name].total)]
  trained, of_clips = on_one({'params': state.params}), at_a_time / rows
  gradients = round(most.results * min(1, trained / max(1, _bytes(state))))
  sizes = {
    'params': trained + on_one({'frozen': state.frozen}) + most.copies,
    # Those of the parts of a batch are summed up beside those of a part.
    'gradients': gradients + (trained if config.accumulate > 1 else 0),
    'optimizer': on_one(state.opt_state),
    'activations': round(of_clips * most.kept),
    'worked on': round(of_clips * most.worked_on),
  }
  return {
    **sizes,
    'total': sum(sizes.values()),
    'tasks': {name: round(of_clips * n) for name, n in made.items()},
    'clips_per_device': at_a_time,
  }


def _bytes(state: Any) -> int:
  """Returns the bytes of what trains, on all devices together."""
  return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(state.params))


def batch_of(
  info: Any, task: Any, size: int
) -> dict[str, jax.ShapeDtypeStruct]:
  """Returns the arrays of a training batch, abstract.

  Args:
    info: of the task's data.
    task: whose batch.
    size: clips of it.
  """
  signature = clips.signature(info, task.train_clip)
  return {
    field: jax.ShapeDtypeStruct((size, *shape), kind)
    for field, (shape, kind) in signature.items()
  }


def peak(
  experiment: experiment_lib.Experiment,
  info: Any,
  state: Any,
  tx: Any,
  name: str,
  rows: int,
) -> liveness.Peak:
  """Returns what a step of a task has in memory at most, but for its arguments.

  Args:
    experiment: whose step it is.
    info: of the task's data.
    state: abstract.
    tx: optimizer.
    name: of the task.
    rows: clips of the step.
  """
  task = experiment.tasks[name]
  batch = batch_of(info, task, rows)
  weights = {
    field: getattr(state, field)
    for field in ('params', 'frozen', 'batch_stats')
  }

  def step(weights, state, batch):
    state = state.replace(**weights)
    return step_lib.train_step(
      state, batch, model=experiment.model, task=task, tx=tx, seed=0
    )

  on = liveness.device(devices_lib.current().platform)
  return liveness.peak(step, on, weights, state, batch)
