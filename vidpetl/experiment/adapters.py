"""Packages of a run, and one backbone with several of them in memory.

adapters = Adapters('runs/pretrained')
adapters.load('runs/bapat/adapter', 'gestures')
scores = adapters.outputs('gestures', {'video': clips})['scores']
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

import vidpetl
from vidpetl.data import augment, examples
from vidpetl.experiment import experiment
from vidpetl.parameters import package, storage, trainable, variables
from vidpetl.petl import adapted, merging
from vidpetl.tasks import task as task_lib

Package = package.Package
PackageError = package.PackageError


def describe(
  config: Any,
  infos: Mapping[str, examples.Info],
  resolved: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
  """Returns adapter_config.json of a run, but for hash and results.

  Args:
    config: of the run.
    infos: of each task's training data.
    resolved: `Base.resolved` of each task.
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
    }
  return {
    'format': package.FORMAT,
    'vidpetl': vidpetl.__version__,
    'tasks': tasks,
    **{field: plain[field] for field in ('backbone', 'petl', 'trainable')},
    'dtype': plain['dtype'],
  }


def pack(
  described: Mapping[str, Any],
  arrays: Mapping[str, np.ndarray],
  group_of: Mapping[str, str],
  **more: Any,
) -> Package:
  """Returns the package of a model.

  Args:
    described: `describe` of its run.
    arrays: the whole model, named as by `petl.variables`.
    group_of: path -> group, see `petl.trainable`.
    **more: further entries of adapter_config.json.
  """
  own, rest = {}, {}
  for path, value in arrays.items():
    trains = group_of.get(path) != trainable.FROZEN
    (own if package.belongs(path, trains) else rest)[path] = value
  sha256 = package.fingerprint(rest)
  return Package({**described, 'backbone_sha256': sha256, **more}, own)


def model_of(config: Mapping[str, Any]) -> experiment.Experiment:
  """Builds model and tasks from an adapter_config.json."""
  fields = {
    'backbone': config['backbone'],
    'petl': tuple(config['petl']),
    'trainable': (('.*', 'all'),),
    'dtype': config['dtype'],
    'tasks': {
      name: task_lib.fitting(t['options'])
      for name, t in config['tasks'].items()
    },
  }
  fields = ml_collections.ConfigDict(fields)
  infos = experiment.infos_from_config(fields)
  return experiment.build(fields, infos)


class Adapters:
  """One backbone, any number of packages on it.

  Programs are compiled per structure and shape of the input: packages that
  differ in their values alone share them, so switching compiles nothing.
  """

  def __init__(self, backbone: str | Mapping[str, Any]):
    """Takes a backbone.

    Args:
      backbone: by name, as `petl.variables` has them, or where a run left
        them.
    """
    if isinstance(backbone, str):
      backbone = storage.load_arrays(backbone)
    self._backbone = {k: np.asarray(v) for k, v in backbone.items()}
    self._on_device = {k: jnp.asarray(v) for k, v in self._backbone.items()}
    self._packages: dict[str, Package] = {}
    self._params: dict[str, dict[str, jax.Array]] = {}

  @property
  def names(self) -> list[str]:
    return list(self._packages)

  def load(self, folder: str | os.PathLike | Package, name: str) -> None:
    """Reads a package, and puts it on the devices.

    Raises:
      PackageError: if it cannot be read, or is for another backbone.
      ValueError: if there is one of this name.
    """
    if name in self._packages:
      raise ValueError(f'{name!r} is loaded already; unload it first')
    loaded = folder if isinstance(folder, Package) else package.load(folder)
    whole = package.attach(loaded, self._backbone)
    shapes = variables.flatten(model_of(loaded.config).variables)
    _check_shapes(whole, shapes)
    self._params[name] = {
      path: jnp.asarray(value)
      if path in loaded.params
      else self._on_device[path]
      for path, value in whole.items()
    }
    self._packages[name] = loaded

  def unload(self, name: str) -> None:
    """Forgets a package."""
    self._get(name)
    del self._packages[name], self._params[name]

  def package(self, name: str) -> Package:
    return self._get(name)

  def logits(
    self,
    name: str,
    batch: Mapping[str, Any],
    task: str | None = None,
    scale: float | None = None,
  ) -> jax.Array:
    """Returns the logits of a task, [b, classes] or [b, views, classes].

    Args:
      name: of the package.
      batch: 'video' uint8 [b, t, R, R, 3] or [b, views, t, R, R, 3], 'size'
        int32 [b, 2] of its content (all of it, if left out), and what else the
        head wants: 'boxes' [b, n, 4], 'box_valid' [b, n].
      task: whose head; may be left out where there is one alone.
      scale: at each site y + scale (technique(y) - y).

    Raises:
      ValueError: if there is no such package or task, if the video is not of
        bytes, or if a technique that lengthens tokens is scaled.
    """
    config = self._get(name).config
    task = task or _only_task(config)
    if task not in config['tasks']:
      raise ValueError(
        f'{name!r} has no task {task!r}; it has {list(config["tasks"])}'
      )
    video = np.asarray(batch['video'])
    batch = {'size': np.tile(video.shape[-3:-1], (len(video), 1)), **batch}
    structure = {k: config[k] for k in ('backbone', 'petl', 'dtype', 'tasks')}
    structure['tasks'] = {
      k: {'options': v['options']} for k, v in config['tasks'].items()
    }
    program = _program(json.dumps(structure, sort_keys=True), task)
    if scale is not None:
      scale = jnp.float32(scale)
    return program(self._params[name], batch, scale)

  def merge(
    self, name: str, tolerance: float = 1e-3, clips: int = 4
  ) -> tuple[dict[str, np.ndarray], float]:
    """Merges what is linear into the backbone's own parameters.

    Args:
      name: of the package.
      tolerance: largest difference of logits that is accepted.
      clips: of random numbers, on which logits are compared.

    Returns:
      All parameters by path, without sites; the largest difference.

    Raises:
      ValueError: if a technique is not linear, or has no layer next to its
        site, or logits differ by more.
    """
    config = self._get(name).config
    merging.check(self._get(name).techniques)
    bound = merging.bound(lambda: model_of(config))
    merged = merging.merge(self._params[name], bound)
    plain = Package(
      {**config, 'petl': (), 'backbone_sha256': package.fingerprint({})},
      {k: np.asarray(v) for k, v in merged.items()},
    )
    alone = Adapters({})
    alone.load(plain, name)
    drift = max(
      float(np.abs(self.logits(name, b, t) - alone.logits(name, b, t)).max())
      for t, b in _random_batches(config, clips).items()
    )
    if not drift <= tolerance:
      raise ValueError(
        f'merging changes logits by up to {drift:.2g}, more than {tolerance:g}'
      )
    return dict(plain.params), drift

  def _get(self, name: str) -> Package:
    if name not in self._packages:
      raise ValueError(f'{name!r} is not loaded; there are: {self.names}')
    return self._packages[name]


def _only_task(config) -> str:
  names = list(config['tasks'])
  if len(names) > 1:
    raise ValueError(f'say which task: {", ".join(names)}')
  return names[0]


def _check_shapes(have, want) -> None:
  missing = sorted(set(want) - set(have))
  if missing:
    raise PackageError(f'the package or its backbone lacks {missing[:3]}')
  for path, shape in ((p, want[p].shape) for p in want):
    if have[path].shape != shape:
      raise PackageError(
        f'{path} is {have[path].shape}, and {shape} by adapter_config.json'
      )


@functools.lru_cache(maxsize=32)
def _program(structure: str, task: str):
  """Returns the jitted (params, batch, scale) -> logits of a structure."""
  built = model_of(json.loads(structure))
  own = built.tasks[task]

  def run(params, batch, scale):
    model = built.model
    if scale is not None:
      model = model.clone(backbone=_scaled(model.backbone, scale))
    inputs = augment.preprocess(batch, own.augment, train=False)
    return model.apply(variables.unflatten(params), inputs, task)

  return jax.jit(run)


def _scaled(backbone, scale):
  if not isinstance(backbone, adapted.Adapted):
    raise ValueError('nothing is bound to this backbone that could be scaled')
  return backbone.clone(scale=scale)


def _random_batches(config, clips: int) -> dict[str, dict[str, np.ndarray]]:
  """Returns noise in the shape that each task's evaluation has."""
  rng = np.random.default_rng(0)
  batches = {}
  for name, task in model_of(config).tasks.items():
    clip = task.eval_clip
    side = clip.resolution
    size = (clips, *clip.lead, clip.frames, side, side, 3)
    batch = {'video': rng.integers(0, 256, size, np.uint8)}
    for key, (shape, kind) in task.head_inputs(clip).items():
      batch[key] = np.ones((clips, *shape), kind)
    clip.kind.noise(batch)
    batches[name] = batch
  return batches
