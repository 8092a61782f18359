"""Signals that ask a run to stop."""

import os
import signal

import jax
import pytest
from jax.experimental import multihost_utils

from vidpetl.training import interruption


def test_ctrl_c_on_one_of_several_processes_is_a_sigterm(monkeypatch):
  """JAX's preemption service, which tells the others, hears SIGTERM alone."""
  monkeypatch.setattr(jax, 'process_count', lambda: 2)
  heard = []
  before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
  ctrl_c = signal.getsignal(signal.SIGINT)
  try:
    asked = interruption.Interruption()
    asked.listen()
    os.kill(os.getpid(), signal.SIGINT)
    assert heard == [signal.SIGTERM]
    # A second one ends the process at once.
    assert signal.getsignal(signal.SIGINT) is ctrl_c
  finally:
    asked.restore()
    signal.signal(signal.SIGTERM, before)


def test_processes_count_how_often_they_ask_and_remember_what_they_heard(
  monkeypatch,
):
  """JAX says yes once, at the highest number of all processes plus one."""
  monkeypatch.setattr(jax, 'process_count', lambda: 2)
  numbers = []
  monkeypatch.setattr(
    multihost_utils,
    'reached_preemption_sync_point',
    lambda number: numbers.append(number) or len(numbers) == 4,
  )
  asked, next_run = interruption.Interruption(), interruption.Interruption()
  assert not asked.requested()
  asked.check()
  assert not next_run.requested()
  for _ in range(2):
    with pytest.raises(interruption.Interrupted, match='SIGTERM'):
      asked.check()
  assert numbers == list(range(numbers[0], numbers[0] + 5))
