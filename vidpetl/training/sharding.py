"""Where arrays live: a mesh of 'data' x 'fsdp', and rules for parameters."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

AXES = ('data', 'fsdp')
Rules = Sequence[tuple[str, str]]


def make_mesh(
  data: int = -1, fsdp: int = 1, over: Sequence[Any] | None = None
) -> Mesh:
  """Returns a mesh over devices; one axis may be -1, 'what is left'.

  Args:
    data: devices along this axis.
    fsdp: devices along this one.
    over: the devices; None is all there are.
  """
  devices = len(over or jax.devices())
  shape = [data, fsdp]
  if -1 in shape:
    rest = shape[1 - shape.index(-1)]
    shape[shape.index(-1)] = devices // max(rest, 1)
  if -1 in shape or np.prod(shape) != devices:
    raise ValueError(
      f'config.mesh data={data}, fsdp={fsdp} does not cover {devices} '
      'devices; their product must be the number of devices.'
    )
  return Mesh(mesh_utils.create_device_mesh(shape, over), AXES)


def mesh_of(config: Any, over: Sequence[Any] | None = None) -> Mesh:
  """Returns the mesh of a run's config; see `make_mesh`."""
  return make_mesh(config.mesh.data, config.mesh.fsdp, over)


def meet(mesh: Mesh) -> None:
  """Has all processes connect along every axis of a mesh, while they wait.

  They connect at their first collective, to which Gloo gives all of them 30
  seconds to come, and no more. Later ones are waited for. Where they first do
  work of unlike length, such as compiling, they would come too late.
  """
  if jax.process_count() == 1:
    return
  ones = np.ones(len(mesh.local_devices), np.float32)
  ones = jax.make_array_from_process_local_data(batch(mesh), ones)
  for axes in (AXES, *((axis,) for axis in AXES)):
    rest = tuple(axis for axis in AXES if axis not in axes)
    total = jax.shard_map(
      lambda x, axes=axes: jax.lax.psum(x, axes),
      mesh=mesh,
      in_specs=P(AXES),
      out_specs=P(rest or None),
    )
    jax.block_until_ready(jax.jit(total)(ones))


def batch(mesh: Mesh) -> NamedSharding:
  """Leading axis over all devices."""
  return NamedSharding(mesh, P(AXES))


def replicated(mesh: Mesh) -> NamedSharding:
  return NamedSharding(mesh, P())


def check_batch(size: int, mesh: Mesh, field: str) -> None:
  """Raises ValueError unless `size` examples split evenly over the mesh."""
  if size % mesh.size:
    raise ValueError(
      f'{field} is {size}, which does not split over {mesh.size} devices; '
      f'use a multiple of {mesh.size}.'
    )


def check_batches(config: Any, mesh: Mesh) -> int:
  """Returns the examples that are encoded together.

  Raises:
    ValueError: naming the field that does not divide.
  """
  part = config.batch_size // config.accumulate
  if part * config.accumulate != config.batch_size:
    raise ValueError(
      f'config.accumulate={config.accumulate} does not divide '
      f'config.batch_size={config.batch_size}.'
    )
  check_batch(part, mesh, 'config.batch_size / config.accumulate')
  check_batch(config.eval_batch_size, mesh, 'config.eval_batch_size')
  return part


def infer(tree: Any, mesh: Mesh, rules: Rules) -> Any:
  """Returns a sharding for every leaf.

  Args:
    tree: arrays or their shapes; the optimizer's copies of a parameter carry
      its path inside theirs, so that they get the same sharding.
    mesh: of 'data' and 'fsdp'.
    rules: (regex searched in the path, tactic), first match wins; 'replicate',
      or 'fsdp': split the largest axis that the fsdp axis divides.

  Raises:
    ValueError: for a leaf that no rule matches, or an unknown tactic.
  """

  def one(path, leaf):
    name = jax.tree_util.keystr(path, simple=True, separator='/')
    for pattern, tactic in rules:
      if re.search(pattern, name):
        return NamedSharding(mesh, _spec(tactic, leaf.shape, mesh))
    raise ValueError(f'config.sharding has no rule for {name}.')

  return jax.tree_util.tree_map_with_path(one, tree)


def bytes_per_device(tree: Any, mesh: Any, rules: Rules) -> int:
  """Returns what one device of a (possibly abstract) mesh holds of a tree."""
  where = infer(tree, mesh, rules)
  sizes = jax.tree.map(
    lambda x, s: math.prod(s.shard_shape(x.shape)) * x.dtype.itemsize,
    tree,
    where,
  )
  return sum(jax.tree.leaves(sizes))


def _spec(tactic: str, shape: tuple[int, ...], mesh: Mesh) -> P:
  if tactic == 'replicate':
    return P()
  if tactic != 'fsdp':
    raise ValueError(
      f"config.sharding tactic {tactic!r} is not 'replicate' or 'fsdp'."
    )
  ways = mesh.shape['fsdp']
  fits = [i for i, n in enumerate(shape) if n % ways == 0 and n >= ways]
  if ways == 1 or not fits:
    return P()
  axis = max(fits, key=lambda i: shape[i])
  return P(*('fsdp' if i == axis else None for i in range(len(shape))))


def to_device(
  rows: Mapping[str, np.ndarray], mesh: Mesh
) -> dict[str, jax.Array]:
  """Makes the global batch of every process's own rows."""
  where = batch(mesh)
  return {
    k: jax.make_array_from_process_local_data(where, v) for k, v in rows.items()
  }
