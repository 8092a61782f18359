"""Several packages made into one: averages, and weighted merging.

Both take packages of one backbone and one structure. Heads of one task are
averaged if their labels are the same; heads of other tasks are taken along.
Running statistics are those of what they belong to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vidpetl.experiment import spec as spec_lib
from vidpetl.parameters import package
from vidpetl.petl import merging

Arrays = Mapping[str, np.ndarray]
PackageError = package.PackageError


def average(
  packages: Mapping[str, package.Package], weights: Sequence[float]
) -> package.Package:
  """Returns the package of sum_i w_i theta_i, for all parameters theta.

  That is a soup (Wortsman et al. 2022) of what trained from one start. Of a
  product, as LoRA's B A, it is not the average of the updates: see `merge`.

  Args:
    packages: by where they are from.
    weights: of each; an average has weights that sum to 1.

  Raises:
    PackageError: naming what differs.
  """
  _check_weights(packages, weights)
  first, *_ = packages.values()
  _check_alike(packages)
  params = {
    path: _sum([p.params[path] for p in packages.values()], weights)
    for path in first.params
  }
  made_of = [
    {'package': name, 'weight': w, 'sha256': package.fingerprint(p.params)}
    for (name, p), w in zip(packages.items(), weights)
  ]
  own = ('step', 'metrics', package.GROUND)
  config = {k: v for k, v in first.config.items() if k not in own}
  return package.Package({**config, package.MADE_OF: made_of}, params)


def merge(
  backbone: Arrays,
  packages: Mapping[str, package.Package],
  weights: Sequence[float],
) -> dict[str, np.ndarray]:
  """Returns W + sum_i w_i (W_i - W), W_i being W with package i merged.

  For techniques that add to a layer, such as LoRA, that is the layer with all
  updates added, each times its weight. Any linear techniques will do, and each
  package may have others. Those that stay (`merging.left`) are averaged, as
  heads are, and all packages must have the same.

  Args:
    backbone: all parameters, by path.
    packages: by where they are from.
    weights: of each.

  Raises:
    PackageError: naming what differs.
    ValueError: if a technique is not linear.
  """
  _check_weights(packages, weights)
  _check_heads(packages)
  _check_left(packages)
  whole: dict[str, np.ndarray] = {}
  added: dict[str, list[tuple[np.ndarray, float]]] = {}
  for each, weight in zip(packages.values(), weights):
    merging.check(each.techniques)
    bound = merging.bound(lambda config=each.config: spec_lib.build(config))
    merged = merging.merge(package.attach(each, backbone), bound)
    for path, value in merged.items():
      if package.is_added(path):
        added.setdefault(path, []).append((np.asarray(value), weight))
        continue
      start = backbone[path]
      moved = weight * (np.asarray(value, np.float32) - start)
      whole[path] = whole.get(path, start) + moved
  for path, found in added.items():
    values, shares = zip(*found)
    whole[path] = _sum(values, np.array(shares) / sum(shares))
  return {path: x.astype(np.float32) for path, x in whole.items()}


def _sum(arrays: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
  total = sum(np.float64(w) * x for x, w in zip(arrays, weights))
  return np.asarray(total, arrays[0].dtype)


def _check_weights(
  packages: Mapping[str, Any], weights: Sequence[float]
) -> None:
  if len(weights) != len(packages):
    raise PackageError(
      f'{len(packages)} packages have {len(weights)} weights: give one each'
    )
  if not np.isfinite(weights).all() or not sum(weights):
    raise PackageError(f'weights {list(weights)}: their sum must be a number, '
                       'and not 0')  # fmt: skip


def _check_alike(packages: Mapping[str, package.Package]) -> None:
  """Raises PackageError unless all have the same parameters and meaning."""
  (name, first), *others = packages.items()
  for other, each in others:
    for field in ('backbone', 'backbone_sha256', 'petl'):
      if each.config[field] != first.config[field]:
        raise PackageError(
          f'{other} and {name} differ in {field}: {each.config[field]} and '
          f'{first.config[field]}'
        )
    shapes = [{k: v.shape for k, v in p.params.items()} for p in (first, each)]
    if odd := sorted(dict(shapes[0].items() ^ shapes[1].items())):
      raise PackageError(f'{other} and {name} differ in {odd[0]}')
  _check_heads(packages)


def _check_left(packages: Mapping[str, package.Package]) -> None:
  """Raises PackageError unless the same techniques stay in all."""
  (name, first), *others = packages.items()
  for other, each in others:
    ours, theirs = (merging.left(p.config['petl']) for p in (first, each))
    if ours != theirs:
      raise PackageError(
        f'what merging leaves in config.petl differs: in {name} {ours}, in '
        f'{other} {theirs}'
      )


def _check_heads(packages: Mapping[str, package.Package]) -> None:
  """Raises PackageError for heads of one name that mean different things."""
  known: dict[str, tuple[str, Any]] = {}
  for name, each in packages.items():
    for task, said in each.config['tasks'].items():
      other, labels = known.setdefault(task, (name, said['labels']))
      if labels != said['labels']:
        raise PackageError(
          f'the heads of task {task!r} in {name} and {other} have other labels'
        )
