"""Several runs in one program, each on batches of its own, as folds are.

It is the program of runs on the same batches, whose batch has an axis of runs,
too. What is frozen is one copy, and takes the clips of all runs as one batch.
A run that has fewer steps than another is left as it is at its last one.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from vidpetl.experiment import state as state_lib
from vidpetl.training import evaluation, sharding, together

State = state_lib.TrainState
Batch = Mapping[str, np.ndarray]


class Apart(together.Together):
  """The programs of several runs that have data of their own."""

  BATCHES = 0

  def batch_shapes(self, name: str) -> dict[str, jax.ShapeDtypeStruct]:
    return {
      field: jax.ShapeDtypeStruct(
        (len(self.members), *x.shape), x.dtype, sharding=_below(x.sharding)
      )
      for field, x in self.run.batch_shapes(name).items()
    }

  def batches(self, start: int) -> dict[str, Iterator[Batch]]:
    own = [each.train_batches(start) for each in self.members]
    return {
      name: _stacked([batches[name] for batches in own]) for name in own[0]
    }

  def to_device(self, rows: Batch) -> dict[str, jax.Array]:
    where = _below(sharding.batch(self.run.mesh))
    return {
      field: jax.make_array_from_process_local_data(where, x)
      for field, x in rows.items()
    }

  def audiences(
    self, state: State, numbers: Sequence[int]
  ) -> list[evaluation.Audience]:
    """Returns one for each run, which is evaluated as alone."""
    return [self._audience(self.part(state, n), n) for n in numbers]

  def _audience(self, state: State, number: int) -> evaluation.Audience:
    numbers = self._numbers_of(number)

    def predict(name, batch):
      return self._predictors[name](state, batch, numbers=numbers)

    return evaluation.Audience(self.members[number], (number,), predict)

  def _numbers_of(self, number: int) -> dict[str, jax.Array]:
    return {path: x[number] for path, x in self._numbers.items()}

  def _compile_evaluation(self, name: str) -> None:
    predict, numbers = self._predictors[name], self._numbers_of(0)
    batch = self.run.batch_shapes(name, train=False)
    predict.lower(self.run.shapes, batch, numbers=numbers).compile()

  @functools.cached_property
  def _predictors(self) -> dict[str, Any]:
    return self.run.predictors()


def _stacked(batches: Sequence[Iterable[Batch]]) -> Iterator[Batch]:
  """Yields the batches of all runs as one, [runs, b, ...]."""
  for rows in zip(*batches):
    yield {field: np.stack([each[field] for each in rows]) for field in rows[0]}


def _below(where: NamedSharding) -> NamedSharding:
  """Returns a sharding below an axis of runs."""
  return NamedSharding(where.mesh, P(None, *where.spec))
