"""What has to be known of a trained model to use it: model.json.

A run leaves it in its working directory, and adapter_config.json has the same
fields. It holds the model, and of each task the options with all defaults, what
the outputs mean and how clips are cut, so that later versions and other
programs need no config and no data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import ml_collections
from etils import epath

from vidpetl import version
from vidpetl.data import datasets, examples, kinds, opening
from vidpetl.experiment import complete, experiment, pixels
from vidpetl.parameters import sealed, storage
from vidpetl.tasks import distillation
from vidpetl.tasks import task as task_lib

FILE, FORMAT = 'model.json', 'vidpetl-model-1'
MODEL = ('backbone', 'petl', 'trainable')
# How a backbone's training is compiled; other programs need no loops.
_OF_TRAINING = ('remat', 'scan')
# Of heads that score classes.
_OUTPUTS = 'output_projection/bias'

Spec = dict[str, Any]


def describe(
  config: Any,
  infos: Mapping[str, examples.Info],
  resolved: Mapping[str, Mapping[str, Any]],
  seconds: Mapping[str, Any] | None = None,
) -> Spec:
  """Returns the specification of a run's model.

  Args:
    config: of the run.
    infos: of each task's training data.
    resolved: `Base.resolved` of each task.
    seconds: of each task, how long its training examples are: `lengths.of`.
  """
  plain = json.loads(config.to_json_best_effort())
  tasks = {}
  for name, options in plain['tasks'].items():
    kept = {k: v for k, v in options.items() if k not in ('train', 'eval')}
    info = infos[name]
    tasks[name] = {
      'options': {
        **kept,
        **resolved[name],
        'num_classes': info.num_classes,
      },
      'labels': {str(i): label for i, label in info.classes.items()},
      'fps': info.fps,
      'trained_on': f'{info.name}/{info.split}',
      'seconds': (seconds or {}).get(name),
    }
  return {
    'format': FORMAT,
    'vidpetl': version.__version__,
    'tasks': tasks,
    **{field: plain[field] for field in MODEL},
    'dtype': plain['dtype'],
    'eval_batch_size': plain.get('eval_batch_size', 1),
    # How the backbone was read, to read it again.
    'init': plain.get('init', {}),
  }


def build(spec: Mapping[str, Any]) -> experiment.Experiment:
  """Builds model and tasks of a specification."""
  backbone = spec['backbone'].items()
  fields = {
    'backbone': {k: v for k, v in backbone if k not in _OF_TRAINING},
    'petl': tuple(spec['petl']),
    'trainable': (('.*', 'all'),),
    'dtype': spec['dtype'],
    'tasks': {
      name: task_lib.fitting(t['options']) for name, t in spec['tasks'].items()
    },
  }
  fields = ml_collections.ConfigDict(fields)
  return experiment.build(fields, infos(spec, fields))


def infos(
  spec: Mapping[str, Any], fields: Mapping[str, Any] | None = None
) -> dict[str, examples.Info]:
  """Returns what a specification knows of each task's training data."""
  found = {}
  for name, task in spec['tasks'].items():
    options = (fields or {}).get('tasks', {}).get(name, task['options'])
    kind = kinds.load(task_lib.module(options['task']).KIND)
    found[name] = examples.Info(
      name=task.get('trained_on', name).partition('/')[0],
      split='train',
      kind=kind.name,
      num_classes=options['num_classes'] or 0,
      classes={int(i): label for i, label in task['labels'].items()},
      fps=task.get('fps'),
      table=kind.no_rows(options),
    )
  return found


def write(folder: epath.PathLike, spec: Spec) -> None:
  """Writes model.json, in place of what was there."""
  sealed.write(epath.Path(folder) / FILE, spec, ensure_ascii=False)


def read(folder: epath.PathLike) -> Spec:
  """Returns what a folder's model.json holds.

  Raises:
    ValueError: if it is damaged, or of another format.
  """
  path = epath.Path(folder) / FILE
  spec = sealed.read(path)
  if spec.get('format') != FORMAT:
    raise ValueError(
      f'{path}: format {spec.get("format")!r}; this version reads {FORMAT!r}'
    )
  return spec


def of_run(
  workdir: epath.PathLike, shapes: Mapping[str, tuple[int, ...]]
) -> Spec:
  """Returns the specification of a run that left none.

  Runs of before model.json have a config.json, and the names of their classes
  beside it or in their checkpoints.

  Args:
    workdir: of the run.
    shapes: of the arrays that trained, by path.

  Raises:
    ValueError: naming what cannot be known without the data.
  """
  folder = epath.Path(workdir)
  given = opening.read_json(folder / 'config.json')
  given['tasks'] = {
    name: task_lib.fitting(task) for name, task in given['tasks'].items()
  }
  config, _ = pixels.resolve(complete.complete(given), workdir)
  labels = _labels(folder)
  infos, resolved = {}, {}
  for name, options in config.tasks.items():
    outputs = shapes.get(f'heads_{name}/{_OUTPUTS}', (0,))[0]
    classes = labels.get(name, {})
    infos[name] = _info(folder, name, options, classes, outputs)
    resolved[name] = _resolved(folder, name, options, infos[name])
  return describe(config, infos, resolved)


def _labels(folder: epath.Path) -> dict[str, dict[str, str]]:
  """Returns task -> index -> name of its classes, of an older run."""
  found = storage.read_meta(str(folder)).get('labels', {})
  if (folder / 'classes.json').exists():
    found = {**found, **opening.read_json(folder / 'classes.json')}
  return found


def _resolved(
  folder: epath.Path,
  name: str,
  options: ml_collections.ConfigDict,
  info: examples.Info,
) -> dict[str, Any]:
  """Returns what an older run took from its training data.

  Its results have it, as a reader must know it to compare the numbers.
  """
  task = distillation.build(name, options.to_dict(), info)
  wanted = [key for key in task.resolved() if options.get(key) is None]
  results = folder / 'results.json'
  known: Mapping[str, Any] = {}
  if wanted and results.exists():
    tasks = opening.read_json(results)['tasks']
    known = tasks.get(name, {}).get('protocol', {})
  if missing := [key for key in wanted if key not in known]:
    raise ValueError(
      f'{folder} was left by an older version, and does not say the '
      f'{", ".join(missing)} of {name}, which its training data decided; run '
      f'its training command again, which writes {FILE} and trains nothing '
      'anew.'
    )
  return {key: known[key] for key in wanted}


def _info(
  folder: epath.Path,
  name: str,
  options: Mapping[str, Any],
  labels: Mapping[str, str],
  outputs: int,
) -> examples.Info:
  """Returns what an older run knew; `outputs` of its head, 0 if unknown."""
  kind = kinds.load(task_lib.module(options['task']).KIND)
  named = (options.get('train') or {}).get('dataset')
  known = datasets.find(named) if named else None
  count = options.get('num_classes') or outputs
  classes = {int(i): label for i, label in labels.items()}
  if kind.has_classes and not (count or classes):
    raise ValueError(
      f'{folder} was left by an older version, and does not say what the '
      f'classes of {name} are; run its training command again, which writes '
      f'{FILE} and trains nothing anew.'
    )
  return examples.Info(
    name=named or name,
    split='train',
    kind=kind.name,
    num_classes=count or len(classes),
    classes=classes,
    fps=getattr(known, 'fps', None),
    table=kind.no_rows(options),
  )
