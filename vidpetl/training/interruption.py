"""SIGTERM and Ctrl-C: finish the step, save, leave."""

from __future__ import annotations

import signal

import jax
from jax.experimental import multihost_utils


class Interruption:
  """Knows whether the run was asked to stop.

  With several processes, JAX's preemption service takes SIGTERM and makes all
  of them stop at one step. A single process listens itself; a second signal
  ends it at once.
  """

  def __init__(self):
    self._received: str | None = None
    self._before = {}
    if jax.process_count() == 1:
      for number in (signal.SIGTERM, signal.SIGINT):
        self._before[number] = signal.signal(number, self._handle)

  def _handle(self, number, frame):
    del frame
    self._received = signal.Signals(number).name
    self.restore()

  def restore(self) -> None:
    """Gives the signals back to whom they belonged."""
    for number, handler in self._before.items():
      signal.signal(number, handler)
    self._before = {}

  def requested(self, step: int) -> str | None:
    """Returns the reason to stop after `step`, the same on all processes."""
    if jax.process_count() > 1:
      if multihost_utils.reached_preemption_sync_point(step):
        return 'SIGTERM'
      return None
    return self._received
