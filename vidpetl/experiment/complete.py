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
from typing import Annotated, Any

import ml_collections

from vidpetl import backbones, options, parts, ranges
from vidpetl.data import augment, clip_spec, sources
from vidpetl.experiment import stacking
from vidpetl.petl import bindings, techniques
from vidpetl.recipes import defaults
from vidpetl.tasks import distillation, probes
from vidpetl.tasks import task as task_lib

ConfigDict = ml_collections.ConfigDict

# What a run gives to what is built, whatever the config says.
_OF_THE_RUN = ('name', 'parent', 'dtype')
_OF_THE_TASK = (
  *('task', 'train_clip', 'eval_clip', 'augment', 'num_classes', 'probe'),
)


def complete(config: Mapping[str, Any]) -> ConfigDict:
  """Returns a locked copy of a config, with every field and its value.

  Args:
    config: of `configs/`, or what config.json held.

  Raises:
    ValueError: naming a field that there is not, with those there are, or one
      whose value is out of its range.
  """
  given = _plain(config)
  whole = defaults.get_config().to_dict() | {'backbone': {}, 'tasks': {}}
  for name, value in given.items():
    if name not in whole:
      raise ValueError(unknown('config', name, whole))
    section = defaults.SECTIONS.get(name)
    if section:
      hints = options.hints(section)
      value = _fill(value, whole[name], f'config.{name}', hints)
    whole[name] = value
  options.hold(whole, _HINTS, 'config')
  groups = whole['optimizer']['groups'].items()
  whole['optimizer']['groups'] = {
    name: _group(group, f'config.optimizer.groups.{name}')
    for name, group in groups
  }
  if whole['init']['stack']:
    whole = stacking.stack(whole)
  whole['backbone'] = _backbone(whole['backbone'])
  whole['petl'] = tuple(
    _technique(i, entry) for i, entry in enumerate(whole['petl'])
  )
  whole['tasks'] = {
    name: _task(f'config.tasks.{name}', task)
    for name, task in whole['tasks'].items()
  }
  return ConfigDict(whole).lock()


_FIELDS = Mapping[str, Any]
_HINTS = {**options.hints(defaults.Config), 'backbone': _FIELDS} | {
  'tasks': Annotated[Mapping[ranges.Name, _FIELDS], ranges.Filled()]
}


def _group(given: Mapping[str, Any], owner: str) -> dict[str, Any]:
  known = dataclasses.asdict(defaults.Group())
  return _fill(given, known, owner, options.hints(defaults.Group))


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
  there = ', '.join(sorted(known)) + options.nearest(name, known)
  return f'{owner} has no field {name!r}; it has {there}'


def _fill(
  given: Mapping[str, Any],
  known: Mapping[str, Any],
  owner: str,
  hints: Mapping[str, Any],
) -> dict[str, Any]:
  """Returns defaults, replaced by what is given.

  Args:
    given: fields.
    known: the fields that there are, with their defaults.
    owner: path of the fields' owner.
    hints: what values they may have.

  Raises:
    ValueError: naming a field that there is not, or whose value it may not
      have.
  """
  if not isinstance(given, Mapping):
    raise ValueError(f'{owner}={given!r}: it must be a dict of fields')
  for name in given:
    if name not in known:
      raise ValueError(unknown(owner, name, known))
  options.hold(given, hints, owner)
  return {**known, **given}


def _hints(*declared: Callable[..., Any]) -> dict[str, Any]:
  """Returns the type hints of several functions and classes."""
  found: dict[str, Any] = {}
  for each in declared:
    found |= options.hints(each)
  return found


def _plain(config: Any) -> Any:
  """Returns a config without references, as nested dicts."""
  if isinstance(config, ConfigDict):
    config = config.copy_and_resolve_references().to_dict()
  return ranges.plain(dict(config.items()))


def _backbone(given: Mapping[str, Any]) -> dict[str, Any]:
  owner = 'config.backbone'
  part = parts.load(backbones, given.get('name'), 'build', f'{owner}.name')
  chosen = {name: value for name, value in given.items() if value is not None}
  del chosen['name']
  options.check(part.build, chosen, owner)
  model = backbones.build(given)
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
  shared = {'site': '', 'technique': '', 'where': '', 'name': None, 'per': ()}
  known = {**shared, **_defaults(part.build)}
  of_entry = {'site': ranges.Text, **bindings.PLACES}
  return _fill(entry, known, owner, options.hints(part.build) | of_entry)


def _task(owner: str, given: Mapping[str, Any]) -> dict[str, Any]:
  module = task_lib.module(given.get('task'), f'{owner}.task')
  own = _defaults(module.build)
  hints = options.hints(module.build) | _SHARED
  _fill(given, dict.fromkeys(_SHARED) | own, owner, hints)
  whole = {'num_classes': None, **own, **given}
  clip, eval_clip = given.get('clip', {}), given.get('eval_clip', {})
  where = 'eval_clip' if eval_clip.get('sampling') else 'clip'
  inherited = clip_spec.fitting(
    clip,
    module.KIND,
    eval_clip.get('sampling'),
    f'{owner}.{where}.sampling',
  )
  for name, fields in {
    'clip': clip,
    'eval_clip': {**inherited, **eval_clip},
  }.items():
    whole[name] = _clip(fields, module.KIND, f'{owner}.{name}')
  known, hints = _defaults(augment.Augment), options.hints(augment.Augment)
  whole['augment'] = _fill(
    given.get('augment', {}), known, f'{owner}.augment', hints
  )
  # A weight of 0 is no teacher.
  known = _defaults(distillation.Distilled) | {'weight': 0.0}
  hints = options.hints(distillation.Distilled)
  distill = given.get('distill') or {}
  whole['distill'] = _fill(distill, known, f'{owner}.distill', hints)
  whole['probe'] = _probe(given.get('probe') or {}, f'{owner}.probe')
  for split in ('train', 'eval'):
    if given.get(split):
      whole[split] = _source(given[split], f'{owner}.{split}')
  return whole


# Fields of every task.
_SHARED = {
  'task': ranges.Text,
  'num_classes': ranges.Count | None,
  'train': _FIELDS | None,
  'eval': _FIELDS | None,
  'clip': _FIELDS,
  'eval_clip': _FIELDS,
  'augment': _FIELDS,
  'distill': _FIELDS | None,
  'probe': _FIELDS | None,
}


def _probe(given: Mapping[str, Any], owner: str) -> dict[str, Any]:
  known: dict[str, Any] = {'kind': ''}
  hints: dict[str, Any] = {'kind': str}
  if given.get('kind'):
    part = parts.load(probes, given['kind'], 'build', f'{owner}.kind')
    known |= _defaults(part.build)
    hints |= options.hints(part.build)
  return _fill(given, known, owner, hints)


def _clip(given: Mapping[str, Any], kind: str, owner: str) -> dict[str, Any]:
  sampling = given.get('sampling')
  where = f'{owner}.sampling'
  known = clip_spec.defaults(sampling, kind, where)
  hints = _hints(*clip_spec.owners(sampling, kind, where))
  hints['sampling'] = str | None
  return _fill(given, known, owner, hints)


def _source(given: Mapping[str, Any], owner: str) -> dict[str, Any]:
  known = {'source': None, **sources.arguments(given, owner)}
  hints = _hints(*sources.functions(given, owner)) | {'source': ranges.Text}
  # What is None is not given.
  missing = {n: v | None if v is not Any else v for n, v in hints.items()}
  return _fill(given, known, owner, missing)


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
  """Returns the options of a function that have a default, and those."""
  hidden = {*_OF_THE_RUN, *_OF_THE_TASK, 'info', 'plan', 'train'}
  return {
    name: default
    for name, default in options.fields(function).items()
    if name not in hidden and default is not inspect.Parameter.empty
  }
