"""Packages of a run, and one backbone with several of them in memory.

adapters = Adapters('runs/pretrained')
adapters.load('runs/bapat/adapter', 'gestures')
logits = adapters.logits('gestures', {'video': clips})
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vidpetl.data import augment
from vidpetl.experiment import experiment as experiment_lib
from vidpetl.experiment import spec as spec_lib
from vidpetl.parameters import package, storage, trainable, variables
from vidpetl.petl import merging
from vidpetl.tasks.quality import segments as segments_lib

# Of what a task puts out for a clip that lacks one of its segments.
WITHOUT = 'without/'

Package = package.Package
PackageError = package.PackageError


def pack(
  described: Mapping[str, Any],
  arrays: Mapping[str, np.ndarray],
  group_of: Mapping[str, str],
  **more: Any,
) -> Package:
  """Returns the package of a model.

  Args:
    described: `spec.describe` of its run.
    arrays: the whole model, named as by `petl.variables`.
    group_of: path -> group, see `petl.trainable`.
    **more: further entries of adapter_config.json.
  """
  own, rest = {}, {}
  for path, value in arrays.items():
    trains = group_of.get(path) != trainable.FROZEN
    (own if package.belongs(path, trains) else rest)[path] = value
  sha256 = package.fingerprint(rest)
  config = {**described, 'format': package.FORMAT, 'backbone_sha256': sha256}
  return Package({**config, **more}, own)


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
    shapes = variables.flatten(spec_lib.build(loaded.config).variables)
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
    run = self._run(name, task, 'read')
    video = np.asarray(batch['video'])
    batch = {'size': np.tile(video.shape[-3:-1], (len(video), 1)), **batch}
    scale = None if scale is None else jnp.float32(scale)
    return run(batch, scale)

  def outputs(
    self, name: str, batch: Mapping[str, Any], task: str | None = None
  ) -> dict[str, jax.Array]:
    """Returns what an evaluation makes of clips: `task.Base.outputs`.

    Args:
      name: of the package.
      batch: clips as the data give them (`data.clips`), [b, ...] each.
      task: as of `logits`.
    """
    return self._run(name, task, 'outputs')(batch, None)

  def features(
    self, name: str, batch: Mapping[str, Any], task: str | None = None
  ) -> dict[str, jax.Array]:
    """Returns 'grid' [b, (views,) t', h', w', d] and 'summary' [b, (views,) d].

    Args:
      name: of the package.
      batch: as of `logits`.
      task: whose clips they are.
    """
    return self._run(name, task, 'features')(batch, None)

  def without_segments(
    self, name: str, batch: Mapping[str, Any], task: str | None = None
  ) -> dict[str, jax.Array]:
    """Returns `outputs`, and what they are without each of s segments.

    The latter are [b, s, ...], under `WITHOUT` and the same names.

    Args:
      name: of the package.
      batch: as of `outputs`.
      task: of a kind whose clips are cut into segments.
    """
    return self._run(name, task, 'without_segments')(batch, None)

  def compare(
    self, name: str, pairs: Mapping[str, Any], task: str | None = None
  ) -> dict[str, jax.Array]:
    """Returns `task.Base.compare` of pairs of encoded clips.

    Args:
      name: of the package.
      pairs: see `compare` of the task.
      task: as of `logits`.
    """
    return self._run(name, task, 'compare')(pairs, None)

  def task(self, name: str, task: str | None = None) -> str:
    """Returns a task of a package: its only one, or that of the name.

    Raises:
      ValueError: if there is no such package or task.
    """
    config = self._get(name).config
    task = task or _only_task(config)
    if task not in config['tasks']:
      raise ValueError(
        f'{name!r} has no task {task!r}; it has {list(config["tasks"])}'
      )
    return task

  def experiment(self, name: str) -> experiment_lib.Experiment:
    """Returns model and tasks of a package."""
    return _built(_structure(self._get(name).config))

  def params(self, name: str) -> Mapping[str, jax.Array]:
    """Returns all parameters of the backbone with a package, by path."""
    self._get(name)
    return self._params[name]

  def _run(self, name: str, task: str | None, what: str):
    task = self.task(name, task)
    program = _program(_structure(self._get(name).config), task, what)
    return functools.partial(program, self._params[name])

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
    bound = merging.bound(lambda: spec_lib.build(config))
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


def _structure(config: Mapping[str, Any]) -> str:
  """Returns what a program depends on."""
  structure = {k: config[k] for k in ('backbone', 'petl', 'dtype', 'tasks')}
  # Names of classes are no part of a program.
  structure['tasks'] = {
    k: {'options': v['options'], 'labels': {}}
    for k, v in config['tasks'].items()
  }
  return json.dumps(structure, sort_keys=True)


@functools.lru_cache(maxsize=32)
def _built(structure: str) -> experiment_lib.Experiment:
  return spec_lib.build(json.loads(structure))


@functools.lru_cache(maxsize=128)
def _program(structure: str, task: str, what: str):
  """Returns a jitted (params, batch, scale) -> … of a structure."""
  built = _built(structure)
  own, make = built.tasks[task], _PROGRAMS[what]

  def run(params, batch, scale):
    model = built.model
    if scale is not None:
      model = model.clone(backbone=_scaled(model.backbone, scale))
    return make(model, variables.unflatten(params), own, batch)

  return jax.jit(run)


def _read(model, params, task, batch):
  inputs = augment.preprocess(batch, task.augment, train=False)
  return model.apply(params, inputs, task.name)


def _outputs(model, params, task, batch):
  inputs = augment.preprocess(batch, task.augment, train=False)
  return task.outputs(model.apply(params, inputs, task.name), inputs)


def _features(model, params, task, batch):
  inputs = augment.preprocess(batch, task.augment, train=False)
  video = task.views(inputs, False)
  features, _ = model.apply(
    params, video, inputs, task.name, False, method='on'
  )
  return {'grid': features.grid, 'summary': features.summary}


def _without_segments(model, params, task, batch):
  inputs = augment.preprocess(batch, task.augment, train=False)
  video = task.views(inputs, False)
  features, read = model.apply(
    params, video, inputs, task.name, False, method='on'
  )
  outputs = task.outputs(read, inputs)
  b, s = features.summary.shape[:2]
  if s < 2:
    return outputs
  more = {k: jnp.repeat(v, s, 0) for k, v in inputs.items() if k != 'video'}
  read = model.apply(
    params,
    segments_lib.without_each(features),
    task.name,
    lambda head, features: task.read(head, features, more, False),
    method='head',
  )
  less = task.outputs(read, more)
  return outputs | {
    WITHOUT + name: array.reshape(b, s, *array.shape[1:])
    for name, array in less.items()
  }


def _compare(model, params, task, pairs):
  return model.apply(params, pairs, task.name, task.compare, method='head')


_PROGRAMS = {
  'read': _read,
  'outputs': _outputs,
  'features': _features,
  'without_segments': _without_segments,
  'compare': _compare,
}


def _scaled(backbone, scale):
  if not backbone.bindings:
    raise ValueError('nothing is bound to this backbone that could be scaled')
  return backbone.clone(scale=scale)


def _random_batches(config, clips: int) -> dict[str, dict[str, np.ndarray]]:
  """Returns noise in the shape that each task's evaluation has."""
  rng = np.random.default_rng(0)
  batches = {}
  for name, task in spec_lib.build(config).tasks.items():
    clip = task.eval_clip
    side = clip.resolution
    size = (clips, *clip.lead, clip.frames, side, side, 3)
    batch = {'video': rng.integers(0, 256, size, np.uint8)}
    for key, (shape, kind) in task.head_inputs(clip).items():
      batch[key] = np.ones((clips, *shape), kind)
    clip.kind.noise(batch)
    batches[name] = batch
  return batches
