"""From `config.optimizer` to optax: schedule, groups, clipping, decay.

Weight decay is for what is a matrix or more: kernels, LoRA's two factors,
prompts and prefixes. It leaves out what has one axis, and by their names what
has several all the same: biases, factors and shifts per head, class tokens, and
tables of positions. That is what timm and Hugging Face's trainer do, where
matrices are kept as such. A group's `decay_filter` says otherwise.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from vidpetl import options
from vidpetl.parameters import trainable
from vidpetl.recipes import defaults

# What never decays, whatever its shape.
_NO_MATRIX = re.compile(
  r'(^|[/_])(bias|scale|shift|vector|cls|pos_embedding|positions|table)$'
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
  options.hold(config, options.hints(defaults.Optimizer), 'config.optimizer')
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
    epochs, kind, rate = tail
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
  milestones = tuple(config['milestones'])
  if bool(milestones) != (kind == 'steps'):
    raise ValueError(
      f'config.optimizer.milestones is {milestones}: epochs with schedule '
      "'steps', and () with others."
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
  options.hold(config, options.hints(defaults.Optimizer), 'config.optimizer')
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


def _clip(most: float) -> optax.GradientTransformationExtraArgs:
  """`optax.clip_by_global_norm` with one factor for all, and no quotients.

  XLA computes a factor times the gradient within the update. Quotients it
  would store first, which is one more reading and writing of all gradients.
  `update(…, norm=norm)` is for those whose norm is known.
  """

  def update(updates, state, params=None, *, norm=None, **others):
    del params, others
    norm = optax.tree.norm(updates) if norm is None else norm
    factor = jnp.where(norm < most, 1.0, most / norm)
    return jax.tree.map(lambda g: g * factor.astype(g.dtype), updates), state

  return optax.GradientTransformationExtraArgs(optax.init_empty_state, update)


def _group(config, name, learning_rate):
  given = dict(config['groups'][name])
  options.check(defaults.Group, given, f'config.optimizer.groups.{name}')
  group = dataclasses.asdict(defaults.Group()) | given
  scale = group['lr_scale']
  return optax.chain(
    _direction(config, name, group['weight_decay'], group['decay_filter']),
    _by_rate(name, lambda step: scale * learning_rate(step)),
  )


def _by_rate(
  group: str, schedule: optax.Schedule
) -> optax.GradientTransformationExtraArgs:
  """Scales by minus a group's rate: that of `rates`, else of the schedule.

  `update(…, rates={group: rate})` keeps a schedule out of a compiled program,
  so that runs of all rates and lengths share it. The state is that of
  `optax.scale_by_learning_rate`.
  """

  def init(params):
    del params
    return optax.ScaleByScheduleState(count=jnp.zeros([], jnp.int32))

  def update(updates, state, params=None, *, rates=None, **others):
    del params, others
    rate = schedule(state.count) if rates is None else rates[group]
    scaled = jax.tree.map(lambda u: jnp.asarray(-rate, u.dtype) * u, updates)
    count = optax.safe_increment(state.count)
    return scaled, optax.ScaleByScheduleState(count=count)

  return optax.GradientTransformationExtraArgs(init, update)


def _by_decay(
  group: str, decay: float, mask: Callable[[Any], Any]
) -> optax.GradientTransformationExtraArgs:
  """Adds a group's decay: that of `decays`, else `decay`.

  `update(…, decays={group: decay})` has one program serve runs of all decays.
  The state is that of `optax.add_decayed_weights`.
  """

  def update(updates, state, params=None, *, decays=None, **others):
    del others
    by = decay if decays is None else decays[group]
    return optax.add_decayed_weights(by, mask).update(updates, state, params)

  init = optax.add_decayed_weights(decay, mask).init
  return optax.GradientTransformationExtraArgs(init, update)


def decays(config: Mapping[str, Any]) -> dict[str, float]:
  """Returns the weight decay of each group of `config.optimizer`."""
  return {
    name: group.get('weight_decay', defaults.Group.weight_decay)
    for name, group in config['groups'].items()
  }


def table(
  config: Mapping[str, Any], learning_rate: optax.Schedule, total: int
) -> dict[str, np.ndarray]:
  """Returns the rate of every step, as `update` takes them; '' is the base's.

  Args:
    config: `config.optimizer`.
    learning_rate: step -> learning rate.
    total: steps of the run.

  Returns:
    Name of the group -> float32 [total].
  """
  base = np.asarray(jax.jit(jax.vmap(learning_rate))(np.arange(total)))
  scales = {'': 1.0} | {
    name: group.get('lr_scale', defaults.Group.lr_scale)
    for name, group in config['groups'].items()
  }
  return {
    name: np.asarray(scale * base, np.float32) for name, scale in scales.items()
  }


def _direction(config, name, decay, decay_filter):
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

  weight_decay = _by_decay(name, decay, mask) if decay else optax.identity()
  if config['name'] == 'sgd':
    momentum = optax.trace(config['momentum'])
    return optax.chain(weight_decay, momentum)
  adam = optax.scale_by_adam(config['beta1'], config['beta2'])
  if config['name'] == 'adam':
    return optax.chain(weight_decay, adam)
  return optax.chain(adam, weight_decay)


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
