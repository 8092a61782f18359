"""What all tasks of a run share, in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vidpetl.recipes import methods

Fields = Mapping[str, Any]

_OPTIMIZERS = {'sgd': 'SGD', 'adam': 'Adam', 'adamw': 'AdamW'}
_REPORTS = {
  'last': 'the last evaluation',
  'best': 'the best evaluation',
  'mean10': 'the mean of the last ten evaluations',
}
# Regexes of `config.trainable`, in words.
_BOUND = '/site_[^/]+/'
_EVERYTHING = '^backbone/'
_PLACES = {
  **{
    regex: f'{name.replace("_", " ")} of each block'
    for name, regex in methods.POSITIONS.items()
  },
  '/downsample/': 'downsample',
  '^heads_': 'heads',
  _EVERYTHING: 'the whole backbone',
  '^backbone/norm/': 'the last norm',
  '.*': 'all else',
  '/bias$': 'biases',
  '/relative_position_bias_table$': 'tables of relative positions',
  '/LayerNorm_[01]/scale$': "gains of the blocks' LayerNorms",
  methods.NORMS: 'all norms',
}
# Those of a group's `decay_filter`.
_DECAYED = {
  '': 'matrices',
  '.*': 'everything',
  '^(?!backbone/norm/)': 'all but the last norm',
}


def used_groups(config: Fields) -> dict[str, Fields]:
  """Returns the groups of the optimizer that any parameter can be in."""
  used = {group for _, group in config['trainable']}
  groups = config['optimizer']['groups']
  return {name: groups[name] for name in groups if name in used}


def of_run(config: Fields, examples: int | None = None) -> dict[str, str]:
  """Returns aspect -> words, of what all tasks of a run share.

  Args:
    config: a completed one, see `vidpetl.experiment.complete`.
    examples: of all training sets together, where they are known.
  """
  return {
    'length': _length(config, examples),
    'batch': _batch(config),
    'optimizer': _optimizer(config['optimizer']),
    'rate': _rate(config),
    'schedule': _schedule(config['optimizer']),
    'weight decay': _decay(config),
    'drop path': _drop_path(config),
    'precision': config['dtype'],
    'trains': _trains(config),
    'reports': _reports(config),
  }


def _length(config: Fields, examples: int | None) -> str:
  if config['steps']:
    return f'{config["steps"]} steps'
  told = _epochs(config['epochs'])
  if examples is None:
    return told
  steps = round(config['epochs'] * examples / config['batch_size'])
  return f'{told} of {examples:,} examples: {steps:,} steps'


def _epochs(number: float) -> str:
  return f'{number:g} epoch' + ('' if number == 1 else 's')


def _batch(config: Fields) -> str:
  parts = config['accumulate']
  worked_off = f', in {parts} parts' if parts > 1 else ''
  mode = config['mixture']['mode']
  mixed = f', of one dataset at a time ({mode})'
  several = len(config['tasks']) > 1
  return f'{config["batch_size"]}{worked_off}' + (mixed if several else '')


def _optimizer(optimizer: Fields) -> str:
  name = optimizer['name']
  told = _OPTIMIZERS.get(name, name)
  if name == 'sgd':
    told += f', momentum {optimizer["momentum"]:g}'
  else:
    told += f', betas {optimizer["beta1"]:g} and {optimizer["beta2"]:g}'
  clip = optimizer['clip_norm']
  return told + (f', gradients clipped at {clip:g}' if clip else '')


def _rate(config: Fields) -> str:
  groups = used_groups(config).items()
  scales = {name: group['lr_scale'] for name, group in groups}
  scaled = ', '.join(f'{n} x {s:g}' for n, s in scales.items() if s != 1)
  rate = f'{config["optimizer"]["learning_rate"]:g}'
  return rate + (f' ({scaled})' if scaled else '')


def _schedule(optimizer: Fields) -> str:
  name, warmup = optimizer['schedule'], optimizer['warmup_epochs']
  told = {
    'cosine': f'cosine to {_share(optimizer["final"])}',
    'steps': 'a tenth after epochs '
    + ', '.join(f'{m:g}' for m in optimizer['milestones']),
  }.get(name, name)
  told += f', {_epochs(warmup)} of warm-up' if warmup else ''
  for epochs, kind, rate in optimizer['tails']:
    told += f'; after {_epochs(epochs)} {kind}, from {rate:g}'
  return told


def _share(of_rate: float) -> str:
  return f'{of_rate:g} of the rate' if of_rate else '0'


def _decay(config: Fields) -> str:
  groups = used_groups(config).items()
  told = {name: _decay_of_group(group) for name, group in groups}
  if len(set(told.values())) == 1:
    return next(iter(told.values()))
  return ', '.join(f'{name} {words}' for name, words in told.items())


def _decay_of_group(group: Fields) -> str:
  if not group['weight_decay']:
    return '0'
  of = group['decay_filter']
  what = _DECAYED.get(of) or f'what matches {of}'
  return f'{group["weight_decay"]:g}, of {what}'


def _drop_path(config: Fields) -> str:
  """Returns at which rates branches are left out, in the last block."""
  of_backbone = config['backbone'].get('stochastic_depth', 0)
  bound = {entry.get('drop_path', 0) for entry in config['petl']} - {0}
  told = [f'{of_backbone:g} of the backbone'] if of_backbone else []
  told += [f'{rate:g} of what is bound' for rate in sorted(bound)]
  return ', '.join(told) or 'none'


def _trains(config: Fields) -> str:
  """Returns what each group has: 'heads, what is bound (lora)'."""
  places: dict[str, list[str]] = {}
  for pattern, group in config['trainable']:
    places.setdefault(group, []).extend(_places(pattern, config['petl']))
  frozen = places.pop('frozen', [])
  if any(_PLACES[_EVERYTHING] in each for each in places.values()):
    frozen = [place for place in frozen if place != _PLACES['.*']]
  told = [
    ', '.join(dict.fromkeys(each))
    + (f' (group {name})' if len(places) > 1 else '')
    for name, each in places.items()
  ]
  told += [f'frozen: {", ".join(frozen)}'] if frozen else []
  return '; '.join(told)


def _places(pattern: str, petl: Fields) -> list[str]:
  """Returns the alternatives of a regex in words, or as they are."""
  if pattern in _PLACES:
    return [_PLACES[pattern]]
  alternatives = re.split(r'\|(?![^(]*\))', pattern)
  bound = ', '.join(dict.fromkeys(entry['technique'] for entry in petl))
  known = {**_PLACES, _BOUND: f'what is bound ({bound})'}
  return [known.get(a) or f'what matches {a}' for a in alternatives]


def _reports(config: Fields) -> str:
  told = _REPORTS[config['report']]
  if config['report'] == 'best':
    held_out = config['validation']
    by = f'{100 * held_out:g} % of the training set' if held_out else 'the test'
    told += f' by {by}'
  every = config['eval_every_epochs']
  often = 'each epoch' if every == 1 else f'every {every:g} epochs'
  told += f'; evaluated {often}' if every else ''
  return told + ('' if config.get('test', True) else '; no test')
