"""A recipe in words, aspect by aspect: what rows of papers differ in.

`describe` prints it, and a page of the documentation lays it beside what the
original does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Fields = Mapping[str, Any]

# Settings of `augment` that leave clips as they are, and those that are no
# augmentation.
_IDLE = {'scale_jitter': None, 'flip': False, 'box_jitter': 0.0}
_NO_AUGMENTATION = ('mean', 'std', 'dtype', 'pad_value')
_REPORTS = {
  'last': 'the last evaluation',
  'best': 'the best evaluation',
  'mean10': 'the mean of the last ten evaluations',
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
    'precision': config['dtype'],
    'trains': ', '.join(
      f'{group} ({pattern.replace("|", " or ")})'
      for pattern, group in config['trainable']
    ),
    'reports': _reports(config),
  }


def of_task(task: Fields, augment_defaults: Fields) -> dict[str, str]:
  """Returns aspect -> words, of how a task trains and tests.

  Args:
    task: a completed entry of `config.tasks`.
    augment_defaults: fields of `Augment`, as if nothing were set.
  """
  clip, test = task['clip'], task['eval_clip']
  return {
    'frames': _frames(clip),
    'training crops': _training(clip),
    'augmentation': _augmentation(task, augment_defaults),
    'test': _test(clip, test),
    'views': _views(task, test),
    'head': _head(task),
  }


def _length(config: Fields, examples: int | None) -> str:
  if config['steps']:
    return f'{config["steps"]} steps'
  told = f'{config["epochs"]:g} epochs'
  if examples is None:
    return told
  steps = round(config['epochs'] * examples / config['batch_size'])
  return f'{told} of {examples:,} examples: {steps:,} steps'


def _batch(config: Fields) -> str:
  parts = config['accumulate']
  worked_off = f', in {parts} parts' if parts > 1 else ''
  return f'{config["batch_size"]}{worked_off}'


def _optimizer(optimizer: Fields) -> str:
  name = optimizer['name']
  if name == 'sgd':
    told = f'SGD, momentum {optimizer["momentum"]:g}'
  else:
    told = f'{name}, betas {optimizer["beta1"]:g} and {optimizer["beta2"]:g}'
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
    'cosine': f'cosine to {optimizer["final"]:g}',
    'steps': 'a tenth after epochs '
    + ', '.join(f'{m:g}' for m in optimizer['milestones']),
  }.get(name, name)
  return told + (f', {warmup:g} epochs of warm-up' if warmup else '')


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
  what = f'what matches {of}' if of else 'matrices'
  what = 'everything' if of == '.*' else what
  return f'{group["weight_decay"]:g}, of {what.replace("|", " or ")}'


def _reports(config: Fields) -> str:
  told = _REPORTS[config['report']]
  if config['report'] == 'best':
    held_out = config['validation']
    by = f'{100 * held_out:g} % of the training set' if held_out else 'the test'
    told += f' by {by}'
  every = config['eval_every_epochs']
  often = 'each epoch' if every == 1 else f'every {every:g} epochs'
  return told + (f'; evaluated {often}' if every else '')


def _frames(clip: Fields) -> str:
  """Returns frames and moments: '8 frames, stride 2, fps 30'."""
  if clip['frames'] == 1:
    return 'images'
  told = f'{clip["frames"]} frames, {clip["sampling"]}'
  if clip['sampling'] in ('stride', 'around'):
    told += f' {clip["stride"]:g}'
  if clip.get('fps'):
    told += f' at {clip["fps"]:g} frames a second'
  short = clip.get('short')
  return told + (f', too short: {short}' if short else '')


def _training(clip: Fields) -> str:
  side, way = clip['resolution'], clip['interpolation']
  if clip['resize'] == 'pad':
    return f'longer side {side}, padded, {way}'
  if clip['resize'] == 'stretch':
    high, wide = clip['stretch']
    return f'stretched to {wide} x {high}, {_cut(clip)} {side}, {way}'
  if clip.get('area'):
    low, high = clip['area']
    return f'{100 * low:g} to {100 * high:g} % of the area to {side}, {way}'
  if clip.get('sizes'):
    sizes = ', '.join(f'{size:g}' for size in clip['sizes'])
    return f'sides of {sizes} of the shorter one to {side}, {way}'
  if clip.get('scale'):
    low, high = clip['scale']
    return f'shorter side {low} to {high}, {_cut(clip)} {side}, {way}'
  return f'shorter side {_side(clip)}, {_cut(clip)} {side}, {way}'


def _cut(clip: Fields) -> str:
  return 'the middle' if clip['centred'] else 'any'


def _side(clip: Fields) -> int:
  return clip['short_side'] or clip['resolution']


def _augmentation(task: Fields, defaults: Fields) -> str:
  known = {**defaults, **_IDLE}
  ignored = _NO_AUGMENTATION
  if task['task'] != 'localisation':
    ignored = (*ignored, 'box_jitter')
  changed = {
    name: value
    for name, value in task['augment'].items()
    if name not in ignored and value != known[name]
  }
  return ', '.join(_setting(*item) for item in changed.items()) or 'none'


def _setting(name: str, value: Any) -> str:
  name = name.replace('_', ' ')
  if value is True:
    return name
  values = value if isinstance(value, list | tuple) else (value,)
  return f'{name} {" ".join(f"{v}" for v in values)}'


def _test(clip: Fields, test: Fields) -> str:
  if test['resize'] == 'crop':
    return f'shorter side {_side(test)}, the middle {test["resolution"]}'
  if test['resize'] == 'pad' and test['resolution'] == clip['resolution']:
    return 'as in training'
  return _training({**test, 'centred': True})


def _views(task: Fields, test: Fields) -> str:
  clips, crops = test['views']
  told = f'{clips} x {crops} (clips x crops)'
  average = task.get('average')
  return told + (f', mean of {average}' if average else '')


def _head(task: Fields) -> str:
  fields = ('norm', 'dropout', 'initial', 'label_smoothing')
  told = [
    f'{name.replace("_", " ")} {task[name]}'
    for name in fields
    if task.get(name) not in (None, 'none', 0, 0.0)
  ]
  return ', '.join([task['task'], *told])
