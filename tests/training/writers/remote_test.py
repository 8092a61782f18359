"""A service that is away costs a run nothing, and gets what it missed."""

import pytest

from vidpetl import mistakes
from vidpetl.training.writers import remote, scalars_only


class Flaky(scalars_only.ScalarsOnly):
  """Refuses so many writes."""

  def __init__(self, refusals):
    self.refusals, self.taken, self.closed = refusals, [], False

  def write_scalars(self, step, scalars):
    if self.refusals:
      self.refusals -= 1
      raise ConnectionError('no route to host\nmore')
    self.taken.append(step)

  def close(self):
    self.closed = True


def test_what_failed_is_written_later_and_said_once(monkeypatch):
  monkeypatch.setattr(remote, 'AGAIN', 0.0)
  service = Flaky(3)
  with pytest.warns(mistakes.Note) as notes:
    writer = remote.Remote('service', lambda: service)
    for step in range(5):
      writer.write_scalars(step, {'a': 1.0})
    writer.close()
  assert sorted(service.taken) == list(range(5))
  assert service.closed
  (note,) = notes
  assert str(note.message).startswith('service cannot be written to')
  assert str(note.message).endswith('no route to host')


def test_a_run_ends_without_a_service_that_stays_away():
  def connect():
    raise ConnectionError('down')

  writer = remote.Remote('service', connect)
  with pytest.warns(mistakes.Note) as notes:
    for step in range(5):
      writer.write_scalars(step, {'a': 1.0})
    writer.flush()
    writer.close()
  assert 'did not take 5 writes' in str(notes[-1].message)
