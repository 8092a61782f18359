"""What a recipe takes over of an earlier run, whose weights it starts from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etils import epath

from vidpetl.data import opening

# Fields of a clip that a backbone is used to, whatever is asked of it.
_CLIP = ('frames', 'resolution', 'interpolation')
# Fields of one that are of a sampler, which another kind of task may not have.
_DENSE = ('stride', 'fps')
_SAMPLED = ('classification', 'multilabel', 'localisation')


def clip(weights: str) -> dict[str, Any]:
  """Returns the clip that an earlier run trained on, as fields of `clip`.

  The stride, and the rate that it counts in, are those of dense clips. A run of
  several tasks is known by its first.

  Args:
    weights: that a run starts from: a working directory, or a checkpoint in
      one. Anything else tells no clip.

  Returns:
    `frames`, `resolution`, `interpolation`, and, where clips are dense,
    `stride` and `fps`; {} if it is no run.
  """
  task = _task(weights)
  told = task.get('clip', {})
  found = {name: told.get(name) for name in _CLIP}
  if length := task.get('length'):  # Of each segment of a performance.
    found['frames'] = length
  if told.get('sampling') == 'pair':  # Half of them are a clip.
    found['frames'] = told['frames'] // 2
  dense = told.get('sampling', 'stride') == 'stride'
  if dense and task.get('task') in _SAMPLED:
    found |= {name: told.get(name) for name in _DENSE}
  return {name: value for name, value in found.items() if value is not None}


def _task(weights: str) -> Mapping[str, Any]:
  """Returns the first task of a run; {} of what is no run."""
  folder = epath.Path(weights or 'none')
  if folder.parent.name == 'checkpoints':  # <workdir>/checkpoints/<step>
    folder = folder.parent.parent
  file = folder / 'config.json'
  if not weights or not file.exists():
    return {}
  tasks = opening.read_json(file).get('tasks')
  return next(iter(tasks.values())) if tasks else {}
