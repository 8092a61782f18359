"""One process at a time in a folder."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from vidpetl import lock, mistakes

HOLD = """
import sys, time
from vidpetl import lock
with lock.hold(sys.argv[1]):
  print('held', flush=True)
  time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
  for name in ('RENEWED', 'WATCHED', 'SETTLED'):
    monkeypatch.setattr(lock, name, 0.05)


@pytest.fixture
def other(tmp_path):
  """A process that holds the folder until it is ended."""
  process = subprocess.Popen(
    [sys.executable, '-c', HOLD, str(tmp_path)], stdout=subprocess.PIPE
  )
  assert process.stdout.readline() == b'held\n'
  yield process
  process.kill()
  process.communicate()


def leave(folder, **fields):
  """Leaves the file of somebody else."""
  holder = dataclasses.replace(lock._me(), token='theirs', **fields)
  text = json.dumps(dataclasses.asdict(holder))
  (folder / lock.FILE).write_text(text)
  return holder


def test_who_lives_is_named_and_its_folder_stays_as_it_is(other, tmp_path):
  before = (tmp_path / lock.FILE).read_text()
  with (
    pytest.raises(BlockingIOError) as error,
    lock.hold(tmp_path),
  ):
    pass
  assert mistakes.is_mistake(error.value)
  told = str(error.value)
  assert f'{tmp_path} is in use: host {lock._me().host}, process' in told
  assert f'process {other.pid} of ' in told and 'or give another' in told
  assert (tmp_path / lock.FILE).read_text() == before


def test_after_a_hard_kill_the_folder_is_had_at_once(other, tmp_path):
  other.kill()  # and nobody asks how it ended: it is a zombie
  other.poll()
  with (
    pytest.warns(mistakes.Note, match=rf'process {other.pid} .*has ended'),
    lock.hold(tmp_path),
  ):
    pass
  assert list(tmp_path.iterdir()) == []


def test_a_process_that_is_told_to_end_leaves_no_lock(other, tmp_path):
  other.terminate()
  assert other.wait(60) == -signal.SIGTERM
  assert list(tmp_path.iterdir()) == []


def test_a_number_that_was_given_to_another_process_is_no_holder(tmp_path):
  leave(tmp_path, process=os.getppid(), born='1')
  with pytest.warns(mistakes.Note, match='has ended'), lock.hold(tmp_path):
    pass


def test_another_machine_holds_as_long_as_its_lease(tmp_path):
  leave(tmp_path, machine='other', host='pod-3', process=7)
  with pytest.raises(BlockingIOError, match='host pod-3, process 7 of'):
    lock.Lock(tmp_path).take()
  leave(tmp_path, machine='other', host='pod-3', until=time.time() - 1)
  with (
    pytest.warns(mistakes.Note, match='from host pod-3, .* last alive 61 s'),
    lock.hold(tmp_path),
  ):
    pass


def test_clocks_that_differ_take_nobodys_folder(tmp_path, monkeypatch):
  monkeypatch.setattr(lock, 'WATCHED', 0.3)
  holder = leave(tmp_path, machine='other', until=1.0)
  renewed = json.dumps({**dataclasses.asdict(holder), 'until': 2.0})
  write = lambda: (tmp_path / lock.FILE).write_text(renewed)
  threading.Timer(0.1, write).start()
  with pytest.raises(BlockingIOError):
    lock.Lock(tmp_path).take()


def test_a_file_that_is_no_lock_is_taken_over(tmp_path):
  for text in ('', '{"host":', '[1]', '{"process": "x", "until": 9e99}'):
    mistakes.forget()
    (tmp_path / lock.FILE).write_text(text)
    with pytest.warns(mistakes.Note, match='took over'), lock.hold(tmp_path):
      pass


def test_a_lease_is_renewed(tmp_path):
  read = lambda: json.loads((tmp_path / lock.FILE).read_text())['until']
  with lock.hold(tmp_path):
    first = read()
    deadline = time.time() + 60
    while read() == first and time.time() < deadline:
      time.sleep(0.02)
    assert read() > first
    lock.check(tmp_path)


def test_who_was_taken_over_learns_it_and_removes_nothing(tmp_path):
  with lock.hold(tmp_path):
    leave(tmp_path, host='pod-4', process=8)
    time.sleep(0.2)  # in which it would renew
    with pytest.raises(lock.LostError, match='host pod-4, process 8'):
      lock.check(tmp_path)
  assert 'pod-4' in (tmp_path / lock.FILE).read_text()
  (tmp_path / lock.FILE).unlink()
  with lock.hold(tmp_path):
    (tmp_path / lock.FILE).unlink()
    with pytest.raises(lock.LostError, match='was removed'):
      lock.check(tmp_path)
  lock.check(tmp_path)  # Who holds nothing has nothing to lose.


def test_an_error_gives_the_folder_free_and_leaves_no_empty_one(tmp_path):
  folder = tmp_path / 'runs' / 'a'
  with pytest.raises(ZeroDivisionError), lock.hold(folder):
    1 / 0  # noqa: B018
  assert not (tmp_path / 'runs').exists()
  with lock.hold(folder):
    (folder / 'file').touch()
  assert [path.name for path in folder.iterdir()] == ['file']


@pytest.mark.filterwarnings('ignore::vidpetl.mistakes.Note')
@pytest.mark.parametrize('system', ['links', 'no links', 'store'])
@pytest.mark.parametrize('stale', [False, True])
def test_of_many_at_once_one_has_it(system, stale, tmp_path, monkeypatch):
  """Local files; no links and no locks of folders; an object store."""
  monkeypatch.setattr(lock, 'SETTLED', 0.3)
  if system != 'links':
    monkeypatch.setattr(lock, '_link', lambda new, path: False)
    monkeypatch.setattr(lock.fcntl, 'flock', _nothing)
  if stale:
    leave(tmp_path, process=os.getppid(), born='1')
  locks = [lock.Lock(tmp_path) for _ in range(8)]
  for each in locks:
    each._local = system != 'store'
  had = []

  def take(each):
    try:
      each.take()
    except BlockingIOError:
      return
    had.append(each)

  threads = [threading.Thread(target=take, args=[each]) for each in locks]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert len(had) == 1
  had[0].check()
  had[0].release()
  assert list(tmp_path.iterdir()) == []


def _nothing(*arguments):
  raise OSError('not supported')
