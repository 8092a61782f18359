"""Everything that a training run carries from step to step."""

from __future__ import annotations

from typing import Any

import flax.struct
import jax

from vidpetl.parameters import trainable, variables


@flax.struct.dataclass
class TrainState:
  """One pytree: what a checkpoint holds, and what a step returns.

  Attributes:
    step: int32 [], finished steps.
    params: trained parameters; gradients are taken with respect to these.
    frozen: parameters that get neither gradient nor optimizer state.
    batch_stats: statistics of normalisation layers.
    opt_state: of `params`.
    task_state: what tasks keep themselves (a teacher, a queue), by task; those
      that keep nothing are not in it.
  """

  step: jax.Array
  params: Any
  frozen: Any
  batch_stats: Any
  opt_state: Any
  task_state: Any

  @property
  def variables(self) -> dict[str, Any]:
    """All of the model's, as linen takes them."""
    params = trainable.merge(self.params, self.frozen)
    return variables.make(params, self.batch_stats)
