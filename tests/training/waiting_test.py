"""A step waits neither for slow files, nor an evaluation's device for numpy."""

import threading
import time
import types

import numpy as np
import pytest

from vidpetl.training import evaluation, logbook, shares, writers
from vidpetl.training.writers import behind, json_lines, scalars_only


def test_a_step_does_not_wait_for_slow_files(tmp_path, monkeypatch):
  write = json_lines.JsonLines.write_scalars

  def slowly(self, step, scalars):
    time.sleep(0.1)
    write(self, step, scalars)

  monkeypatch.setattr(json_lines.JsonLines, 'write_scalars', slowly)
  writer = writers.create(tmp_path)
  writer.begin()
  began = time.perf_counter()
  for step in range(10):
    writer.write_scalars(step, {'loss': 1.0})
  assert time.perf_counter() - began < 0.5
  writer.close()
  rows = json_lines.read_lines(tmp_path / json_lines.FILE)
  assert [row['step'] for row in rows] == list(range(10))


def test_what_is_written_before_it_begins_is_held_and_its_errors_are_told():
  lines = Lines()
  opened = []
  writer = behind.Behind(lambda: opened.append(lines) or lines)
  writer.write_scalars(1, {'loss': 1.0})
  assert not opened
  writer.flush()
  assert lines.steps == [1]
  lines.full = True
  writer.write_scalars(2, {})
  with pytest.raises(OSError, match='No space left'):
    writer.flush()
  lines.full = False
  writer.write_scalars(3, {})
  writer.close()
  assert lines.steps == [1, 3, 'closed']


class Lines(scalars_only.ScalarsOnly):
  """A writer onto a disk that may be full."""

  full = False

  def __init__(self):
    self.steps = []

  def write_scalars(self, step, scalars):
    if self.full:
      raise OSError('No space left on device')
    self.steps.append(step)

  def close(self):
    self.steps.append('closed')


def test_time_is_counted_once_and_with_idle_devices_apart(monkeypatch):
  now, idle = [0.0], [False]
  monkeypatch.setattr(shares.time, 'perf_counter', lambda: now[0])
  counted = shares.Shares(lambda: idle[0])
  now[0] = 1.0
  with counted.of(shares.OTHER):
    now[0] += 1.0
    with counted.of(shares.LOGGING):
      now[0] += 2.0
      with counted.of(shares.DEVICE):
        now[0] += 5.0
        idle[0] = True  # It ends when they have done what was waited for.
      now[0] += 2.0
  found = counted.record()
  assert found['spent'] == {'other': 1.0, 'logging': 4.0, 'device': 5.0}
  assert found['idle'] == {'other': 0.0, 'logging': 2.0, 'device': 0.0}
  assert shares.line('Time', found) == (
    'Time, 10.0 s: device 50.0 %, logging 40.0 % (devices idle 20.0 %), '
    'other 10.0 %'
  )


def test_no_step_waits_for_pictures(tmp_path):
  run = types.SimpleNamespace(total=5, config=None)
  book = logbook.Logbook(run, tmp_path, 0.0)
  drawing = threading.Event()

  def draw():
    assert drawing.wait(10)
    return {'it': np.zeros((2, 2, 3), np.uint8)}

  book.show(1, 'task', draw)
  path = tmp_path / 'pictures' / 'task_it.png'
  assert not path.exists()
  drawing.set()
  book.settle()
  assert path.exists()
  book.show(2, 'task', {}.popitem)
  with pytest.raises(KeyError):
    book.settle()
  book.close()


class Log:
  """Tells when a batch is decoded, computed, fetched and measured."""

  class info:
    name, split = 'set', 'val'

  def __init__(self):
    self.events = []

  def __len__(self):
    return 3

  def batches(self):
    for i in range(3):
      self.events.append(f'decode {i}')
      yield {'index': np.array([i])}

  def predict(self, rows):
    self.events.append(f'compute {rows["index"][0]}')
    return {**rows, 'valid': np.array([True])}

  def update(self, rows):
    self.events.append(f'measure {rows["index"][0]}')


def test_a_batch_is_measured_while_the_next_is_computed():
  log = Log()
  evaluation.evaluate(log, log, log.batches(), log.predict)
  assert log.events.index('compute 1') < log.events.index('measure 0')
  assert log.events.index('compute 2') < log.events.index('measure 1')


def test_losses_are_fetched_while_the_next_step_is_computed(
  tmp_path, monkeypatch
):
  events = []
  config = types.SimpleNamespace(log_every=2)
  run = types.SimpleNamespace(total=5, config=config)
  book = logbook.Logbook(run, tmp_path, 0.0)
  monkeypatch.setattr(
    book, 'log', lambda done, *_: events.append(f'log {done}')
  )
  for done in range(1, 6):
    events.append(f'compute {done}')
    book.take(done, None, None, stands=done == 5)
  assert events == [
    *('compute 1', 'compute 2', 'compute 3', 'log 2', 'compute 4'),
    *('compute 5', 'log 4', 'log 5'),
  ]
