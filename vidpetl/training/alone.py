"""What a loop computes of one run; `together` has the same for several."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax

from vidpetl.experiment import state as state_lib
from vidpetl.training import evaluation, sharding
from vidpetl.training import run as run_lib

State = state_lib.TrainState
Scalars = Mapping[str, Any]


class UnlikeError(ValueError):
  """Runs cannot train together."""


class Alone:
  """The programs of one run.

  Attributes:
    run: whose data, devices and schedule the loop goes by.
  """

  def __init__(self, run: run_lib.Run):
    self.run = run

  def compile(self, name: str, train: bool) -> None:
    """Compiles what is called of a task, so that its first call need not.

    Args:
      name: of the task.
      train: whether that is `step`, or `predict`.
    """
    if train:
      self.run.compile_step(name)
      return
    batch = self.run.batch_shapes(name, train=False)
    self._predictors[name].lower(self.run.shapes, batch).compile()

  def join(self, states: Sequence[State]) -> State:
    """Returns one state that holds those of all runs."""
    (state,) = states
    return state

  def part(self, state: State, number: int) -> State:
    """Returns the state of one run."""
    del number
    return state

  def step(
    self, name: str, state: State, batch: Mapping[str, jax.Array], step: int
  ) -> tuple[State, list[Scalars]]:
    """Returns the state after a step, and the scalars of each run.

    Args:
      name: of the task.
      state: of all runs; its arrays are used up.
      batch: of the task.
      step: its number, from 0.
    """
    update = self.run.train_steps()[name]
    state, scalars = update(state, batch, rates=self.run.rates(step))
    return state, [scalars]

  def batches(self, start: int) -> dict[str, Iterator[Mapping[str, Any]]]:
    """Returns each task's batches, from those that step `start` needs."""
    return self.run.train_batches(start)

  def to_device(self, rows: Mapping[str, Any]) -> dict[str, jax.Array]:
    """Returns a batch of `batches` as `step` takes it."""
    return sharding.to_device(rows, self.run.mesh)

  def begin_epoch(self, state: State) -> State:
    """Returns the state with which a new epoch begins."""
    return self.run.begin_epoch(state)

  def audiences(
    self, state: State, numbers: Sequence[int]
  ) -> list[evaluation.Audience]:
    """Returns on what runs are evaluated: those on the same data together.

    Args:
      state: of all runs.
      numbers: of the runs.
    """

    def predict(name, batch):
      return self._predictors[name](state, batch)

    return [evaluation.Audience(self.run, numbers, predict)]

  def comparer(
    self, name: str, state: State, number: int
  ) -> Callable[[Mapping[str, Any]], Mapping[str, jax.Array]]:
    """Returns pairs -> what a run's task makes of them, see `Base.compare`."""
    compare = self._comparers[name]
    return lambda pairs: compare(self.part(state, number), pairs)

  @functools.cached_property
  def _predictors(self) -> dict[str, Any]:
    return self.run.predictors()

  @functools.cached_property
  def _comparers(self) -> dict[str, Any]:
    return self.run.comparers()
