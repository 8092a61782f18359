"""Frozen parameters in fewer bits, next to those that they were made of.

They are named by the hash of what was read, and packages are for that.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vidpetl.experiment import experiment as experiment_lib
from vidpetl.experiment import state as state_lib
from vidpetl.parameters import storage, trainable, variables
from vidpetl.training import sharding


def source(
  experiment: experiment_lib.Experiment, params: Any
) -> dict[str, np.ndarray]:
  """Returns frozen parameters by path, on the host."""
  _, frozen = trainable.partition(params, experiment.group_of)
  return storage.to_host(trainable.flatten(frozen))


def frozen_hash(run: Any, state: state_lib.TrainState) -> str:
  """Returns the hash of a run's frozen parameters as they were read."""
  if not run.source:
    return storage.tree_hash(state.frozen)
  return storage.tree_hash(trainable.unflatten(run.source))


def errors(run: Any, state: state_lib.TrainState) -> dict[str, float]:
  """Returns relative errors on a random clip, by what they are of.

    |f(rounded) - f(as read)| / |f(as read)|

  Args:
    run: whose `source` has frozen parameters as they were read.
    state: which has them in fewer bits.

  Returns:
    'features', and 'logits' unless they are 0, as a new head makes them.
  """
  name, task = next(iter(run.experiment.tasks.items()))
  dtype, model = run.experiment.dtype, run.experiment.model
  shapes = experiment_lib.model_inputs(task, 1, dtype, train=False)
  rng = np.random.default_rng(0)
  inputs = {k: np.ones(s.shape, s.dtype) for k, s in shapes.items()}
  task.eval_clip.kind.noise(inputs)
  noise = rng.normal(size=shapes['video'].shape)
  inputs['video'] = jnp.asarray(noise, dtype)

  @jax.jit
  def outputs(params, stats):
    everything = variables.make(params, stats)
    video = task.views(inputs, False)
    features, read = model.apply(
      everything, video, inputs, name, False, method='on'
    )
    return {'features': features.summary, 'logits': jax.tree.leaves(read)[0]}

  source = trainable.unflatten(run.source)
  where = sharding.infer({'frozen': source}, run.mesh, run.config.sharding)
  source = jax.device_put(source, where['frozen'])
  exact, found = (
    outputs(trainable.merge(state.params, frozen), state.batch_stats)
    for frozen in (source, state.frozen)
  )
  lengths = {k: float(jnp.linalg.norm(x)) for k, x in _float(exact).items()}
  differ = jax.tree.map(jnp.subtract, _float(found), _float(exact))
  return {
    k: float(jnp.linalg.norm(x)) / lengths[k]
    for k, x in differ.items()
    if lengths[k] > 0
  }


def told(run: Any, state: state_lib.TrainState) -> str:
  """Returns `errors` in a sentence."""
  parts = (f'{k} by {v:.2g}' for k, v in errors(run, state).items())
  return (
    f'Frozen kernels are kept in {run.config.frozen_dtype}: of a random clip, '
    f'that changes {", ".join(parts)} (relative).'
  )


def _float(tree: Any) -> Any:
  return jax.tree.map(lambda x: x.astype(jnp.float32).ravel(), tree)
