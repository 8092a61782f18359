"""Everything that a training run carries from step to step."""

from __future__ import annotations

from typing import Any

import flax.struct
import jax


@flax.struct.dataclass
class TrainState:
  """One pytree: what a checkpoint holds, and what a step returns.

  Attributes:
    step: int32 [], finished steps.
    params: trained parameters; gradients are taken with respect to these.
    frozen: parameters that get neither gradient nor optimizer state.
    batch_stats: statistics of normalisation layers.
    opt_state: of `params`.
    task_state: what tasks keep themselves (a teacher, a queue).
  """

  step: jax.Array
  params: Any
  frozen: Any
  batch_stats: Any
  opt_state: Any
  task_state: Any
