"""The recipe of a config in words, as tables and pages show it."""

from __future__ import annotations

import dataclasses
from typing import Any

from vidpetl.data import augment as augment_lib
from vidpetl.recipes import aspects


def recipe(config: Any, examples: int | None = None) -> dict[str, Any]:
  """Returns how a run trains and tests, in words: see `recipes.aspects`.

  Args:
    config: a completed one.
    examples: of all training sets together, where they are known.
  """
  fields = config.to_dict()
  usual = {f.name: f.default for f in dataclasses.fields(augment_lib.Augment)}
  tasks = fields['tasks'].items()
  return {
    'run': aspects.of_run(fields, examples),
    'tasks': {name: aspects.of_task(task, usual) for name, task in tasks},
  }
