"""One run in a working directory: the first process holds it for all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import jax
import numpy as np
from etils import epath
from jax.experimental import multihost_utils

from vidpetl import lock


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
