"""SIGTERM and Ctrl-C: finish the step, save, leave."""

from __future__ import annotations

import os
import signal

import jax
from jax.experimental import multihost_utils

# Exit status of a run that was told to stop and has saved: neither finished nor
# failed, so that a scheduler knows to start it again.
STATUS = os.EX_TEMPFAIL


class Interruption:
  """Knows whether the run was asked to stop.

  With several processes, JAX's preemption service takes SIGTERM, on whichever
  of them it arrives, and makes all of them stop at one step; Ctrl-C becomes a
  SIGTERM. A single process listens itself. A second signal ends it at once.
  """

  def __init__(self):
    self._received: str | None = None
    self._before = {}
    if jax.process_count() == 1:
      self._listen(signal.SIGTERM, self._handle)
      self._listen(signal.SIGINT, self._handle)
    else:
      self._listen(signal.SIGINT, self._pass_on)

  def _listen(self, number, handler):
    self._before[number] = signal.signal(number, handler)

  def _handle(self, number, frame):
    del frame
    self._received = signal.Signals(number).name
    self.restore()

  def _pass_on(self, number, frame):
    del number, frame
    self.restore()
    os.kill(os.getpid(), signal.SIGTERM)

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
