"""What the processes of a run have together: a working directory, and news."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from etils import epath

# The public module has nothing that waits for processes, and not for devices.
from jax._src import distributed
from jax.experimental import multihost_utils

from vidpetl import lock
from vidpetl.training import sharding

_count = itertools.count()


@contextlib.contextmanager
def workdir(folder: epath.PathLike) -> Iterator[None]:
  """Holds a working directory while the context lasts; see `lock.hold`.

  With several processes it is called by all of them, and all of them raise the
  error if the first cannot have it.

  Args:
    folder: of the run.

  Raises:
    OSError: if another run holds it.
  """
  several = jax.process_count() > 1
  with contextlib.ExitStack() as stack:
    refused = ''
    if jax.process_index() == 0:
      try:
        # With several processes JAX listens to SIGTERM.
        stack.enter_context(lock.hold(folder, signals=not several))
      except OSError as error:
        if not several:
          raise
        refused = str(error)
    if refused := of_first(refused):
      raise BlockingIOError(refused)
    yield


@contextlib.contextmanager
def on_devices(config: Any, folders: Sequence[str]):
  """Holds working directories, with the mesh of a config, for a context."""
  mesh = sharding.mesh_of(config)
  sharding.meet(mesh)
  with contextlib.ExitStack() as stack:
    for folder in folders:
      stack.enter_context(workdir(folder))
    stack.enter_context(jax.set_mesh(mesh))
    yield


def of_first(text: str) -> str:
  """Returns the text that the first process has, on all of them."""
  if jax.process_count() == 1:
    return text
  share = multihost_utils.broadcast_one_to_all
  data = np.frombuffer(text.encode(), np.uint8)
  size = int(share(np.int32(data.size)))
  if jax.process_index():
    data = np.zeros(size, np.uint8)
  return bytes(np.asarray(share(data), np.uint8)).decode() if size else ''


def total(number: int) -> int:
  """Returns the sum of the numbers that all processes have."""
  if jax.process_count() == 1:
    return number
  return int(multihost_utils.process_allgather(np.int32(number)).sum())


def all_come(seconds: float) -> bool:
  """Returns whether all processes come to a place, of which some may not.

  Those that do not may wait for the devices of the others meanwhile.

  Args:
    seconds: for how long one waits for them.
  """
  if jax.process_count() == 1:
    return True
  try:
    distributed.global_state.client.wait_at_barrier(
      f'vidpetl/{next(_count)}', int(1000 * seconds)
    )
  except jax.errors.JaxRuntimeError:  # They took too long.
    return False
  return True
