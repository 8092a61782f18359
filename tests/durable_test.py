"""Files are there as a whole or as they were, whatever ends a process."""

import ast
import os
import signal
import stat
import subprocess
import sys
import threading

import experiments
import pytest

from vidpetl import durable

# Where files are opened to be written otherwise, and why.
MEANT = {
  'vidpetl/durable.py': 'is the way',
  'vidpetl/lock.py': 'a lock, which is made anew',
  'vidpetl/training/checkpoint.py': 'a checkpoint is moved as it is',
  'vidpetl/training/writers/events.py': 'events grow while they are read',
  'vidpetl/serving/uploads.py': 'a film in a folder that goes with its request',
  'vidpetl/studies/pods': 'what a process tells another one, and is gone then',
  'vidpetl/world': 'a folder that is begun anew unless its marker, which is '
  'written last, says that it is whole',
}
_WRITERS = ('write_text', 'write_bytes', 'rename', 'save_file')


@pytest.fixture
def synced(monkeypatch):
  """Files and folders as they were when they were synced, in order."""
  seen = []

  def fsync(path):
    path = os.fspath(path)
    content = os.listdir(path) if os.path.isdir(path) else _read(path)
    seen.append((path, content))

  monkeypatch.setattr(durable, '_fsync', fsync)
  return seen


def _read(path):
  with open(path) as file:
    return file.read()


def _is_write(call):
  called = ast.unparse(call.func)
  name = called.rpartition('.')[2]
  # PyAV writes to names and buffers that it is given.
  if called.startswith('durable.') or called == 'av.open':
    return False
  if name in _WRITERS:
    return True
  if name == 'replace':  # Of texts it has two arguments.
    return (len(call.args) == 1 and not call.keywords) or called == 'os.replace'
  # A file's mode comes second, or first if it is a method of a path.
  modes = [
    node.value
    for node in (*call.args[:2], *(k.value for k in call.keywords))
    if isinstance(node, ast.Constant) and isinstance(node.value, str)
  ]
  return name == 'open' and any(
    set(mode) <= set('wxb+t') and set(mode) & set('wx') for mode in modes
  )


def test_every_file_is_written_durably():
  found = [
    f'{path.relative_to(experiments.ROOT)}:{node.lineno}'
    for path in sorted((experiments.ROOT / 'vidpetl').rglob('*.py'))
    if not str(path.relative_to(experiments.ROOT)).startswith(tuple(MEANT))
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8')))
    if isinstance(node, ast.Call) and _is_write(node)
  ]
  assert not found


def test_a_file_is_synced_before_it_is_in_place_and_its_folder_after(
  tmp_path, synced
):
  durable.write(tmp_path / 'a', 'new')
  (first, content), (second, there) = synced
  assert os.path.dirname(first) == str(tmp_path) == second
  assert (content, there) == ('new', ['a'])
  assert os.path.basename(first) != 'a'


def test_what_raises_leaves_the_old_file_and_nothing_beside_it(tmp_path):
  durable.write(tmp_path / 'a', 'old')
  with pytest.raises(ZeroDivisionError), durable.opened(tmp_path / 'a') as file:
    file.write(b'half')
    file.write(1 // 0)
  assert os.listdir(tmp_path) == ['a'] and _read(tmp_path / 'a') == 'old'


def test_a_full_disk_leaves_the_old_file(tmp_path):
  code = (
    'import resource, signal, sys; from vidpetl import durable\n'
    'signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n'
    'resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n'
    'durable.write(sys.argv[1], bytes(5000))\n'
  )
  durable.write(tmp_path / 'a', 'old')
  command = [sys.executable, '-c', code, str(tmp_path / 'a')]
  done = subprocess.run(command, capture_output=True, text=True)
  assert 'File too large' in done.stderr
  assert os.listdir(tmp_path) == ['a'] and _read(tmp_path / 'a') == 'old'


_STOPPED = """
import os, signal, sys
from vidpetl import durable
with durable.{kind}(sys.argv[1]) as new:
  {write}
  os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
  'kind, write',
  [
    ('opened', 'new.write(b"half")'),
    ('folder', '(new / "b").write_text("half")'),
  ],
)
def test_the_next_write_removes_what_a_killed_process_left(
  tmp_path, kind, write
):
  code = _STOPPED.format(kind=kind, write=write)
  command = [sys.executable, '-c', code, str(tmp_path / 'a')]
  assert subprocess.run(command).returncode == -signal.SIGKILL
  (left,) = os.listdir(tmp_path)
  assert left != 'a'
  durable.write(tmp_path / 'c', '')
  assert os.listdir(tmp_path) == ['c']


def test_what_lives_and_what_is_of_another_machine_stays(tmp_path, monkeypatch):
  other = tmp_path / '.a.01234567-1-0.unfinished'
  other.write_text('')
  with durable.opened(tmp_path / 'a'):
    command = [
      *(sys.executable, '-c'),
      'import sys; from vidpetl import durable; durable.write(sys.argv[1], "")',
    ]
    subprocess.run([*command, str(tmp_path / 'b')], check=True)
    assert len(os.listdir(tmp_path)) == 3
  os.utime(other, (0, 0))
  subprocess.run([*command, str(tmp_path / 'c')], check=True)
  assert sorted(os.listdir(tmp_path)) == ['a', 'b', 'c']


def test_writers_of_one_file_do_not_meet(tmp_path):
  gate = threading.Barrier(2, timeout=60)

  def fill(letter):
    with durable.opened(tmp_path / 'a') as file:
      file.write(letter * 10)
      gate.wait()
      file.write(letter * 10)

  threads = [threading.Thread(target=fill, args=[x]) for x in (b'x', b'y')]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert _read(tmp_path / 'a') in ('x' * 20, 'y' * 20)
  assert os.listdir(tmp_path) == ['a']


def test_links_pipes_and_permissions_stay(tmp_path):
  (tmp_path / 'far').mkdir()
  durable.write(tmp_path / 'far/a', 'old')
  os.chmod(tmp_path / 'far/a', 0o640)
  (tmp_path / 'link').symlink_to('far/a')
  durable.write(tmp_path / 'link', 'new')
  assert (tmp_path / 'link').is_symlink()
  assert _read(tmp_path / 'far/a') == 'new'
  assert stat.S_IMODE(os.stat(tmp_path / 'far/a').st_mode) == 0o640
  durable.write('/dev/null', 'x')
  assert stat.S_ISCHR(os.stat('/dev/null').st_mode)
  durable.write(tmp_path / ('n' * 255), '')


@pytest.mark.parametrize('can_exchange', [True, False])
def test_a_folder_is_replaced_as_a_whole(
  tmp_path, synced, monkeypatch, can_exchange
):
  if not can_exchange:
    monkeypatch.setattr(durable, '_exchange', lambda *unused: False)
  for names in (['a', 'b'], ['b', 'c']):
    with durable.folder(tmp_path / 'x') as new:
      for name in names:
        (new / name).write_text(name)
      assert sorted(os.listdir(new)) == names
    assert sorted(os.listdir(tmp_path / 'x')) == names
  assert os.listdir(tmp_path) == ['x']
  assert {content for _, content in synced if isinstance(content, str)} == {
    *'abc'
  }
  with pytest.raises(ZeroDivisionError), durable.folder(tmp_path / 'x') as new:
    (new / 'd').write_text(1 // 0)
  assert os.listdir(tmp_path) == ['x']
  assert sorted(os.listdir(tmp_path / 'x')) == ['b', 'c']


def test_a_folder_that_was_put_aside_comes_back(tmp_path):
  with durable.folder(tmp_path / 'x') as new:
    (new / 'a').write_text('a')
  os.rename(tmp_path / 'x', durable._aside(durable.epath.Path(tmp_path / 'x')))
  with pytest.raises(ZeroDivisionError), durable.folder(tmp_path / 'x') as new:
    (new / 'd').write_text(1 // 0)
  assert os.listdir(tmp_path / 'x') == ['a']


def test_folders_that_are_kept_and_files_in_their_place(tmp_path):
  (tmp_path / 'x').mkdir()
  with (
    pytest.raises(FileExistsError, match='there already'),
    durable.folder(tmp_path / 'x', replace=False) as new,
  ):
    (new / 'a').write_text('mine')
    (tmp_path / 'x/b').write_text("another's")
  assert os.listdir(tmp_path / 'x') == ['b']
  with (
    pytest.raises(NotADirectoryError, match='is a file'),
    durable.folder(tmp_path / 'x/b'),
  ):
    pass
