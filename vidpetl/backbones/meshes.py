"""What the mesh in use (`jax.set_mesh`) says of activations."""

from __future__ import annotations

import jax

BATCH_AXES = ('data', 'fsdp')


def batch_axes() -> tuple[str, ...]:
  """Returns the axes of the mesh that the batch is split over; () without."""
  mesh = jax.sharding.get_abstract_mesh()
  return tuple(
    name
    for name, kind in zip(mesh.axis_names, mesh.axis_types)
    if name in BATCH_AXES and kind == jax.sharding.AxisType.Auto
  )
