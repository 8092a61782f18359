"""What makes a run the same run: all that changes a number.

That is every field of the completed config but those listed here, whatever
fields are to come; its steps; its frozen parameters; and of its data the
annotations and the videos' bytes. Fields are called by their paths:
'optimizer.learning_rate', 'petl[0].rank', 'data.hmdb51.train.videos'.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from vidpetl.data import contents
from vidpetl.experiment import complete

Fields = dict[str, Any]
# Field -> its value then, and now.
Changes = dict[str, tuple[Any, Any]]

# Where things lie, and why it makes no other run: regexes of fields.
PLACES = (
  (
    r'init\.(path|adapter)',
    'what is frozen is compared itself, and what trains is in the checkpoint',
  ),
  (
    r'data|tasks\.[^.]+\.(train|eval)\.(path|raw|root|data_dir|videos|'
    r'annotations|labelmap|detections|excluded|lists|classes)',
    'annotations and bytes of the data are compared themselves',
  ),
)
# What else may be another when a run goes on, and why.
FREE = (
  (r'mode|eval_checkpoint', 'they say what is done with a run'),
  (r'log_every|writers|page', 'they say what is told of a run'),
  (r'compile_cache|input\..*', 'they make it faster, or stop it'),
  (r'cache\.verify', 'it compares what is read'),
  (r'backbone\.(remat|scan)', 'what is computed is the same'),
  (r'eval_batch_size', 'metrics do not depend on it'),
  (r'mesh\..*|sharding', 'another topology differs by rounding'),
  (r'checkpoint\.(every|keep|accept)', 'they say which states are kept'),
)

_NOTHING = object()
_LONGEST = 60  # characters of a value in an error
_MOST = 6  # fields that are named one by one to be accepted


def of_config(config: Mapping[str, Any], places: bool = False) -> Fields:
  """Returns the fields of a config that make it another run.

  Args:
    config: of a run, or what its config.json or its checkpoint held.
    places: whether those that say where things lie are among them.
  """
  try:
    whole = complete.as_json(config)
  except ValueError:  # An older version had a field that there is no more.
    whole = dict(config.items())
  cache = dict(whole.get('cache') or {})
  if cache.get('path') and not places:  # Where it lies plays no part.
    whole['cache'] = cache | {'path': 'kept features'}
  elif not cache.get('path'):
    whole.pop('cache', None)
  free = [regex for regex, _ in (*FREE, *(() if places else PLACES))]
  pattern = re.compile('|'.join(free))
  fields = flat(whole)
  return {k: v for k, v in fields.items() if not pattern.fullmatch(k)}


def data_of(run: Any) -> dict[str, Any]:
  """Returns what tells the data of a run, read by one process for all."""
  parts = {'train': run.train, 'held_out': run.held_out, 'eval': run.tested}
  return {
    name: {
      part: {
        'annotations': sources[name].info.fingerprint,
        'videos': contents.fingerprint(sources[name]),
      }
      for part, sources in parts.items()
      if name in sources
    }
    for name in run.train
  }


def meta(run: Any, data: Mapping[str, Any], frozen: str) -> dict[str, Any]:
  """Returns what a checkpoint keeps of it; see `of_meta`.

  Args:
    run: a `training.run.Run`.
    data: its `data_of`.
    frozen: hash of its frozen parameters.
  """
  config = json.loads(run.config.to_json_best_effort())
  return {'steps': run.total, 'frozen': frozen, 'data': data, 'config': config}


def of_meta(saved: Mapping[str, Any]) -> Fields:
  """Returns all fields of a run, from what its checkpoint keeps.

  Of older versions, which kept no config, it is what they compared.
  """
  facts = {k: saved[k] for k in ('steps', 'frozen') if k in saved}
  if 'config' not in saved:
    facts |= {k: saved[k] for k in ('seed', 'batch_size') if k in saved}
    data = saved.get('data', {}).items()
    return facts | {f'data.{k}.train.annotations': v for k, v in data}
  fields = of_config(saved['config'])
  for name in ('epochs', 'steps'):  # The number that they come to counts.
    fields.pop(name, None)
  return fields | facts | flat({'data': saved['data']})


def changes(then: Fields, now: Fields) -> Changes:
  """Returns the fields that differ, with both values."""
  pairs = {
    name: (then.get(name, _NOTHING), now.get(name, _NOTHING))
    for name in now | then
  }
  # NaN, where a field has no value yet, is not equal to itself.
  return {
    name: (old, new)
    for name, (old, new) in pairs.items()
    if old != new and f'{old}' != f'{new}'
  }


def accepted(accept: str, changed: Changes, known: Mapping[str, Any]) -> set:
  """Returns the changed fields that a user accepts.

  Args:
    accept: `config.checkpoint.accept`, fields or the beginnings of several,
      separated by commas.
    changed: what differs.
    known: all fields.

  Raises:
    ValueError: naming what is no field.
  """
  taken: set[str] = set()
  for text in filter(None, map(str.strip, accept.split(','))):
    name = text.removeprefix('config.')
    below = re.compile(re.escape(name) + r'([.\[].*)?')
    if not any(map(below.fullmatch, known)):
      first = dict.fromkeys(re.split(r'[.\[]', field)[0] for field in known)
      raise ValueError(
        f'config.checkpoint.accept names {text!r}, by which no run is told '
        f'from another; it may name fields of {", ".join(first)}'
      )
    taken |= {field for field in changed if below.fullmatch(field)}
  return taken


def told(changed: Changes) -> str:
  """Returns what differs, for people."""
  return '; '.join(
    f'{name}: {_shown(then)} then, {_shown(now)} now'
    for name, (then, now) in changed.items()
  )


def as_json(changed: Changes) -> dict[str, list[Any]]:
  """Returns what differs as a history keeps it; None stands for nothing."""
  return {
    name: [None if value is _NOTHING else value for value in pair]
    for name, pair in changed.items()
  }


def flag(changed: Changes) -> str:
  """Returns what accepts all that differs, as it is typed."""
  names = list(changed)
  if len(names) > _MOST:
    names = [re.sub(r'^([^.\[]+\.?[^.\[]*).*', r'\1', name) for name in names]
  return f'--config.checkpoint.accept={",".join(dict.fromkeys(names))}'


def _shown(value: Any) -> str:
  if value is _NOTHING:
    return 'nothing'
  text = repr(value)
  return text if len(text) <= _LONGEST else f'{text[:_LONGEST]}…'


def flat(tree: Any, path: str = '') -> Fields:
  """Returns path -> value of nested dicts, and of lists of them."""
  if isinstance(tree, Mapping) and tree:
    parts = {f'{path}.{key}'.lstrip('.'): tree[key] for key in tree}
  elif isinstance(tree, list | tuple) and _holds_dicts(tree):
    parts = {f'{path}[{i}]': value for i, value in enumerate(tree)}
  else:
    return {path: tree}
  fields: Fields = {}
  for name, value in parts.items():
    fields |= flat(value, name)
  return fields


def _holds_dicts(values: Any) -> bool:
  return bool(values) and all(isinstance(each, Mapping) for each in values)
