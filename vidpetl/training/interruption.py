"""SIGTERM and Ctrl-C: finish the step, or the batch that is tested, and leave.

What was trained is saved; an evaluation that is cut short is made again.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
from collections.abc import Iterator

import jax
from jax.experimental import multihost_utils

# Exit status of a run that was told to stop and has saved: neither finished nor
# failed, so that a scheduler knows to start it again.
STATUS = os.EX_TEMPFAIL

# JAX has all processes stop at the highest of their numbers, and one more. So
# these rise by one, whatever is asked for, and never begin anew: with numbers
# of steps, a signal before the first step of a resumed run would be lost.
_numbers = itertools.count(1)


# Of errors, see `stopped`.
_STOPPED = 'vidpetl_stopped'


class Interrupted(Exception):
  """A run was told to stop, and what it had to save is being saved."""


def stopped(error: Exception) -> bool:
  """Whether an error ended a run that was told to stop; see `Interruption`."""
  return getattr(error, _STOPPED, False)


class Interruption:
  """Knows whether the run was asked to stop.

  With several processes, JAX's preemption service takes SIGTERM, on whichever
  of them it arrives, and makes all of them stop at one place; Ctrl-C becomes a
  SIGTERM. A single process listens itself. A second signal ends it at once.
  """

  def __init__(self):
    self._received = ''
    self._before = {}

  def listen(self) -> None:
    """Takes the signals, until one came or until `restore`."""
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

  def requested(self) -> str:
    """Returns why to stop here, '' to go on; the same on all processes.

    All of them ask at the same places: after a step, and before each batch of
    an evaluation.
    """
    if (
      jax.process_count() > 1
      and multihost_utils.reached_preemption_sync_point(next(_numbers))
    ):
      self._received = 'SIGTERM'
    return self._received

  @contextlib.contextmanager
  def within(self) -> Iterator[None]:
    """A context whose errors tell whether it was told to stop: `stopped`."""
    try:
      yield
    except Exception as error:
      setattr(error, _STOPPED, bool(self._received))
      raise

  def check(self) -> None:
    """Raises Interrupted if the run is to stop here; see `requested`."""
    if why := self.requested():
      raise Interrupted(why)
