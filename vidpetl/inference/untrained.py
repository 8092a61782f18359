"""The model that a config starts from, as one that can be asked."""

from __future__ import annotations

from typing import Any

import jax

from vidpetl.experiment import trained
from vidpetl.inference import model as model_lib
from vidpetl.parameters import storage, variables
from vidpetl.training import run as run_lib


def load(config: Any) -> tuple[model_lib.Model, run_lib.Run]:
  """Returns a config's model before its first step, and its run.

  Args:
    config: see `configs/`.

  Raises:
    ValueError: naming the field that cannot work.
  """
  run = run_lib.prepare(config)
  with jax.set_mesh(run.mesh):
    state, origin = run.init_state(evaluation=False)
  arrays = storage.to_host(variables.flatten(state.variables))
  read = trained.Trained(run.spec(), arrays, None, origin)
  return model_lib.Model(read), run
