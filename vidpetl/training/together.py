"""Several runs in one program: on the same batches, and on one frozen trunk.

The update is that of a run alone, `jax.vmap` over what each run has for itself:
parameters that train, statistics, the optimizer's state, rates, decays, seed.
What lies before the first of these is computed once for all, because it depends
on none of them: input, augmentation, and, under heads, the whole frozen trunk.
Frozen parameters are one copy, that products of all runs read at a time.

Which runs may train together, `joining` says.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from vidpetl.experiment import optimizer
from vidpetl.experiment import state as state_lib
from vidpetl.metrics import metric as metric_lib
from vidpetl.training import (
  alone,
  evaluation,
  member,
  pending,
  programs,
  sharding,
)
from vidpetl.training import numbers as numbers_lib
from vidpetl.training import run as run_lib
from vidpetl.training import step as step_lib

State = state_lib.TrainState

# Which parts of a state each run has for itself.
_AXES = State(
  step=None, params=0, frozen=None, batch_stats=0, opt_state=0, task_state=0
)


class Together(alone.Alone):
  """The programs of several runs.

  A state of theirs has a leading axis of runs in all that is trained, and one
  copy of what is frozen.

  Attributes:
    BATCHES: axis of the runs in a batch; None of one for all.
  """

  BATCHES: int | None = None

  def __init__(self, lead: run_lib.Run, members: Sequence[member.Member]):
    super().__init__(lead)
    self.members = members
    self._decays = _stack_dicts(
      [optimizer.decays(each.config.optimizer) for each in members]
    )
    self._numbers = numbers_lib.differing([each.config for each in members])
    seeds = [each.config.seed for each in members]
    one = len(set(seeds)) == 1
    # One seed for all leaves what it draws, as in a frozen trunk, in common.
    self._seed, self._seed_axis = (seeds[0], None) if one else (
      np.asarray(seeds), 0
    )  # fmt: skip

  @functools.cached_property
  def shapes(self) -> State:
    """The abstract state, sharded."""
    return _over(self._stacked, self.run.shapes)

  def _stacked(self, x: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
    spec = P(None, *x.sharding.spec)
    return jax.ShapeDtypeStruct(
      (len(self.members), *x.shape),
      x.dtype,
      sharding=NamedSharding(x.sharding.mesh, spec),
    )

  def join(self, states: Sequence[State]) -> State:
    """Returns one state; what is frozen, and the step, are the first's."""
    # Those before step 0 are used up by the first step.
    self.members[0].memory.clear()
    like = self.run.shapes.opt_state
    states = [
      s.replace(opt_state=member.put_in(like, s.opt_state)) for s in states
    ]
    first = states[0]
    own = [_parts(state) for state in states]
    where = jax.tree.map(lambda x: x.sharding, _parts(self.shapes))
    stack = jax.jit(
      lambda *trees: jax.tree.map(lambda *x: jnp.stack(x), *trees),
      out_shardings=where,
    )
    return first.replace(**stack(*own))

  def part(self, state: State, number: int) -> State:
    own = state.replace(**self._take(_parts(state), number))
    return self.members[number].own(own)

  @functools.cached_property
  def _take(self) -> Any:
    where = jax.tree.map(lambda x: x.sharding, _parts(self.run.shapes))
    take = lambda tree, number: jax.tree.map(lambda x: x[number], tree)
    return jax.jit(take, out_shardings=where)

  def batch_shapes(self, name: str) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns the abstract batch of a task's step, sharded."""
    return self.run.batch_shapes(name)

  def compile(self, name: str, train: bool) -> None:
    if not train:
      self._compile_evaluation(name)
      return
    batch = self.batch_shapes(name)
    args = self._arguments(0)
    programs.ready(self._steps[name].lower(self.shapes, batch, *args))

  def _compile_evaluation(self, name: str) -> None:
    predict = self._predictors[name]
    batch = self.run.batch_shapes(name, train=False)
    predict.func.lower(self.shapes, batch, **predict.keywords).compile()

  def step(
    self, name: str, state: State, batch: Mapping[str, jax.Array], step: int
  ) -> tuple[State, list[alone.Scalars]]:
    state, scalars = self._steps[name](state, batch, *self._arguments(step))
    return state, [
      {k: pending.Entry(v, number) for k, v in scalars.items()}
      for number in range(len(self.members))
    ]

  def _arguments(self, step: int) -> tuple[Any, ...]:
    """Returns rates, decays, numbers and seed of a step."""
    # Those of a run that has ended change nothing.
    rates = _stack_dicts(
      [each.rates(min(step, each.total - 1)) for each in self.members]
    )
    return rates, self._decays, self._numbers, self._seed

  @functools.cached_property
  def _steps(self) -> dict[str, Any]:
    return {name: self._step(name) for name in self.run.experiment.tasks}

  def _step(self, name: str) -> Any:
    update = programs.update(
      self.run.config, self.run.experiment, self.run.tx, name
    )

    def one(state, still, batch, rates, decays, numbers, seed):
      state, scalars = update(
        _with_statistics(state, still),
        batch,
        rates=rates,
        decays=decays,
        numbers=numbers,
        seed=seed,
      )
      return _without_statistics(state, still), scalars

    mapped = jax.vmap(
      one,
      in_axes=(_AXES, None, self.BATCHES, 0, 0, 0, self._seed_axis),
      out_axes=(_AXES, 0),
    )

    def together(state, *args):
      still = self._still(state)
      after, scalars = mapped(_without_statistics(state, still), still, *args)
      own = {field: state.batch_stats[field] for field in still}
      return _with_statistics(after, own), scalars

    return jax.jit(together, donate_argnums=0)

  def _still(self, state: State) -> dict[str, Any]:
    """Returns statistics that no step moves, one copy of what all runs have.

    A trunk that normalises by them is computed once, too.
    """
    fixed = self.run.config.backbone.get('norm_statistics') == 'frozen'
    return {
      field: jax.tree.map(lambda x: x[0], tree)
      for field, tree in state.batch_stats.items()
      if fixed and field == 'backbone'
    }

  def begin_epoch(self, state: State) -> State:
    if not state.task_state:
      return state
    return state.replace(task_state=self._begin_epoch(state))

  @functools.cached_property
  def _begin_epoch(self) -> Any:
    begin = functools.partial(
      step_lib.begin_epoch, tasks=self.run.experiment.tasks
    )
    where = jax.tree.map(lambda x: x.sharding, self.shapes.task_state)
    return jax.jit(jax.vmap(begin, in_axes=(_AXES,)), out_shardings=where)

  def audiences(
    self, state: State, numbers: Sequence[int]
  ) -> list[evaluation.Audience]:
    (found,) = super().audiences(state, numbers)
    return [dataclasses.replace(found, measured=_Several)]

  @functools.cached_property
  def _predictors(self) -> dict[str, Any]:
    """Returns per task (state, batch) -> outputs [b, runs, ...]."""
    return {name: self._predictor(name) for name in self.run.experiment.tasks}

  def _predictor(self, name: str) -> Any:
    predict = functools.partial(
      step_lib.eval_step,
      model=self.run.experiment.model,
      task=self.run.experiment.tasks[name],
    )
    one = lambda state, still, batch, numbers: predict(
      _with_statistics(state, still), batch, numbers=numbers
    )
    together = jax.vmap(one, in_axes=(_AXES, None, None, 0), out_axes=1)

    def predict_all(state, batch, numbers):
      common = {field: batch[field] for field in _COMMON}
      still = self._still(state)
      rest = _without_statistics(state, still)
      return together(rest, still, batch, numbers) | common

    compiled = jax.jit(
      predict_all, out_shardings=sharding.replicated(self.run.mesh)
    )
    return functools.partial(compiled, numbers=self._numbers)


# Outputs that say which example a row is of.
_COMMON = ('index', 'valid')


class _Several:
  """Gives the rows of each run to its own metric."""

  def __init__(self, metrics: Mapping[int, metric_lib.Metric]):
    self._metrics = metrics

  def update(self, rows: Mapping[str, np.ndarray]) -> None:
    for number, metric in self._metrics.items():
      metric.update(
        {k: v if k in _COMMON else v[:, number] for k, v in rows.items()}
      )


def _parts(state: State) -> dict[str, Any]:
  """Returns what each run has for itself."""
  return {
    field.name: getattr(state, field.name)
    for field in dataclasses.fields(state)
    if getattr(_AXES, field.name) == 0
  }


def _with_statistics(state: State, some: Mapping[str, Any]) -> State:
  return state.replace(batch_stats={**state.batch_stats, **some})


def _without_statistics(state: State, some: Mapping[str, Any]) -> State:
  rest = {k: v for k, v in state.batch_stats.items() if k not in some}
  return state.replace(batch_stats=rest)


def _over(function: Any, state: State) -> State:
  """Maps what each run has for itself."""
  return state.replace(**jax.tree.map(function, _parts(state)))


def _stack_dicts(dicts: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
  return {
    name: np.asarray([each[name] for each in dicts], np.float32)
    for name in dicts[0]
  }
