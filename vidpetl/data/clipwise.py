"""Runs what differs from clip to clip on one clip after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import PartitionSpec as P


def run(function: Callable[..., Any], *arrays: jax.Array) -> Any:
  """Returns what a function makes of each clip, each device for its own clips.

  Under `jax.vmap`, a branch of `lax.cond` or `lax.switch` is computed for every
  clip, taken or not. Here only those that are taken are.

  Args:
    function: of one clip.
    *arrays: [b, ...] each. Their first axis is split over all axes of the mesh
      that `jax.set_mesh` has set, and need not be if there is none.
  """

  def own(*arrays):
    return jax.lax.map(lambda rows: function(*rows), arrays)

  mesh = jax.sharding.get_abstract_mesh()
  if mesh.empty or mesh.size == 1:
    return own(*arrays)
  rows = P(mesh.axis_names)
  # The check wants each branch to say whether devices differ in it; they have
  # nothing in common here.
  split = jax.shard_map(own, in_specs=rows, out_specs=rows, check_vma=False)
  return split(*arrays)
