"""A process that reads one damaged file after the other, within limits."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import re
import resource
import shutil
import traceback
import warnings
from collections.abc import Callable
from typing import Any

from etils import epath

from launch.chaos import digest, tally
from vidpetl import mistakes

# Of one reading, beyond what the process has before.
MOST_SECONDS = 60.0
MOST_MEMORY = 1 << 30
_STARTING_SECONDS = 300.0
# A flag, or a field of a config.
_FIELD = re.compile(r'--\w+=|config\.\w+')
_PRELOADED = ('launch.chaos.readers.models', 'launch.chaos.readers.records')


@dataclasses.dataclass(frozen=True)
class Reader:
  """A way into vidpetl for files of others.

  Attributes:
    name: of the row.
    make: writes whole files into an empty folder.
    read: reads the folder; what it returns is compared.
    damaged: patterns of the files to damage.
    checked: patterns of those whose values have a checksum.
    writes: whether reading leaves something in the folder.
    needs: the package without which there is no such reader, '' for none.
    seconds: a reading may take.
    memory: bytes that it may take, beyond what the process has before.
  """

  name: str
  make: Callable[[epath.Path], None]
  read: Callable[[epath.Path], Any]
  damaged: tuple[str, ...] = ('*',)
  checked: tuple[str, ...] = ()
  writes: bool = False
  needs: str = ''
  seconds: float = MOST_SECONDS
  memory: int = MOST_MEMORY


class Bench:
  """A reader's whole files, and a process that reads copies of them."""

  def __init__(self, reader: Reader, folder: epath.Path):
    """Makes the files, and reads them as they are.

    Raises:
      RuntimeError: if the whole files are not read.
    """
    self.reader = reader
    self.whole, self.copy = folder / 'whole', folder / 'copy'
    if not self.whole.exists():
      self.whole.mkdir(parents=True)
      reader.make(self.whole)
    self._process = None
    self._renew()
    self.files = sorted(
      {
        path.relative_to(self.whole).as_posix()
        for pattern in reader.damaged
        for path in _below(self.whole, pattern)
      }
    )
    self._checked = {
      path.relative_to(self.whole).as_posix()
      for pattern in reader.checked
      for path in _below(self.whole, pattern)
    }
    if not self.files:
      raise RuntimeError(f'{reader.name}: there is nothing to damage.')
    found = self._ask('')
    if found.kind != 'read':
      raise RuntimeError(f'{reader.name}: whole files: {found.text}')
    self._wanted = json.loads(found.text)

  def attempt(
    self, file: str, change: Callable[[bytes], bytes | None]
  ) -> tally.Outcome:
    """Damages a file, reads, and mends the file.

    Args:
      file: of `files`.
      change: returns the damaged bytes; None for no file at all.
    """
    whole, copy = self.whole / file, self.copy / file
    data = whole.read_bytes()
    changed = change(data)
    if changed == data:
      return tally.Outcome('same')
    if changed is None:
      copy.unlink()
    else:
      copy.write_bytes(changed)
    outcome = self._judge(file, self._ask(file))
    if self.reader.writes:
      self._renew()
    else:
      copy.parent.mkdir(parents=True, exist_ok=True)
      copy.write_bytes(data)
    return outcome

  def _judge(self, file: str, found: tally.Outcome) -> tally.Outcome:
    if found.kind != 'read':
      return found
    parts = json.loads(found.text)
    differ = [
      name
      for name in sorted(parts.keys() | self._wanted.keys())
      if parts.get(name) != self._wanted.get(name)
    ]
    if not differ:
      return tally.Outcome('same')
    kind = 'silent' if file in self._checked else 'other'
    return tally.Outcome(kind, f'{file}: {", ".join(differ[:9])}')

  def _renew(self) -> None:
    shutil.rmtree(self.copy, ignore_errors=True)
    shutil.copytree(self.whole, self.copy)

  def _ask(self, file: str) -> tally.Outcome:
    if self._process is None:
      self._start()
    # The first reading loads libraries.
    seconds = self.reader.seconds if file else _STARTING_SECONDS
    self._pipe.send((os.fspath(self.copy), file))
    try:
      if self._pipe.poll(seconds):
        return tally.Outcome(*self._pipe.recv())
      outcome = tally.Outcome('hang', f'more than {seconds:g} s')
    except (EOFError, OSError):
      self._process.join()
      outcome = tally.Outcome('crash', f'exit code {self._process.exitcode}')
    self.close()
    return outcome

  def _start(self) -> None:
    # It is forked from a process that has the libraries, and nothing else.
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(list(_PRELOADED))
    self._pipe, theirs = context.Pipe()
    self._process = context.Process(
      target=_serve, args=(self.reader, theirs), daemon=True
    )
    self._process.start()
    theirs.close()
    if not self._pipe.poll(_STARTING_SECONDS):
      raise RuntimeError(f'{self.reader.name}: its process does not start.')
    self._pipe.recv()

  def close(self) -> None:
    """Ends the process."""
    if self._process is not None:
      self._process.kill()
      self._process.join()
      self._process = None


def _below(folder: epath.Path, pattern: str) -> list[epath.Path]:
  """Returns the files at any depth whose names match."""
  found = []
  for root, _, names in os.walk(folder):
    here = epath.Path(root)
    found += [here / n for n in names if epath.Path(n).match(pattern)]
  return found


def _serve(reader: Reader, pipe: Any) -> None:
  """Reads what it is asked to, until it is killed."""
  warnings.simplefilter('ignore')
  os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
  os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
  pipe.send('ready')
  while True:
    folder, file = pipe.recv()
    pipe.send(_within(reader, epath.Path(folder), file))


def _within(reader: Reader, folder: epath.Path, file: str) -> tuple[str, str]:
  """Returns the kind of an outcome, and its text."""
  before = _peak()
  if file:  # The first reading loads the libraries.
    _limit(reader.memory)
  try:
    mistakes.forget()
    found = 'read', json.dumps(digest.by_part(reader.read(folder)))
  except MemoryError as error:
    found = 'memory', f'MemoryError {error}'
  except Exception as error:
    found = _refused(error, folder, file)
  if file and _peak() - before > reader.memory // 2:
    return 'memory', f'{(_peak() - before) >> 20} MiB'
  return found


def _refused(
  error: Exception, folder: epath.Path, file: str
) -> tuple[str, str]:
  text = f'{type(error).__name__}: {error}'
  if not mistakes.is_mistake(error):
    last = traceback.extract_tb(error.__traceback__)[-1]
    ours = [
      f'{epath.Path(f.filename).name}:{f.lineno}'
      for f in traceback.extract_tb(error.__traceback__)
      if '/vidpetl/' in f.filename and '/launch/' not in f.filename
    ]
    where = ours[-1] if ours else f'{last.filename}:{last.lineno}'
    return 'traceback', f'{where} {text}'
  # A folder stands for the few files in it; a field may be all that is wrong.
  places = {epath.Path(file).name, epath.Path(file).stem, os.fspath(folder)}
  named = any(place in str(error) for place in places)
  if file and not named and not _FIELD.search(str(error)):
    return 'unnamed', text
  return 'refused', text


def _peak() -> int:
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _limit(more: int) -> None:
  """Lets the process take so many bytes of addresses more than it has."""
  pages = int(epath.Path('/proc/self/statm').read_text().split()[0])
  taken = pages * os.sysconf('SC_PAGE_SIZE')
  _, hard = resource.getrlimit(resource.RLIMIT_AS)
  resource.setrlimit(resource.RLIMIT_AS, (taken + more, hard))
