"""Whose mean and standard deviation of pixels a run takes.

A backbone's weights are worth what they are for pixels normalised as they were
trained. `config.init.pixels` says whether a run takes theirs ('weights') or
what `config.tasks.<name>.augment` has ('config').
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import ml_collections
import numpy as np
from etils import epath

from vidpetl.data import opening
from vidpetl.experiment import published
from vidpetl.parameters import storage
from vidpetl.weights import family

CHOICES = ('weights', 'config')
_FIELDS = ('mean', 'std')

ConfigDict = ml_collections.ConfigDict
Pixels = dict[str, tuple[float, ...]]


def resolve(
  config: ConfigDict, workdir: epath.PathLike | None = None
) -> tuple[ConfigDict, list[str]]:
  """Returns the config with the pixels that its run takes, locked.

  Args:
    config: completed.
    workdir: of the run; what an interrupted one took is taken again, whatever
      has become of the weights' file.

  Returns:
    The config; a line for each task whose pixels are not those of its config.
  """
  if config.init.pixels == 'config' or not config.init.path:
    return config, []
  found = _of_run(workdir, config.init.path) or of_weights(config.init)
  if not found:
    return config, []
  config = config.copy_and_resolve_references().unlock()
  notes = []
  for name, task in config.tasks.items():
    changed = [
      field
      for field in _FIELDS
      if not np.allclose(task.augment[field], found[field], atol=1e-6)
    ]
    if changed:
      notes.append(
        f"{name}: pixels have the weights' mean {found['mean']} and standard "
        f'deviation {found["std"]}, not those of config.tasks.{name}.augment; '
        "config.init.pixels='config' keeps these."
      )
      task.augment.update(found)
  return config.lock(), notes


def of_weights(init: Any) -> Pixels:
  """Returns the 'mean' and 'std' that `config.init.path` was trained with.

  Args:
    init: `config.init`.

  Returns:
    Both per channel, {} where they are not known.
  """
  path = epath.Path(init.path)
  said = published.read_metadata(init.path)
  if not said and init.family:
    mean, std = family.load(init.family).normalisation
    said = {'mean': mean, 'std': std}
  if said or init.path.endswith(storage.SUFFIX):
    return _per_channel(said)
  # A checkpoint lies in <workdir>/checkpoints/<step>.
  for folder in (path, path.parent.parent):
    if (folder / 'config.json').exists():
      return _of_config(folder / 'config.json')
  return {}


def _of_run(workdir: epath.PathLike | None, path: str) -> Pixels:
  """Returns what a run took that began in `workdir` from the same weights."""
  file = None if workdir is None else epath.Path(workdir) / 'config.json'
  if file is None or not file.exists():
    return {}
  init = opening.read_json(file)['init']
  took = init.get('path') == path and init.get('pixels') == 'weights'
  return _of_config(file) if took else {}


def _of_config(file: epath.Path) -> Pixels:
  """Returns the pixels of a config.json, {} if its tasks have several."""
  tasks = opening.read_json(file)['tasks'].values()
  augments = [task.get('augment', {}) for task in tasks]
  known = {json.dumps([a.get(f) for f in _FIELDS]) for a in augments}
  return _per_channel(augments[0]) if len(known) == 1 else {}


def _per_channel(found: Mapping[str, Any]) -> Pixels:
  if any(found.get(field) is None for field in _FIELDS):
    return {}
  return {
    field: tuple(np.broadcast_to(found[field], 3).astype(float).tolist())
    for field in _FIELDS
  }
