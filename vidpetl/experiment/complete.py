"""A config with every field of what it builds.

A config file says what differs from the defaults. `complete` adds the rest, so
that whatever a docstring documents can be set from the command line and is
written to config.json.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

import ml_collections

from vidpetl import backbones, options, parts
from vidpetl.data import augment, clip_spec, mixture, sources
from vidpetl.data.survey import start
from vidpetl.experiment import optimizer
from vidpetl.petl import techniques
from vidpetl.recipes import defaults
from vidpetl.tasks import distillation
from vidpetl.tasks import task as task_lib

ConfigDict = ml_collections.ConfigDict

# What a run gives to what is built, whatever the config says.
_OF_THE_RUN = ('name', 'parent', 'dtype')
_OF_THE_TASK = ('task', 'train_clip', 'eval_clip', 'augment', 'num_classes')


def complete(config: Mapping[str, Any]) -> ConfigDict:
  """Returns a locked copy of a config, with every field and its value.

  Args:
    config: of `configs/`, or what config.json held.

  Raises:
    ValueError: naming a field that there is not, with those there are.
  """
  given = _plain(config)
  whole = defaults.get_config().to_dict() | {'backbone': {}, 'tasks': {}}
  for name, value in given.items():
    if name not in whole:
      raise ValueError(unknown('config', name, whole))
    if name in _GROUPS:
      whole[name] = _fill(value, whole[name], f'config.{name}')
    else:
      whole[name] = value
  for owner, field, known in _CHOICES:
    place = whole[owner] if owner else whole
    options.one_of(f'config.{owner}'.rstrip('.'), field, place[field], known)
  groups = whole['optimizer']['groups'].items()
  whole['optimizer']['groups'] = {
    name: _fill(group, optimizer.GROUP, f'config.optimizer.groups.{name}')
    for name, group in groups
  }
  whole['backbone'] = _backbone(whole['backbone'])
  whole['petl'] = tuple(
    _technique(i, entry) for i, entry in enumerate(whole['petl'])
  )
  whole['tasks'] = {
    name: _task(f'config.tasks.{name}', task)
    for name, task in whole['tasks'].items()
  }
  return ConfigDict(whole).lock()


_CHOICES = (
  ('', 'mode', ('train', 'eval')),
  ('', 'report', ('last', 'best', 'mean10')),
  ('mixture', 'mode', mixture.MODES),
  ('input', 'check', start.CHOICES),
)
# Their fields are fixed, and those of mixture.weights and optimizer.groups are
# names of one's own.
_GROUPS = ('init', 'optimizer', 'mixture', 'mesh', 'checkpoint', 'input')


def as_json(config: Mapping[str, Any]) -> dict[str, Any]:
  """Returns a completed config as config.json holds it, to compare two.

  Args:
    config: of a run, or what its config.json held. That of an older version
      has fewer fields, and idle ones of clips.
  """
  fields = _plain(config)
  fields['tasks'] = {
    name: task_lib.fitting(task) for name, task in fields['tasks'].items()
  }
  return json.loads(complete(fields).to_json_best_effort())


def unknown(owner: str, name: str, known: Mapping[str, Any]) -> str:
  """Returns the error for a field that there is not."""
  return f'{owner} has no field {name!r}; it has {", ".join(sorted(known))}.'


def _fill(given: Mapping[str, Any], known: Mapping[str, Any], owner: str):
  """Returns defaults, replaced by what is given."""
  for name in given:
    if name not in known:
      raise ValueError(unknown(owner, name, known))
  return {**known, **given}


def _plain(config: Any) -> Any:
  """Returns a config without references, as nested dicts."""
  if isinstance(config, ConfigDict):
    return config.copy_and_resolve_references().to_dict()
  return dict(config.items())


def _backbone(given: Mapping[str, Any]) -> dict[str, Any]:
  model = backbones.build(given)
  part = parts.load(backbones, given['name'], 'build', 'config.backbone.name')
  chosen = {
    field.name: getattr(model, field.name)
    for field in dataclasses.fields(model)
    if field.name not in _OF_THE_RUN
  }
  return {**_defaults(part.build), **given, **chosen}


def _technique(number: int, entry: Mapping[str, Any]) -> dict[str, Any]:
  if 'technique' not in entry:  # `bindings.bind` says what is missing.
    return dict(entry)
  owner = f'config.petl[{number}]'
  part = parts.load(
    techniques, entry['technique'], 'build', f'{owner}.technique'
  )
  shared = {'site': '', 'technique': '', 'where': '', 'name': None}
  known = {**shared, **_defaults(part.build)}
  return _fill(entry, known, owner)


def _task(owner: str, given: Mapping[str, Any]) -> dict[str, Any]:
  module = task_lib.module(given.get('task'), f'{owner}.task')
  own = _defaults(module.build)
  _fill(given, dict.fromkeys(_SHARED) | own, owner)
  whole = {'num_classes': None, **own, **given}
  clip, eval_clip = given.get('clip', {}), given.get('eval_clip', {})
  inherited = clip_spec.fitting(clip, module.KIND, eval_clip.get('sampling'))
  for name, fields in {
    'clip': clip,
    'eval_clip': {**inherited, **eval_clip},
  }.items():
    known = clip_spec.defaults(fields.get('sampling'), module.KIND)
    whole[name] = _fill(fields, known, f'{owner}.{name}')
  known = _defaults(augment.Augment)
  whole['augment'] = _fill(given.get('augment', {}), known, f'{owner}.augment')
  # A weight of 0 is no teacher.
  known = _defaults(distillation.Distilled) | {'weight': 0.0}
  distill = given.get('distill') or {}
  whole['distill'] = _fill(distill, known, f'{owner}.distill')
  for split in ('train', 'eval'):
    if given.get(split):
      whole[split] = _source(given[split], f'{owner}.{split}')
  return whole


_SHARED = (
  *('task', 'num_classes', 'train', 'eval'),
  *('clip', 'eval_clip', 'augment', 'distill'),
)


def _source(given: Mapping[str, Any], owner: str) -> dict[str, Any]:
  known = {'source': None, **sources.arguments(given)}
  return _fill(given, known, owner)


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
  """Returns the options of a function that have a default, and those."""
  hidden = {*_OF_THE_RUN, *_OF_THE_TASK, 'info', 'train'}
  return {
    name: default
    for name, default in options.fields(function).items()
    if name not in hidden and default is not inspect.Parameter.empty
  }
