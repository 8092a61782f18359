"""How a task trains and tests, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vidpetl import options
from vidpetl.data import samplers

Fields = Mapping[str, Any]

# Settings of `augment` that leave clips as they are, and those that are no
# augmentation.
_IDLE = {'scale_jitter': None, 'flip': False, 'box_jitter': 0.0}
_NO_AUGMENTATION = ('mean', 'std', 'dtype', 'pad_value')
# Others, in this order.
_CHANGES = {
  'flip': 'mirrored',
  'scale_jitter': 'scaled by {0:g} to {1:g}',
  'box_jitter': "boxes' edges moved by up to {0:g}",
  'rand_augment': 'RandAugment ({0} operations of magnitude {1:g} ± {2:g})',
  'color_jitter': 'colours jittered by {0:g}, {1:g}, {2:g}, {3:g}',
  'color_jitter_p': 'jitter with a chance of {0:g}',
  'color_jitter_per_frame': 'jitter of each frame by itself',
  'grayscale': 'grey with a chance of {0:g}',
  'erasing': 'erasing with a chance of {0:g}',
}
_PLACES = {'ends': 'from end to end', 'centres': 'in the centres of parts'}
_SHORT = {'hold': 'held', 'loop': 'looped', 'stretch': 'stretched'}
# What is said of clips of a sampler, and the options that it leaves to say.
_SAMPLED = {
  'stride': ('{frames} frames, stride {stride:g}', ()),
  'around': ('{frames} frames around the keyframe, stride {stride:g}', ()),
  'segments': ('{frames} frames, one of each segment', ('rounded',)),
  'spread': ('{frames} frames, spread over all', ()),
  'tail': ('the last {frames} frames', ('shift',)),
}
_OF_HEADS = (
  *('norm', 'dropout', 'initial', 'label_smoothing', 'judges', 'bins', 'std'),
  *('depth', 'score_range', 'voters', 'truth_share'),
)
_NOTHING = (None, 'none', 0, 0.0)


def of_task(task: Fields, augment_defaults: Fields) -> dict[str, str]:
  """Returns aspect -> words, of how a task trains and tests.

  Args:
    task: a completed entry of `config.tasks`.
    augment_defaults: fields of `Augment`, as if nothing were set.
  """
  clip, test = task['clip'], task['eval_clip']
  return {
    'frames': _frames(task, clip),
    'training crops': _training(clip),
    'augmentation': _augmentation(task, augment_defaults),
    'test': _test(clip, test),
    'views': _views(task, test),
    'head': _head(task),
  }


def _frames(task: Fields, clip: Fields) -> str:
  """Returns frames and moments: '8 frames, stride 2 at 30 a second'."""
  if clip['frames'] == 1:
    return 'images'
  name = clip['sampling']
  words, named = _SAMPLED.get(name, (f'{{frames}} frames, {name}', None))
  told = words.format(**clip)
  if named is None:
    named = tuple(options.fields(samplers.load(name)))
  told += ''.join(f', {_option(n, clip[n])}' for n in named if clip[n])
  if clip['fps'] and '{stride' in words:
    told += f', at {clip["fps"]:g} frames a second'
  if 'short' in clip:
    told += f'; too short: {_SHORT[clip["short"]]}'
  if 'starts' in task:
    told += f'; {len(task["starts"])} segments of {task["length"]}'
  return told


def _option(name: str, value: Any) -> str:
  return name if value is True else f'{name} {value}'


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
    if name not in ignored and _plain(value) != _plain(known[name])
  }
  ordered = [*(n for n in _CHANGES if n in changed), *sorted(changed)]
  told = (_setting(name, changed[name]) for name in dict.fromkeys(ordered))
  return ', '.join(told) or 'none'


def _plain(value: Any) -> Any:
  """Returns a value as JSON has it, which knows no tuples."""
  return list(value) if isinstance(value, tuple) else value


def _setting(name: str, value: Any) -> str:
  values = value if isinstance(value, list | tuple) else (value,)
  if name in _CHANGES:
    return _CHANGES[name].format(*values)
  return f'{name.replace("_", " ")} {" ".join(f"{v}" for v in values)}'


def _test(clip: Fields, test: Fields) -> str:
  if test['resize'] == 'crop':
    side, way = test['resolution'], test['interpolation']
    told = f'shorter side {_side(test)}, the middle {side}, {way}'
  elif test['resize'] == 'pad' and test['resolution'] == clip['resolution']:
    told = 'as in training'
  else:
    told = _training({**test, 'centred': True})
  if 'boxes' in test:
    boxes = test['boxes'].replace('_', ' ')
    told += f'; boxes: {boxes}'
    told += f', from {test["min_score"]:g} on' if boxes == 'detected' else ''
  return told


def _views(task: Fields, test: Fields) -> str:
  clips, crops = test['views']
  told = f'{clips} x {crops} (clips x crops)'
  if clips > 1 and 'places' in test:
    told += f', {_PLACES[test["places"]]}'
  average = task.get('average')
  return told + (f', mean of {average}' if average else '')


def _head(task: Fields) -> str:
  told = [task['task']]
  told += [
    f'{name.replace("_", " ")} {task[name]}'
    for name in _OF_HEADS
    if task.get(name) not in _NOTHING
  ]
  if task['probe']['kind']:
    told.append(_probe(task['probe']))
  if task['distill']['weight']:
    told.append('distilled: {weight:g} x {reduction}'.format(**task['distill']))
  return ', '.join(told)


def _probe(probe: Fields) -> str:
  """Returns 'attentive probe (layers 2 5, depth 3)'."""
  fields = {k: v for k, v in probe.items() if k != 'kind'}
  told = [
    f'{name} {" ".join(map(str, v)) if isinstance(v, list | tuple) else v}'
    for name, v in fields.items()
    if v not in (*_NOTHING, (), [])
  ]
  kind = probe['kind'].replace('_', '-')
  return f'{kind} probe' + (f' ({", ".join(told)})' if told else '')
