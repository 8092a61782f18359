"""Fields of a config that a program may take as numbers.

They are numbers in the equations of a loss, a head or a technique, and decide
neither a shape nor what is computed. Runs that differ in them alone are one
program, of which they are arguments.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vidpetl.experiment import complete
from vidpetl.experiment import model as model_lib
from vidpetl.petl import adapted
from vidpetl.training import identity

# Of a task; a head has the second as well. Of a technique.
_OF_TASKS = ('label_smoothing', 'dropout')
_OF_TECHNIQUES = ('scale', 'alpha', 'dropout')
_FIELD = re.compile(
  rf'tasks\.(?P<task>[^.]+)\.(?P<of_task>{"|".join(_OF_TASKS)})|'
  rf'petl\[(?P<entry>\d+)\]\.(?P<of_technique>{"|".join(_OF_TECHNIQUES)})'
)


def among(fields: Mapping[str, Any]) -> dict[str, float]:
  """Returns those of a config's fields, by path, that may be arguments."""
  return {
    path: value
    for path, value in fields.items()
    if type(value) in (int, float) and _FIELD.fullmatch(path)
  }


def differing(configs: Sequence[Any]) -> dict[str, np.ndarray]:
  """Returns path -> value of each run, of the numbers that differ."""
  found = [among(identity.flat(complete.as_json(one))) for one in configs]
  every = {path: [each[path] for each in found] for path in found[0]}
  return {
    path: np.asarray(values, np.float32)
    for path, values in every.items()
    if len(set(values)) > 1
  }


def put(
  model: model_lib.Model, task: Any, numbers: Mapping[str, Any]
) -> tuple[model_lib.Model, Any]:
  """Returns a model and a task with these numbers in place of their own.

  Args:
    model: with `Adapted` for its backbone.
    task: of the program; fields of other tasks change nothing.
    numbers: path -> number, or a traced one.
  """
  of_task, of_techniques = {}, {}
  for path, value in numbers.items():
    found = _FIELD.fullmatch(path)
    if found['entry']:
      one = of_techniques.setdefault(int(found['entry']), {})
      one[found['of_technique']] = value
    elif found['task'] == task.name:
      of_task[found['of_task']] = value
  if of_techniques:
    bound = functools.partial(_bound, numbers=of_techniques)
    backbone = model.backbone
    backbone = backbone.clone(
      bindings=tuple(
        map(bound, range(len(backbone.bindings)), backbone.bindings)
      )
    )
    model = model.clone(backbone=backbone)
  if 'dropout' in of_task:
    head = model.heads[task.name].clone(dropout=of_task['dropout'])
    model = model.clone(heads={**model.heads, task.name: head})
  return model, dataclasses.replace(task, **of_task) if of_task else task


def _bound(
  entry: int, at: adapted.At, numbers: Mapping[int, Mapping[str, Any]]
) -> adapted.At:
  own = numbers.get(entry)
  if not own:
    return at
  return dataclasses.replace(at, technique=at.technique.clone(**own))
