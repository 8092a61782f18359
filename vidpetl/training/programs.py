"""The programs of a run, and the shapes of what they are given."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from vidpetl import heap
from vidpetl.experiment import experiment as experiment_lib
from vidpetl.experiment import state as state_lib
from vidpetl.training import overlap, sharding
from vidpetl.training import step as step_lib


def train_step(
  config: Any,
  experiment: experiment_lib.Experiment,
  tx: Any,
  name: str,
  mesh: jax.sharding.Mesh,
) -> Any:
  """Returns the compiled update of a task: (state, batch, rates=) -> ...

  The arguments are those of `update`, and the mesh of devices that it is for.
  """
  compiled = jax.jit(
    update(config, experiment, tx, name),
    donate_argnums=0,
    compiler_options=overlap.options(mesh, config.mesh.overlap),
  )
  # An argument, as `rates` is, so that runs of all seeds share one program.
  return functools.partial(compiled, seed=config.seed)


def update(
  config: Any, experiment: experiment_lib.Experiment, tx: Any, name: str
) -> Callable[..., Any]:
  """Returns the update of a task, to be compiled; see `step.train_step`.

  Args:
    config: of the run.
    experiment: that it is.
    tx: optimizer.
    name: of the task.
  """
  others = [task for task in experiment.tasks if task != name]
  hold = ''
  if config.optimizer.hold_absent_heads and others:
    hold = f'heads_({"|".join(others)})/'
  return functools.partial(
    step_lib.train_step,
    model=experiment.model,
    task=experiment.tasks[name],
    tx=tx,
    accumulate=config.accumulate,
    hold=hold,
  )


def lower(
  step: Any,
  state: state_lib.TrainState,
  batch: dict[str, jax.ShapeDtypeStruct],
  config: Any,
) -> jax.stages.Lowered:
  """Returns what `train_step` gave, lowered for shapes of its arguments."""
  rate = jax.ShapeDtypeStruct((), jnp.float32)
  rates = dict.fromkeys(('', *config.optimizer.groups), rate)
  return step.func.lower(state, batch, rates=rates, **step.keywords)


def ready(step: jax.stages.Lowered) -> None:
  """Compiles a step, so that its first call need not, and minds its memory."""
  memory = step.compile().memory_analysis()
  if memory:
    heap.spare(memory.temp_size_in_bytes)


def state_shapes(
  config: Any,
  experiment: experiment_lib.Experiment,
  tx: Any,
  mesh: jax.sharding.Mesh,
) -> state_lib.TrainState:
  """Returns the abstract state of a run, sharded."""
  create = functools.partial(experiment.init_state, tx=tx)
  shapes = jax.eval_shape(create, jax.random.key(0))
  where = sharding.infer(shapes, mesh, config.sharding)
  return jax.tree.map(_put, shapes, where)


def batch_shapes(
  config: Any,
  signature: Mapping[str, tuple[tuple[int, ...], Any]],
  mesh: jax.sharding.Mesh,
  train: bool = True,
) -> dict[str, jax.ShapeDtypeStruct]:
  """Returns the abstract batch of a task's step, sharded.

  Args:
    config: of the run.
    signature: shape and type of each array of a clip.
    mesh: of devices.
    train: whether the batch is one of training, or of an evaluation.
  """
  size = config.batch_size if train else config.eval_batch_size
  where = sharding.batch(mesh)
  return {
    field: jax.ShapeDtypeStruct((size, *shape), kind, sharding=where)
    for field, (shape, kind) in signature.items()
  }


def _put(x: Any, where: Any) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=where)
