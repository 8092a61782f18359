"""What is known of the parameters that a run starts from, besides the arrays.

It is a dict with what `published.describe` returns, or part of it: 'backbone',
'grid', 'window', 'labels' of the heads, and so on. A file of `vidpetl.convert`
has it inside, and an earlier run in its config.json and its checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etils import epath

from vidpetl.data import kinds, opening
from vidpetl.experiment import complete, published
from vidpetl.experiment import experiment as experiment_lib
from vidpetl.experiment import labels as labels_lib
from vidpetl.parameters import storage
from vidpetl.tasks import task as task_lib
from vidpetl.weights import fit

Said = dict[str, Any]


def read(path: str) -> Said:
  """Returns what is known of the arrays of a path, {} for a published file.

  Args:
    path: a file of ours, a working directory, or one of its checkpoints.
  """
  if path.endswith(storage.SUFFIX):
    return published.read_metadata(path)
  meta = storage.read_meta(path)
  said = {'labels': meta['labels']} if 'labels' in meta else {}
  # A checkpoint lies in <workdir>/checkpoints/<step>.
  for folder in (epath.Path(path), epath.Path(path).parent.parent):
    if (folder / 'config.json').exists():
      return _of_config(folder / 'config.json') | said
  return said


def geometry(experiment: experiment_lib.Experiment) -> fit.Geometry:
  """Returns what the tables of positions of an experiment are for."""
  backbone = plain_backbone(experiment)
  grid = published.tables_grid(backbone, experiment.grid())
  return fit.Geometry(grid, getattr(backbone, 'window', ()))


def plain_backbone(experiment: experiment_lib.Experiment) -> Any:
  """Returns the backbone below its techniques."""
  backbone = experiment.model.backbone
  return getattr(backbone, 'backbone', backbone)


def of_experiment(
  experiment: experiment_lib.Experiment,
  labels: Mapping[str, Mapping[int, str]],
) -> Said:
  """Returns what is known of the arrays of a model.

  Args:
    experiment: whose model.
    labels: of the heads, by task.
  """
  fits = geometry(experiment)
  tasks = experiment.tasks.values()
  pixels = {(task.augment.mean, task.augment.std) for task in tasks}
  mean, std = pixels.pop() if len(pixels) == 1 else (None, None)
  return {
    'backbone': experiment.config.backbone.to_dict(),
    'grid': fits.grid,
    'window': fits.window,
    'mean': mean,
    'std': std,
    'labels': {
      task: labels_lib.to_json(found) for task, found in labels.items() if found
    },
  }


def _of_config(file: epath.Path) -> Said:
  """Returns what a run's config.json tells of its arrays."""
  config = opening.read_json(file)
  if not config.get('backbone') or not config.get('tasks'):
    return {}
  try:
    # All tasks of a run encode clips of one size.
    name, task = next(iter(config['tasks'].items()))
    task = task_lib.fitting(task)
    kind = kinds.load(task_lib.module(task['task']).KIND)
    if kind.has_classes:
      task['num_classes'] = task.get('num_classes') or 1
    whole = complete.complete({**config, 'tasks': {name: task}})
    infos = experiment_lib.infos_from_config(whole)
    said = of_experiment(experiment_lib.build(whole, infos), {})
  except ValueError as error:
    return {'note': f'note: {file} is not understood: {error}'}
  return {field: said[field] for field in ('backbone', 'grid', 'window')}
