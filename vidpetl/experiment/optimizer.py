"""From `config.optimizer` to optax: schedule, groups, clipping, decay.

Weight decay is for what is a matrix or more: kernels, LoRA's two factors,
prompts and prefixes. It leaves out what has one axis, and by their names what
has several all the same: biases, factors and shifts per head, class tokens, and
tables of positions. That is what timm and Hugging Face's trainer do, where
matrices are kept as such. A group's `decay_filter` says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from vidpetl.parameters import trainable

# Fields of a group, with their defaults.
GROUP = {'lr_scale': 1.0, 'weight_decay': 0.0, 'decay_filter': ''}

# What never decays, whatever its shape.
_NO_MATRIX = re.compile(
  r'(^|[/_])(bias|scale|shift|vector|cls|pos_embedding|table)$'
)


def schedule(config: Mapping[str, Any], epoch: float, total: int):
  """Returns step -> learning rate.

  Linear warm-up from 0, then 'cosine' to `final` times the rate, 'constant'
  (Arnab et al. 2022, sec. A.1), or 'steps': a tenth of it from each of the
  `milestones` on. So far it is what a run would have that ended with the first
  tail. Each tail begins anew, at a rate of its own.

  Args:
    config: `config.optimizer`: learning_rate, warmup_epochs, schedule, final,
      milestones (epochs, increasing, all before the end), and tails: (epochs
      at which it begins, 'constant' or 'cosine', rate) each.
    epoch: steps in one epoch.
    total: steps of the whole run.
  """
  tails = _tails(config.get('tails', ()), epoch, total)
  starts = [start for start, *_ in tails]
  main = _main(config, epoch, starts[0] if tails else total)
  if not tails:
    return main
  parts = [
    optax.cosine_decay_schedule(rate, end - start, config['final'])
    if kind == 'cosine'
    else optax.constant_schedule(rate)
    for (start, kind, rate), end in zip(tails, [*starts[1:], total])
  ]
  return optax.join_schedules([main, *parts], starts)


def _tails(given, epoch: float, total: int) -> list[tuple[int, str, float]]:
  """Returns (first step, kind, rate) of each tail, checked."""
  where = f'config.optimizer.tails is {given!r}'
  tails, before = [], 0
  for tail in given:
    if not isinstance(tail, tuple | list) or len(tail) != 3:
      raise ValueError(
        f"{where}: ((epochs, 'constant' or 'cosine', rate),), not {tail!r}."
      )
    epochs, kind, rate = tail
    if kind not in ('constant', 'cosine') or not rate >= 0:
      raise ValueError(
        f"{where}: a tail is 'constant' or 'cosine', of a rate from 0."
      )
    start = round(epochs * epoch)
    if not before < start < total:
      raise ValueError(
        f'{where}: they begin one after the other, and before the end of the '
        f'run; {epochs:g} epochs are {start} steps, and the run has {total}.'
      )
    tails.append((start, kind, rate))
    before = start
  return tails


def _main(config: Mapping[str, Any], epoch: float, total: int):
  """Returns the schedule of a run without tails."""
  base = config['learning_rate']
  warmup = round(config['warmup_epochs'] * epoch)
  if warmup >= total:
    raise ValueError(
      f'config.optimizer.warmup_epochs is {warmup} steps, but the run has '
      f'{total}.'
    )
  kind = config['schedule']
  if kind not in ('cosine', 'constant', 'steps'):
    raise ValueError(
      f"config.optimizer.schedule {kind!r} is not 'cosine', 'constant' or "
      "'steps'."
    )
  milestones = tuple(config['milestones'])
  if bool(milestones) != (kind == 'steps') or list(milestones) != sorted(
    set(milestones)
  ):
    raise ValueError(
      f'config.optimizer.milestones is {milestones}: increasing epochs with '
      "schedule 'steps', and () with others."
    )
  if kind == 'cosine':
    return optax.warmup_cosine_decay_schedule(
      0.0, base, warmup, total, base * config['final']
    )
  if milestones and round(milestones[-1] * epoch) >= total:
    raise ValueError(
      f'config.optimizer.milestones is {milestones}, but the run ends after '
      f'{total / epoch:g} epochs: give it others.'
    )
  rise = optax.linear_schedule(0.0, base, warmup)
  drops = {round(m * epoch) - warmup: 0.1 for m in milestones}
  fall = optax.piecewise_constant_schedule(base, drops)
  return optax.join_schedules([rise, fall], [warmup])


def build(
  config: Mapping[str, Any], learning_rate, group_of: Mapping[str, str]
) -> optax.GradientTransformation:
  """Returns the optimizer of the trained parameters.

  Args:
    config: `config.optimizer`. name: 'sgd' (momentum), 'adam' or 'adamw';
      clip_norm: of the gradient of everything that trains, after the mean over
      the batch, 0 for none; groups: name -> lr_scale, weight_decay and
      decay_filter (regex of the parameters that decay; '' for all that
      `is_matrix`).
    learning_rate: step -> learning rate.
    group_of: parameter path -> group, from `trainable.groups`.
  """
  used = sorted(set(group_of.values()) - {trainable.FROZEN})
  if unknown := sorted(set(used) - set(config['groups'])):
    raise ValueError(
      f'config.trainable names groups {unknown}, which config.optimizer.groups '
      f'({sorted(config["groups"])}) does not have.'
    )
  parts = {g: _group(config, g, learning_rate) for g in used}

  def labels(params):
    return trainable.unflatten(
      {path: group_of[path] for path in trainable.flatten(params)}
    )

  clip = config['clip_norm']
  return optax.chain(
    _clip(clip) if clip else optax.identity(),
    optax.multi_transform(parts, labels),
  )


def _clip(most: float) -> optax.GradientTransformation:
  """`optax.clip_by_global_norm` with one factor for all, and no quotients.

  XLA computes a factor times the gradient within the update. Quotients it
  would store first, which is one more reading and writing of all gradients.
  """

  def update(updates, state, params=None):
    del params
    norm = optax.tree.norm(updates)
    factor = jnp.where(norm < most, 1.0, most / norm)
    return jax.tree.map(lambda g: g * factor.astype(g.dtype), updates), state

  return optax.GradientTransformation(optax.init_empty_state, update)


def _group(config, name, learning_rate):
  options = dict(config['groups'][name])
  if unknown := sorted(set(options) - set(GROUP)):
    raise ValueError(
      f'config.optimizer.groups.{name} has no field {unknown}; it has '
      f'{tuple(GROUP)}.'
    )
  options = {**GROUP, **options}
  scale = options['lr_scale']
  return optax.chain(
    _direction(config, options['weight_decay'], options['decay_filter']),
    optax.scale_by_learning_rate(lambda step: scale * learning_rate(step)),
  )


def _direction(config, decay, decay_filter):
  """The update before the learning rate; 'adamw' decays apart from Adam."""

  def mask(params):
    return trainable.unflatten(
      {
        path: bool(re.search(decay_filter, path))
        if decay_filter
        else is_matrix(path, x.shape)
        for path, x in trainable.flatten(params).items()
      }
    )

  weight_decay = (
    optax.add_decayed_weights(decay, mask) if decay else optax.identity()
  )
  if config['name'] == 'sgd':
    momentum = optax.trace(config['momentum'])
    return optax.chain(weight_decay, momentum)
  adam = optax.scale_by_adam(config['beta1'], config['beta2'])
  if config['name'] == 'adam':
    return optax.chain(weight_decay, adam)
  if config['name'] == 'adamw':
    return optax.chain(adam, weight_decay)
  raise ValueError(
    f"config.optimizer.name {config['name']!r} is not 'sgd', 'adam' or 'adamw'."
  )


def is_matrix(path: str, shape: tuple[int, ...]) -> bool:
  """Returns whether a parameter decays, where no filter says so.

  Args:
    path: 'backbone/…/kernel'.
    shape: of the parameter.
  """
  return len(shape) > 1 and not _NO_MATRIX.search(path)


def keep(new: Any, old: Any, pattern: str) -> Any:
  """Returns `new`, but `old` wherever the path matches: those stand still."""
  return jax.tree_util.tree_map_with_path(
    lambda path, n, o: (
      o
      if re.search(
        pattern, jax.tree_util.keystr(path, simple=True, separator='/')
      )
      else n
    ),
    new,
    old,
  )
