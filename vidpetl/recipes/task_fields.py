"""What kinds of tasks need beside a clip and its augmentation, by `adapt`."""

from __future__ import annotations

from typing import Any

import ml_collections

from vidpetl.recipes import scores

ConfigDict = ml_collections.ConfigDict


def change(arg: ConfigDict, fields: dict[str, Any]) -> None:
  """Completes the fields of a task in place, by its kind.

  Args:
    arg: of the config.
    fields: of the task, with `task`, `train`, `eval`, `clip` and `augment`.
  """
  of_kind = _CHANGES.get(fields['task'].partition('.')[0])
  if of_kind:
    of_kind(arg, fields)


def _classify(arg: ConfigDict, fields: dict[str, Any]) -> None:
  fields['label_smoothing'] = 0.1
  fields['eval_clip'] = {'views': (arg.views, 1)}


def _several_labels(arg: ConfigDict, fields: dict[str, Any]) -> None:
  fields['eval_clip'] = {'views': (arg.views, 1)}
  for split in ('train', 'eval'):
    # A public dataset knows what it is annotated with.
    if fields[split]['source'] not in ('raw', 'records'):
      fields[split]['kind'] = 'multilabel'


def _localise(arg: ConfigDict, fields: dict[str, Any]) -> None:
  detected = fields['train'].get('detections')
  known = fields['train']['source'] != 'ava_csv'
  fields['clip'].update(
    resize='pad',
    short_side=None,
    scale=None,
    max_boxes=16,
    boxes='detected' if detected or known else 'ground_truth',
  )
  fields['eval_clip'] = {'boxes': 'detected', 'max_boxes': 32}
  fields['augment'].update(scale_jitter=(0.8, 1.1), box_jitter=0.1)
  fields['protocols'] = ('2019', 'slowfast') if known else ('2020',)


def _rate_quality(arg: ConfigDict, fields: dict[str, Any]) -> None:
  """Cuts a performance into segments of the backbone's clip."""
  length = fields['clip']['frames']
  fields['clip'].update(sampling='spread', frames=arg.segments * length)
  fields['length'] = length
  fields['starts'] = tuple(range(0, arg.segments * length, length))
  if fields['task'] == 'quality.usdl':
    low, high = _scores(arg, fields['train'])
    fields.update(low=low, high=high)
  else:
    fields['clip']['exemplar'] = 'any'


def _scores(arg: ConfigDict, train: dict[str, Any]) -> tuple[float, float]:
  """Returns the range of the scores, from the training data if not given."""
  if arg.low == arg.low and arg.high == arg.high:
    return arg.low, arg.high
  try:
    own = scores.table(train)
  except FileNotFoundError as error:
    raise ValueError(
      f'give low= and high=, the range of scores: {error}'
    ) from None
  return scores.span(own['scores'])


def _ask(arg: ConfigDict, fields: dict[str, Any]) -> None:
  """Makes clips those of a pretext task."""
  kind = fields['task'].partition('.')[2]
  if kind == 'rspnet':
    fields['clip'].update(sampling='pair', scale=None, area=(0.4, 1.0))
    return
  fields['clip']['sampling'] = kind


_CHANGES = {
  'classification': _classify,
  'multilabel': _several_labels,
  'localisation': _localise,
  'quality': _rate_quality,
  'pretext': _ask,
}
