"""From a config, or a run's sources, to what is surveyed."""

from __future__ import annotations

import collections
import inspect
from collections.abc import Mapping
from typing import Any

from vidpetl import options
from vidpetl.data import examples, sources
from vidpetl.data.survey import subject as subject_lib

# A source's split of all its rows.
_ALL = 'all'


def open_config(config: Mapping[str, Any]) -> list[subject_lib.Subject]:
  """Opens the data of each task of a config; no file of theirs is read.

  Raises:
    ValueError, OSError: as sources do.
  """
  train = {
    name: sources.open_source(task['train'])
    for name, task in config['tasks'].items()
  }
  tested = {
    name: sources.open_source(task['eval'])
    for name, task in config['tasks'].items()
    if task.get('eval')
  }
  return subjects(config, train, tested)


def subjects(
  config: Mapping[str, Any],
  train: Mapping[str, examples.Source],
  tested: Mapping[str, examples.Source],
) -> list[subject_lib.Subject]:
  """Returns the subjects of data that are open.

  Args:
    config: of the run.
    train: training source of each task.
    tested: evaluation source of those that have one.
  """
  found = []
  for name, source in train.items():
    opened = {subject_lib.TRAIN: source}
    if name in tested:
      opened[subject_lib.VAL] = tested[name]
    split_of = {role: subject_lib.part_of(one) for role, one in opened.items()}
    found.append(
      subject_lib.Subject(
        name,
        split_of,
        subject_lib.recipe_of(config, name, source.info.kind),
        _unlisted(config['tasks'][name]['train'], split_of),
        subject_lib.lacking(config, name, split_of),
      )
    )
  return found


def _unlisted(
  fields: Mapping[str, Any], parts: Mapping[str, subject_lib.Part]
) -> tuple[str, ...]:
  """Returns the clips of a table that are in none of its splits taken."""
  opener = sources.opener(fields['source'])
  default = options.fields(opener).get('split', inspect.Parameter.empty)
  # The rest of a part that was taken is no oversight.
  is_part = fields.get('shots') or fields.get('share')
  if default != _ALL or fields.get('split') == _ALL or is_part:
    return ()
  whole = sources.open_source({**fields, 'split': _ALL})
  rows = collections.Counter(_rows(subject_lib.part_of(whole)))
  for part in parts.values():
    rows.subtract(_rows(part))
  return tuple(path for (path, *_), count in rows.items() if count > 0)


def _rows(part: subject_lib.Part) -> list[tuple[str, float, float]]:
  return list(zip(part.paths, part.begins.tolist(), part.ends.tolist()))
