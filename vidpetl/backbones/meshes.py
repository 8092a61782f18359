"""What the mesh in use (`jax.set_mesh`) says of activations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import jax
from jax.sharding import PartitionSpec as P

BATCH_AXES = ('data', 'fsdp')


def batch_axes() -> tuple[str, ...]:
  """Returns the axes of the mesh that the batch is split over; () without."""
  mesh = jax.sharding.get_abstract_mesh()
  return tuple(
    name
    for name, kind in zip(mesh.axis_names, mesh.axis_types)
    if name in BATCH_AXES and kind == jax.sharding.AxisType.Auto
  )


def on_each(
  function: Callable[..., jax.Array],
  rows: Sequence[jax.Array],
  same: Sequence[jax.Array] = (),
  single: int = 3,
) -> jax.Array:
  """Calls a function on each device with rows of its own.

  The partitioner cannot split a kernel, and for some pods no order of axes.
  Each device of a mesh is given its part of the first axis, if that splits
  evenly, or else all rows.

  Args:
    function: (*rows, *same) -> an array with the first axis of the rows.
    rows: [b, ...], or of `single` axes that are no batch of rows.
    same: what all devices are given.
    single: axes of rows without a batch.
  """
  axes = batch_axes()
  mesh = jax.sharding.get_abstract_mesh()
  if not axes or mesh.size == 1:
    return function(*rows, *same)
  ways = math.prod(mesh.shape[axis] for axis in axes)
  split = rows[0].ndim > single and len(rows[0]) % ways == 0
  spec = P(axes) if split else P()
  # What a kernel returns does not say which devices differ in it.
  return jax.shard_map(
    function,
    in_specs=(spec,) * len(rows) + (P(),) * len(same),
    out_specs=spec,
    check_vma=False,
  )(*rows, *same)
