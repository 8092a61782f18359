"""Signals that ask a run to stop."""

import os
import signal

import jax

from vidpetl.training import interruption


def test_ctrl_c_on_one_of_several_processes_is_a_sigterm(monkeypatch):
  """JAX's preemption service, which tells the others, hears SIGTERM alone."""
  monkeypatch.setattr(jax, 'process_count', lambda: 2)
  heard = []
  before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
  ctrl_c = signal.getsignal(signal.SIGINT)
  try:
    asked = interruption.Interruption()
    os.kill(os.getpid(), signal.SIGINT)
    assert heard == [signal.SIGTERM]
    # A second one ends the process at once.
    assert signal.getsignal(signal.SIGINT) is ctrl_c
  finally:
    asked.restore()
    signal.signal(signal.SIGTERM, before)
