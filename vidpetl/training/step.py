"""One update and one prediction, compiled once per task."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from vidpetl.data import augment
from vidpetl.experiment import model as model_lib
from vidpetl.experiment import optimizer
from vidpetl.experiment import state as state_lib
from vidpetl.parameters import trainable, variables
from vidpetl.training import numbers as numbers_lib


def train_step(
  state: state_lib.TrainState,
  batch: Mapping[str, jax.Array],
  *,
  model: model_lib.Model,
  task: Any,
  tx: optax.GradientTransformation,
  seed: int,
  accumulate: int = 1,
  hold: str = '',
  rates: Mapping[str, jax.Array] | None = None,
  decays: Mapping[str, jax.Array] | None = None,
  numbers: Mapping[str, jax.Array] | None = None,
) -> tuple[state_lib.TrainState, dict[str, jax.Array]]:
  """forward -> loss -> grad -> update -> scalars.

  Args:
    state: before the step.
    batch: of one task, [b, ...] each; of videos, or of kept features.
    model: backbone and heads.
    task: whose loss.
    tx: optimizer of `state.params`.
    seed: of the run; with the step it keys all that is random in the model.
    accumulate: parts that the batch is worked off in; the gradient is that of
      the whole batch, whatever their number, but BatchNorm sees the parts one
      after the other.
    hold: regex of parameters that stand still in this step, with their
      optimizer state; '' for none.
    rates: learning rate of each group in this step; None is the schedule's of
      `tx`, which then is a part of the program.
    decays: weight decay of each group, likewise.
    numbers: fields of the config that are arguments, see `training.numbers`.

  Returns:
    The state after the step; scalars: mean loss, the task's own, and the norm
    of the gradient of what trains.
  """
  model, task = numbers_lib.put(model, task, numbers or {})
  key = jax.random.fold_in(jax.random.key(seed), state.step)
  own = state.task_state.get(task.name, {})
  own = task.begin_step(own, state.params, state.batch_stats)
  part = functools.partial(_part, state, model, task)
  if accumulate == 1:
    sums, stats, own = part(state.batch_stats, own, batch, key)
  else:
    sums, stats, own = _accumulate(
      part, state.batch_stats, own, batch, key, accumulate
    )
  grads, scalars = sums
  weight = jnp.maximum(scalars.pop('weight'), 1.0)
  # A factor is made part of the update; a quotient would be stored first. So
  # would be products that a CPU is to sum for the norm.
  norm = optax.tree.norm(grads) / weight
  grads = jax.tree.map(lambda g: g * (1 / weight), grads)
  updates, opt_state = tx.update(
    grads,
    state.opt_state,
    state.params,
    norm=norm,
    rates=rates,
    decays=decays,
  )
  params = optax.apply_updates(state.params, updates)
  if hold:
    params = optimizer.keep(params, state.params, hold)
    opt_state = optimizer.keep(opt_state, state.opt_state, hold)
  scalars = {k: v / weight for k, v in scalars.items()}
  scalars['grad_norm'] = norm
  state = state.replace(
    step=state.step + 1,
    params=params,
    batch_stats=stats,
    opt_state=opt_state,
    task_state=state.task_state | ({task.name: own} if own else {}),
  )
  return state, scalars


def _part(state, model, task, stats, own, batch, key):
  """Works off a batch, or a part of one.

  Returns:
    Gradients, and losses and other scalars, both as sums; the statistics; what
    the task keeps itself.
  """

  def run(method, params, stats, *args, train):
    merged = trainable.merge(params, state.frozen)
    outputs, moved = model.apply(
      variables.make(merged, stats),
      *args,
      task.name,
      train,
      method=method,
      mutable=[variables.STATISTICS],
      # Techniques take its presence for the sign of training.
      rngs={'dropout': key} if train else {},
    )
    return outputs, moved.get(variables.STATISTICS, {})

  def forward(params, stats, video, inputs, train):
    seen, moved = run('on', params, stats, video, inputs, train=train)
    return *seen, moved

  def loss(params, inputs):
    outputs, moved = run('__call__', params, stats, inputs, train=True)
    total, weight, extra = task.loss(outputs, inputs)
    return total, (moved, {'loss': total, 'weight': weight, **extra})

  inputs = _inputs(batch, task, train=True)
  seen, own = task.observe(own, inputs, forward)
  grads, (stats, sums) = jax.grad(loss, has_aux=True)(
    state.params, {**inputs, **seen}
  )
  return (grads, sums), stats, own


def _inputs(batch, task, train):
  """Returns what the model is given; kept features are that already."""
  if 'video' not in batch:
    return batch
  return augment.preprocess(batch, task.augment, train=train)


def _accumulate(part, stats, own, batch, key, parts):
  """Sums over strided parts of the batch."""
  # Strided: every part then lies evenly on all devices, as the batch does.
  split = {
    k: jnp.moveaxis(v.reshape(len(v) // parts, parts, *v.shape[1:]), 1, 0)
    for k, v in batch.items()
  }

  def body(carry, part_and_number):
    sums, stats, own = carry
    rows, number = part_and_number
    new, stats, own = part(stats, own, rows, jax.random.fold_in(key, number))
    return (jax.tree.map(jnp.add, sums, new), stats, own), None

  first = {k: v[0] for k, v in split.items()}
  shapes, *_ = jax.eval_shape(part, stats, own, first, key)
  zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
  rows = split, jnp.arange(parts)
  return jax.lax.scan(body, (zeros, stats, own), rows)[0]


def eval_step(
  state: state_lib.TrainState,
  batch: Mapping[str, jax.Array],
  *,
  model: model_lib.Model,
  task: Any,
  numbers: Mapping[str, jax.Array] | None = None,
) -> dict[str, jax.Array]:
  """Returns `task.outputs` and, to know them again, 'index' and 'valid'."""
  model, task = numbers_lib.put(model, task, numbers or {})
  inputs = _inputs(batch, task, train=False)
  outputs = task.outputs(
    model.apply(state.variables, inputs, task.name), inputs
  )
  return outputs | {'index': batch['index'], 'valid': batch['valid']}


def begin_epoch(
  state: state_lib.TrainState, *, tasks: Mapping[str, Any]
) -> dict[str, Any]:
  """Returns the `task_state` with which a new epoch begins."""
  return {
    name: tasks[name].begin_epoch(own, state.params, state.batch_stats)
    for name, own in state.task_state.items()
  }


def compare_step(
  state: state_lib.TrainState,
  pairs: Mapping[str, Any],
  *,
  model: model_lib.Model,
  task: Any,
) -> dict[str, jax.Array]:
  """Returns what `task.compare` makes of pairs of encoded clips."""
  return model.apply(
    state.variables, pairs, task.name, task.compare, method='head'
  )
