"""A trained model as others get it: whole, with what its arrays do not show.

A run on a frozen backbone left a package alone. Its backbone is read again from
where the run started, and its techniques are merged into it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

from vidpetl import backbones
from vidpetl.data import opening
from vidpetl.experiment import adapters, provenance, published, spec, trained
from vidpetl.experiment import labels as labels_lib
from vidpetl.parameters import package, storage
from vidpetl.weights import family as family_lib
from vidpetl.weights import hugging_face, settings
from vidpetl.weights.errors import WeightsError

Arrays = Mapping[str, np.ndarray]

# Fields of a backbone that change no function of a trained model.
_OF_TRAINING = ('parent', 'name', 'dtype', 'remat', 'scan', 'stochastic_depth')


@dataclasses.dataclass(frozen=True)
class Source:
  """A trained model.

  Attributes:
    arrays: under the names of `parameters.variables`, no technique among them.
    model: what is known of it; None for a file that does not say it.
    notes: what was done to it.
  """

  arrays: Arrays
  model: hugging_face.Model | None
  notes: tuple[str, ...] = ()


def read(
  path: str, head: str = '', backbone: str = '', grid: Sequence[int] = ()
) -> Source:
  """Reads a model, whatever left it.

  Args:
    path: a file of `vidpetl convert` or of `vidpetl adapter merge`, a working
      directory, one of its checkpoints, or a package.
    head: task whose clips and labels count, the first if ''.
    backbone: what a package was made on: a file or a run.
    grid: (t, h, w) of the tokens of its clips, if they are known better.

  Raises:
    ValueError: if there is no model, if a technique cannot be merged, or if
      the backbone is not the package's.
  """
  folder = epath.Path(path)
  if not folder.exists():
    raise ValueError(
      f'{path}: no such run, adapter package or file of vidpetl convert'
    )
  run = folder.parent.parent if folder.parent.name == 'checkpoints' else folder
  if (folder / package.CONFIG).exists():
    source = _package(path, head, lambda packed: _backbone(path, backbone))
  elif storage.read_meta(path).get('frozen'):
    source = _package(
      str(run / trained.ADAPTER),
      head,
      lambda packed: trained.start_of(run, packed.config),
    )
  else:
    source = Source(storage.load_arrays(path), _told(path, run, head))
  if grid and source.model:
    model = _for_grid(source.model, grid)
    source = dataclasses.replace(source, model=model)
  return source


def of_spec(described: spec.Spec, arrays: Arrays, head: str = '') -> Source:
  """Returns a trained model with its techniques merged.

  Args:
    described: what model.json holds.
    arrays: the whole model, techniques included.
    head: task whose clips and labels count, the first if ''.

  Raises:
    ValueError: if a technique cannot be merged.
  """
  tasks = described['tasks']
  model = _model(
    described['backbone'],
    {name: task['options'] for name, task in tasks.items()},
    head,
    {n: labels_lib.of_json(t['labels']) for n, t in tasks.items()},
  )
  if not described['petl']:
    return Source(arrays, model)
  config = {**described, 'backbone_sha256': package.fingerprint({})}
  packed = package.Package(config, dict(arrays))
  loaded = adapters.Adapters({})
  loaded.load(packed, 'run')
  merged, drift = loaded.merge('run')
  note = (
    f'{", ".join(packed.techniques)} merged; logits differ by at most '
    f'{drift:.2g}'
  )
  return Source(merged, model, (note,))


def differences(
  family: family_lib.Family,
  arrays: Arrays,
  model: hugging_face.Model,
  head: str,
) -> list[str]:
  """Returns a note for each field that the receiver's class has to be told.

  Args:
    family: whose code it is.
    arrays: of the whole model.
    model: what is known of it.
    head: task of the classifier, '' without one.
  """
  if family.alone:
    return []  # Nothing of the backbone is written.
  if family.folder:
    return _unsaid(family, whole(model.backbone))
  prefix = 'backbone/'
  shapes = {
    n.replace(prefix, '', 1): a.shape
    for n, a in arrays.items()
    if n.removeprefix('batch_stats/').startswith(prefix)
  }
  target = model.backbone['name']
  try:
    layout = family.layout(shapes, target).backbone
    # What is first was published first, with the code that takes the file.
    first = {
      each.field: next(iter(each.values))
      for each in family.unshown
      if each.default(bool(head)) is settings.ASK
    }
    theirs, _ = settings.settle(family.unshown, layout, first, bool(head))
  except WeightsError:  # Of sizes that nobody has published.
    return [f'the network that takes this has to be built as {model.backbone}']
  theirs = whole(theirs)
  if 'heads' in theirs:  # In no array of theirs.
    width, heads = theirs['width'], theirs['heads']
    theirs['heads'] = family.heads.get(width, heads)
  readout = () if head else ('summary', 'temporal', 'classifier')
  return [
    f'the network that takes this has {field}={theirs[field]!r} unless it is '
    f'built otherwise, and this model was trained with {ours!r}'
    for field, ours in model.backbone.items()
    if field not in (*_OF_TRAINING, *readout, 'kind', 'variant')
    and field in theirs
    and not _same(theirs[field], ours)
  ]


def _unsaid(
  family: family_lib.Family, backbone: Mapping[str, Any]
) -> list[str]:
  """Returns a note for each field that no config.json has a place for."""
  said = hugging_face.said(family.folder)
  return [
    f'{family.folder.plain} computes with {each.field}={each.taken!r}, which '
    f'its config.json cannot change, and this model was trained with {ours!r}'
    for each in family.unshown
    if each.field not in said
    and (ours := backbone.get(each.field, each.taken)) != each.taken
  ]


def describe(config: Mapping[str, Any]) -> dict[str, Any]:
  """Returns what is known of a package's merged model; see `published`.

  Args:
    config: adapter_config.json.
  """
  experiment = spec.build(config)
  labels = {name: task['labels'] for name, task in config['tasks'].items()}
  augments = [task.augment for task in experiment.tasks.values()]
  said = provenance.of_experiment(
    experiment,
    {name: labels_lib.of_json(found) for name, found in labels.items()},
  )
  return {**said, 'mean': augments[0].mean, 'std': augments[0].std}


def whole(backbone: Mapping[str, Any]) -> dict[str, Any]:
  """Returns `config.backbone` with every field of its class."""
  model = backbones.build(backbone)
  fields = {
    field.name: getattr(model, field.name)
    for field in dataclasses.fields(model)
    if field.name not in _OF_TRAINING
  }
  return {**backbone, **fields}


def _same(a: Any, b: Any) -> bool:
  plain = lambda x: list(x) if isinstance(x, (list, tuple)) else x
  return plain(a) == plain(b)


def _package(folder: str, head: str, backbone_of) -> Source:
  """Returns the model of a package, its techniques merged."""
  packed = package.load(folder)
  arrays = package.attach(packed, backbone_of(packed))
  return of_spec(packed.config, arrays, head)


def _backbone(folder: str, backbone: str) -> Arrays:
  if not backbone:
    raise ValueError(
      f'{folder} is a package, which is of no use without its backbone: '
      '--backbone=<file or run that it was made on>'
    )
  return storage.load_arrays(backbone)


def _told(path: str, run: epath.Path, head: str) -> hugging_face.Model | None:
  """Returns what a file or a run says of its model."""
  if path.endswith(storage.SUFFIX):
    told = published.read_metadata(path)
    if not told:
      return None
    labels = told.get('labels', {})
    model = hugging_face.Model(
      whole(told['backbone']),
      told['mean'],
      told['std'],
      labels={n: labels_lib.of_json(names) for n, names in labels.items()},
    )
    return _for_grid(model, told['grid'])
  if not (run / 'config.json').exists():
    return None
  config = opening.read_json(run / 'config.json')
  labels = provenance.read(path).get('labels', {})
  return _model(
    config['backbone'],
    config['tasks'],
    head,
    {name: labels_lib.of_json(found) for name, found in labels.items()},
  )


def _model(
  backbone: Mapping[str, Any],
  tasks: Mapping[str, Mapping[str, Any]],
  head: str,
  labels: Mapping[str, Mapping[int, str]],
) -> hugging_face.Model:
  """Returns what the config of a run says of its model."""
  options = tasks[head if head in tasks else next(iter(tasks))]
  clip = {**options.get('clip', {}), **options.get('eval_clip', {})}
  augment = options.get('augment', {})
  mean, std = (augment.get(f) for f in ('mean', 'std'))
  side = clip.get('resolution')
  return hugging_face.Model(
    whole(backbone),
    family_lib.IMAGENET[0] if mean is None else mean,
    family_lib.IMAGENET[1] if std is None else std,
    (clip['frames'], side, side) if side and 'frames' in clip else (),
    labels,
  )


def _for_grid(model: hugging_face.Model, grid: Sequence[int]):
  """Returns the model for clips of so many tokens, if its tokens are boxes."""
  fields, patch = model.backbone, model.backbone.get('patch')
  box = fields.get('tubelet') or 1
  if isinstance(patch, int):
    box = (box, patch, patch)
  elif isinstance(patch, (list, tuple)):
    box = patch
  if not isinstance(box, (list, tuple)):
    return model  # Of a convolutional network, whose clips have any size.
  video = tuple(size * part for size, part in zip(grid, box))
  return dataclasses.replace(model, video=video)
