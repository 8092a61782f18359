"""Packages of a run, and one backbone with several of them in memory.

adapters = Adapters('runs/pretrained')
adapters.load('runs/bapat/adapter', 'gestures')
logits = adapters.logits('gestures', {'video': clips})
"""

from __future__ import annotations

import functools
import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vidpetl.experiment import experiment as experiment_lib
from vidpetl.experiment import package_programs, rows
from vidpetl.experiment import spec as spec_lib
from vidpetl.parameters import package, storage, trainable, variables
from vidpetl.petl import merging

WITHOUT = package_programs.WITHOUT
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
    without: Collection[str] = (),
  ) -> jax.Array:
    """Returns the logits of a task, [b, classes] or [b, views, classes].

    Args:
      name: of the package.
      batch: 'video' uint8 [b, t, R, R, 3] or [b, views, t, R, R, 3], 'size'
        int32 [b, 2] of its content (all of it, if left out), and what else the
        head wants: 'boxes' [b, n, 4], 'box_valid' [b, n].
      task: whose head; may be left out where there is one alone.
      scale: at each site y + scale (technique(y) - y).
      without: techniques of the package that do nothing, of any kind.

    Raises:
      ValueError: if there is no such package, task or technique, if the video
        is not of bytes, or if a technique that lengthens tokens is scaled.
    """
    run = self._run(name, task, 'read', without)
    scale = None if scale is None else jnp.float32(scale)
    return run(_sized(batch), scale)

  def logits_of_rows(
    self,
    names: Sequence[str],
    batch: Mapping[str, Any],
    task: str | None = None,
  ) -> list[np.ndarray]:
    """Returns the logits of each row, of a package of its own.

    Rows whose packages are of one structure, heads included, share a program
    and a batch.

    Args:
      names: of the package of each row.
      batch: as of `logits`.
      task: whose head; may be left out where each package has one alone.
    """
    return rows.logits(self, names, _sized(batch), task)

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
    self,
    name: str,
    batch: Mapping[str, Any],
    task: str | None = None,
    blocks: Sequence[int] = (),
  ) -> dict[str, jax.Array]:
    """Returns 'grid' [b, (views,) t', h', w', d] and 'summary' [b, (views,) d].

    Of each block, they are followed by 'blocks/<number>/grid', of the same
    axes, and by 'blocks/<number>/lead', the tokens off the grid, if it has any.

    Args:
      name: of the package.
      batch: as of `logits`.
      task: whose clips they are.
      blocks: numbers of blocks, see `backbones.tapping.asked`.
    """
    return self._run(name, task, 'features', blocks=tuple(blocks))(batch, None)

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
    return package_programs.built(self.structure(name))

  def params(self, name: str) -> Mapping[str, jax.Array]:
    """Returns all parameters of the backbone with a package, by path."""
    self._get(name)
    return self._params[name]

  def structure(self, name: str) -> str:
    """Returns what the programs of a package depend on, as JSON."""
    return package_programs.structure(self._get(name).config)

  def _run(
    self,
    name: str,
    task: str | None,
    what: str,
    without: Collection[str] = (),
    blocks: tuple[int, ...] = (),
  ):
    task = self.task(name, task)
    off = _off(self._get(name), name, without)
    program = package_programs.of(self.structure(name), task, what, off, blocks)
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
      All parameters by path, those of sites only of techniques that stay; the
      largest difference.

    Raises:
      ValueError: if a technique is not linear, or has no layer next to its
        site, or logits differ by more.
    """
    config = self._get(name).config
    merging.check(self._get(name).techniques)
    bound = merging.bound(lambda: spec_lib.build(config))
    merged = merging.merge(self._params[name], bound)
    plain = Package(
      {**self.merged_config(name), 'backbone_sha256': package.fingerprint({})},
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

  def merged_config(self, name: str) -> dict[str, Any]:
    """Returns the configuration of a merged package.

    Techniques that cost nothing, and are in no layer, are left in it.
    """
    config = self._get(name).config
    return {**config, 'petl': merging.left(config['petl'])}

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


def _sized(batch: Mapping[str, Any]) -> dict[str, Any]:
  """Adds the size of what is shown: all of the clip."""
  video = np.asarray(batch['video'])
  return {'size': np.tile(video.shape[-3:-1], (len(video), 1)), **batch}


def _off(
  loaded: Package, name: str, without: Collection[str]
) -> tuple[int, ...]:
  """Returns the numbers of a package's entries that do nothing."""
  if odd := sorted(set(without) - set(loaded.techniques)):
    raise ValueError(
      f'{name!r} has no technique {odd[0]!r}; it has {loaded.techniques}'
    )
  entries = enumerate(loaded.config['petl'])
  return tuple(i for i, e in entries if e['technique'] in without)


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
