"""A trained model, whatever left it: a run, a package, or a folder of both.

runs/x                 a working directory, finished or not
runs/x/adapter         a package, with the backbone that it is for
model.json + .safetensors in one folder: a model that is whole in itself
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import ml_collections
import numpy as np
from etils import epath

from vidpetl.data import opening
from vidpetl.experiment import experiment, initialise
from vidpetl.experiment import spec as spec_lib
from vidpetl.parameters import package, storage, sums, variables
from vidpetl.recipes import defaults

ARRAYS = 'model.safetensors'
ADAPTER = 'adapter'
# Of model.json beside arrays: their sum.
_OF = 'arrays_sum'

Arrays = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Trained:
  """A model that was trained.

  Attributes:
    spec: as `spec.describe` returns it.
    arrays: all parameters and statistics by path, techniques' included.
    package: the part that was learned, where a backbone was frozen.
    origin: where it lies, in words.
  """

  spec: spec_lib.Spec
  arrays: Arrays
  package: package.Package | None
  origin: str


def read(path: str, backbone: str = '', checkpoint: str = '') -> Trained:
  """Reads a trained model.

  Args:
    path: a working directory, a package, or a folder of `write`.
    backbone: what a package was made on, a run or a file; '' for that which
      the run itself says it started from.
    checkpoint: of a working directory: a step; '' for the one that was
      reported.

  Raises:
    ValueError: if there is no trained model, or its backbone is not there or
      another one.
  """
  folder = epath.Path(path)
  if not folder.is_dir():
    raise ValueError(f'{path}: no such folder of a run or a package.')
  if (folder / ARRAYS).exists():
    return _whole(folder)
  if (folder / package.CONFIG).exists():
    return _of_package(folder, backbone or _beside(folder), folder)
  if not (folder / 'config.json').exists():
    raise ValueError(
      f'{path} is neither the working directory of a run that trained, nor an '
      f'adapter package, nor a folder with {spec_lib.FILE} and {ARRAYS}.'
    )
  if not checkpoint and (folder / ADAPTER / package.CONFIG).exists():
    return _of_package(folder / ADAPTER, backbone or path, folder)
  return _of_checkpoint(folder, backbone, checkpoint)


def write(folder: epath.PathLike, spec: spec_lib.Spec, arrays: Arrays) -> None:
  """Writes a model that is whole in itself: model.json, model.safetensors."""
  folder = epath.Path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  storage.save_arrays(str(folder / ARRAYS), arrays)
  spec_lib.write(folder, {**spec, _OF: sums.whole(arrays)})


def start_of(run: epath.PathLike, spec: Mapping[str, Any]) -> Arrays:
  """Returns the parameters that a run started from, techniques' as drawn.

  Args:
    run: its working directory.
    spec: of its model.

  Raises:
    ValueError: if they are no longer where config.json says.
  """
  file = epath.Path(run) / 'config.json'
  config = opening.read_json(file)
  built = spec_lib.build(spec)
  init = ml_collections.ConfigDict(config['init'])
  for name in filter(None, (init.path, init.adapter)):
    if not epath.Path(name).exists():
      raise ValueError(
        f'{run} started from {name}, which is not there (seen from '
        f'{epath.Path().absolute()}); say where it is by --backbone.'
      )
  start = _begun(built, init, config['seed'])
  if init.adapter:
    start, *_ = initialise.load_adapter(start, init.adapter, built)
  return {k: np.asarray(v) for k, v in variables.flatten(start).items()}


def _beside(folder: epath.Path) -> str:
  """Returns the run whose package a folder is, '' if it lies alone."""
  run = folder.parent
  return str(run) if (run / 'config.json').exists() else ''


def _whole(folder: epath.Path) -> Trained:
  spec = spec_lib.read(folder)
  arrays = storage.load_arrays(str(folder / ARRAYS))
  # Older ones do not tell.
  if spec.pop(_OF, now := sums.whole(arrays)) != now:
    raise ValueError(
      f'{folder / spec_lib.FILE} was written beside another {ARRAYS} than '
      'there is. Copy or make both again.'
    )
  # Files may be of half the size.
  arrays = {k: np.asarray(v, np.float32) for k, v in arrays.items()}
  return Trained(spec, arrays, None, str(folder))


def _of_package(
  folder: epath.Path, backbone: str, shown: epath.Path
) -> Trained:
  packed = package.load(folder)
  if not backbone:
    raise ValueError(
      f'{folder} is a package, which is of no use without its backbone: '
      '--backbone=<file or run that it was made on>. It was trained on: '
      f'{packed.config.get("origin", "unknown")}'
    )
  arrays = _attached(packed, backbone)
  return Trained(dict(packed.config), arrays, packed, str(shown))


def _attached(packed: package.Package, backbone: str) -> Arrays:
  """Returns the parameters of a package on what it was made on.

  A run of which a part of the backbone trained (BitFit) has two: what it
  started from, for packages that started there as well, and what it made of
  it, for those that went on from it.
  """
  try:
    return package.attach(packed, _arrays_of(backbone, packed.config))
  except package.PackageError:
    if not (epath.Path(backbone) / ADAPTER / package.CONFIG).exists():
      raise
    made = _fitted(backbone, packed.config)
    if package.matches(packed, made):
      return package.attach(packed, made)
    raise


def _arrays_of(backbone: str, spec: Mapping[str, Any]) -> Arrays:
  """Returns the parameters that a package was trained on.

  Args:
    backbone: the run that left the package or started it, or a file.
    spec: of the package.
  """
  path = epath.Path(backbone)
  if not path.exists():
    raise ValueError(f'--backbone={backbone}: no such run or file.')
  if (path / ARRAYS).exists():
    return _whole(path).arrays
  if (path / ADAPTER / package.CONFIG).exists():
    return start_of(path, spec)
  return _fitted(backbone, spec)


def _fitted(path: str, spec: Mapping[str, Any]) -> Arrays:
  """Returns a backbone as a run fits it that starts from it."""
  built = spec_lib.build(spec)
  init = {**defaults.get_config().init.to_dict(), **spec.get('init', {})}
  init |= {'path': path, 'adapter': '', 'skip': ('^heads_', '/site_')}
  fitted = _begun(built, ml_collections.ConfigDict(init), 0)
  return {k: np.asarray(v) for k, v in variables.flatten(fitted).items()}


def _begun(built: experiment.Experiment, init: Any, seed: int) -> Any:
  """Returns linen variables as `init.path` has them, or as they are drawn.

  Drawing compiles for a while. It is spared where the file has the whole
  backbone, as heads and techniques come from elsewhere.
  """
  if init.path:
    zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), built.variables)
    start, _, report = initialise.load(zeros, init, built)
    new = [row.ours for row in report.rows if row.status == 'new']
    if all(package.is_added(path) for path in new):
      return start
  start = built.init_variables(jax.random.key(seed))
  return initialise.load(start, init, built)[0] if init.path else start


def _of_checkpoint(
  folder: epath.Path, backbone: str, checkpoint: str
) -> Trained:
  """Returns the model of a checkpoint, the reported one by default."""
  at = folder / 'checkpoints' / _step(folder, checkpoint)
  meta = storage.read_meta(str(at))
  arrays = storage.load_changing(str(at))
  spec = _spec(folder, arrays)
  if meta['frozen']:
    started = _arrays_of(backbone, spec) if backbone else start_of(folder, spec)
    arrays = {**started, **arrays}
  return Trained(spec, arrays, None, str(at))


def _step(folder: epath.Path, checkpoint: str) -> str:
  """Returns the step of a checkpoint that is there."""
  steps = folder / 'checkpoints'
  there = {p.name for p in steps.iterdir()} if steps.exists() else set()
  there = {name for name in there if name.isdigit()}
  if not there:
    raise ValueError(f'{folder} has no checkpoint yet.')
  if checkpoint and checkpoint not in there:
    raise ValueError(
      f'--checkpoint={checkpoint}: {folder} has no such checkpoint; it has '
      f'those of steps {", ".join(sorted(there, key=int))}.'
    )
  results = folder / 'results.json'
  reported = ''
  if results.exists():
    reported = str(opening.read_json(results)['step'])
  latest = max(there, key=int)
  return checkpoint or (reported if reported in there else latest)


def _spec(folder: epath.Path, arrays: Arrays) -> spec_lib.Spec:
  if (folder / spec_lib.FILE).exists():
    return spec_lib.read(folder)
  shapes = {path: array.shape for path, array in arrays.items()}
  return spec_lib.of_run(folder, shapes)
