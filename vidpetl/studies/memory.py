"""What a training step keeps in memory, by part, without compiling it."""

from __future__ import annotations

from typing import Any

import jax

from vidpetl.experiment import experiment as experiment_lib
from vidpetl.parameters import trainable, variables
from vidpetl.studies import residuals as residuals_lib
from vidpetl.training import sharding


def parts(
  config: Any, experiment: experiment_lib.Experiment, state: Any, devices: int
) -> dict[str, Any]:
  """Returns bytes on one device: state by its sharding, activations by task.

  Args:
    config: of the run, completed.
    experiment: that it is.
    state: abstract, see `Experiment.init_state`.
    devices: that share the batch and, along 'fsdp', the parameters.
  """
  fsdp = max(config.mesh.fsdp, 1)
  mesh = jax.sharding.AbstractMesh((devices // fsdp, fsdp), sharding.AXES)
  on_one = lambda tree: sharding.bytes_per_device(tree, mesh, config.sharding)
  at_a_time = config.batch_size / config.accumulate / devices
  handed = {name: activations(experiment, state, name) for name in
            experiment.tasks}  # fmt: skip
  tasks = {k: round(each * at_a_time) for k, (each, _) in handed.items()}
  copied = max(once for _, once in handed.values())
  parts = {
    'params': on_one({'params': state.params, 'frozen': state.frozen}) + copied,
    'gradients': on_one({'params': state.params}),
    'optimizer': on_one(state.opt_state),
    'activations': max(tasks.values()),
  }
  return {
    **parts,
    'total': sum(parts.values()),
    'tasks': tasks,
    'clips_per_device': at_a_time,
  }


def activations(
  experiment: experiment_lib.Experiment, state: Any, name: str
) -> tuple[int, int]:
  """Returns bytes that the backward pass of a task is handed.

  Those of each clip, and those of all clips together: parameters that a loop
  of blocks has stacked.

  They are the residuals of the forward pass, as JAX keeps them for the device
  that is meant; a compiler may compute some of them again instead.
  """
  task = experiment.tasks[name]
  inputs = experiment_lib.model_inputs(task, 1, experiment.dtype, train=True)

  def residuals(params, frozen, batch_stats, inputs):
    def forward(params):
      outputs, _ = experiment.model.apply(
        variables.make(trainable.merge(params, frozen), batch_stats),
        inputs,
        name,
        train=True,
        rngs={'dropout': jax.random.key(0)},
        mutable=[variables.STATISTICS],
      )
      return outputs

    return jax.vjp(forward, params)[1]

  given = state.params, state.frozen, state.batch_stats
  total, once = residuals_lib.kept(
    lambda given, inputs: residuals(*given, inputs), given, inputs
  )
  return total - once, once
