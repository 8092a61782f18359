"""One update and one prediction, compiled once per task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from vidpetl.data import augment
from vidpetl.petl import trainable
from vidpetl.training import model as model_lib
from vidpetl.training import optimizer
from vidpetl.training import state as state_lib


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
) -> tuple[state_lib.TrainState, dict[str, jax.Array]]:
  """forward -> loss -> grad -> update -> scalars.

  Args:
    state: before the step.
    batch: of one task, [b, ...] each.
    model: backbone and heads.
    task: whose loss.
    tx: optimizer of `state.params`.
    seed: of the run; with the step it keys all that is random in the model.
    accumulate: parts that the batch is worked off in; the gradient is that of
      the whole batch, whatever their number.
    hold: regex of parameters that stand still in this step, with their
      optimizer state; '' for none.

  Returns:
    The state after the step; scalars: mean loss, the task's own, and the norm
    of the gradient of what trains.
  """
  key = jax.random.fold_in(jax.random.key(seed), state.step)

  def loss(params, part, key):
    inputs = augment.preprocess(part, task.augment, train=True)
    logits = model.apply(
      {'params': trainable.merge(params, state.frozen)},
      inputs,
      task.name,
      train=True,
      rngs={'dropout': key},
    )
    total, weight, extra = task.loss(logits, inputs)
    return total, {'weight': weight, **extra}

  gradient = jax.value_and_grad(loss, has_aux=True)
  if accumulate == 1:
    (total, sums), grads = gradient(state.params, batch, key)
  else:
    (total, sums), grads = _accumulate(
      gradient, state.params, batch, key, accumulate
    )
  weight = jnp.maximum(sums.pop('weight'), 1.0)
  grads = jax.tree.map(lambda g: g / weight, grads)
  updates, opt_state = tx.update(grads, state.opt_state, state.params)
  params = optax.apply_updates(state.params, updates)
  if hold:
    params = optimizer.keep(params, state.params, hold)
    opt_state = optimizer.keep(opt_state, state.opt_state, hold)
  scalars = {'loss': total / weight, 'grad_norm': optax.tree.norm(grads)}
  scalars |= {k: v / weight for k, v in sums.items()}
  state = state.replace(step=state.step + 1, params=params, opt_state=opt_state)
  return state, scalars


def _accumulate(gradient, params, batch, key, parts):
  """Sums losses and gradients over strided parts of the batch."""
  # Strided: every part then lies evenly on all devices, as the batch does.
  split = {
    k: jnp.moveaxis(v.reshape(-1, parts, *v.shape[1:]), 1, 0)
    for k, v in batch.items()
  }

  def body(sums, part_and_number):
    part, number = part_and_number
    new = gradient(params, part, jax.random.fold_in(key, number))
    return jax.tree.map(jnp.add, sums, new), None

  first = {k: v[0] for k, v in split.items()}
  shapes = jax.eval_shape(gradient, params, first, key)
  zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
  return jax.lax.scan(body, zeros, (split, jnp.arange(parts)))[0]


def eval_step(
  state: state_lib.TrainState,
  batch: Mapping[str, jax.Array],
  *,
  model: model_lib.Model,
  task: Any,
) -> dict[str, jax.Array]:
  """Returns `task.outputs` and, to know them again, 'index' and 'valid'."""
  inputs = augment.preprocess(batch, task.augment, train=False)
  logits = model.apply(
    {'params': trainable.merge(state.params, state.frozen)}, inputs, task.name
  )
  outputs = task.outputs(logits, inputs)
  return outputs | {'index': batch['index'], 'valid': batch['valid']}
