"""One process at a time in a folder: a file in it says who, and until when.

    with lock.hold('runs/ava'):
      ...

The file, `lock.json`, names host, process and user. It is a lease, which a
thread renews. Another process takes a folder over where the holder cannot live
any more: its process is gone from this machine; or, seen from another machine
or in an object store, its lease ran out and nobody renews it. Whoever was taken
for dead and was not learns it from `check`, and ends.

Files are made under their name at once: by a link on local and network file
systems, where two processes cannot both make it. Where there are no links, as
in object stores, the holder is who finds his own file a moment after he wrote
it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import getpass
import json
import os
import shlex
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

from etils import epath

from vidpetl import mistakes

FILE = 'lock.json'

# Seconds: between two renewals, how long one holds, how long a lease that ran
# out is watched (clocks of two machines differ), and how long it takes until
# all see the same file of an object store.
RENEWED, LASTS, WATCHED, SETTLED = 10.0, 60.0, 15.0, 2.0
_LONGEST = 80  # characters of a command


class LostError(RuntimeError):
  """Another process took the folder over, and this one has to end."""


@dataclasses.dataclass(frozen=True)
class Holder:
  """Who holds a folder.

  Attributes:
    host: name of the machine.
    machine: one start of one machine, and whose processes are counted there.
    process: number of the process.
    born: when the process began, on the clock of its machine; '' if nobody
      tells, as a number may be given to another one later.
    user: name.
    command: what was typed.
    since: seconds since 1970 at which it took the folder.
    until: up to when its lease lasts.
    token: drawn at random.
  """

  host: str = 'unknown'
  machine: str = ''
  process: int = 0
  born: str = ''
  user: str = 'unknown'
  command: str = ''
  since: float = 0.0
  until: float = 0.0
  token: str = ''

  def named(self) -> str:
    """Returns who it is, for people."""
    return f'host {self.host}, process {self.process} of {self.user}'

  def is_here(self) -> bool:
    """Whether its process is one of this machine, which can tell of it."""
    return bool(self.machine) and self.machine == _machine()

  def is_gone(self) -> bool:
    """Whether a process of this machine has ended."""
    try:
      os.kill(self.process, 0)
    except (ProcessLookupError, OverflowError):
      return True
    except PermissionError:  # of another user
      pass
    state, born = _process(self.process)
    another = '' not in (born, self.born) and born != self.born
    return another or state in ('Z', 'X')


def _me() -> Holder:
  try:
    user = getpass.getuser()
  except (KeyError, OSError):  # A container may have no name for its number.
    user = f'user {os.getuid()}'
  _, born = _process(os.getpid())
  return Holder(
    host=socket.gethostname(),
    machine=_machine(),
    process=os.getpid(),
    born=born,
    user=user,
    command=_cut(shlex.join([epath.Path(sys.argv[0]).name, *sys.argv[1:]])),
    since=time.time(),
    until=time.time() + LASTS,
    token=uuid.uuid4().hex,
  )


def _machine() -> str:
  """Returns what tells this machine, since it was started, from all others."""
  try:
    boot = epath.Path('/proc/sys/kernel/random/boot_id').read_text().strip()
    # Containers of one machine count their processes apart.
    return f'{boot}/{os.stat("/proc/self/ns/pid").st_ino}'
  except OSError:
    return socket.gethostname()


def _process(number: int) -> tuple[str, str]:
  """Returns state and birth of a process of Linux, '' where nobody tells."""
  try:
    text = epath.Path(f'/proc/{number}/stat').read_text()
  except OSError:
    return '', ''
  # The second field, a name in brackets, may hold anything.
  fields = text.rpartition(')')[2].split()
  return fields[0], fields[19]


class Lock:
  """The file of one folder, and what keeps it fresh."""

  def __init__(self, folder: epath.PathLike):
    """Names the folder; nothing is written."""
    self.folder = epath.Path(folder).absolute()
    self._path = self.folder / FILE
    self._local = '://' not in os.fspath(self.folder)
    self._me = Holder()
    self._made: list[epath.Path] = []
    self._ended = threading.Event()
    self._thread: threading.Thread | None = None

  def take(self) -> None:
    """Takes the folder, which is made if it is not there.

    Raises:
      BlockingIOError: if another process holds it, with whose and what to do.
    """
    self._make_folder()
    while not self._try():
      pass  # Somebody else was at it in between.
    self._thread = threading.Thread(target=self._renew, daemon=True)
    self._thread.start()

  def _make_folder(self) -> None:
    missing = self.folder
    while self._local and not missing.exists():
      self._made.append(missing)
      missing = missing.parent
    self.folder.mkdir(parents=True, exist_ok=True)

  def _try(self) -> bool:
    """Takes the folder; returns False if its file changed meanwhile."""
    found = self._read()
    if found:
      self._refuse(found)
    self._me = _me()
    with _alone(self.folder, self._local) as alone:
      if self._read() != found:
        return False
      alone = self._write(over=found is not None) or alone
    if not alone:
      time.sleep(SETTLED)
    if (now := self._read()) is None or now.token != self._me.token:
      return False
    if found:
      why = 'has ended' if found.is_here() else f'was last alive {_ago(found)}'
      mistakes.note(
        f'took over {self.folder} from {found.named()}, which began '
        f'{_when(found.since)} and {why}'
      )
    return True

  def _refuse(self, found: Holder) -> None:
    """Raises BlockingIOError if somebody lives who holds the folder."""
    if found.is_here():
      if found.is_gone():
        return
    elif found.until < time.time() and self._stands_still(found):
      return
    raise BlockingIOError(
      f'{self.folder} is in use: {found.named()}, has been at work on it since '
      f'{_when(found.since)} ({found.command}). Wait until that has ended, or '
      'give another folder. If it hangs, end it: the same command then works, '
      f'on another machine {LASTS + WATCHED:.0f} s later.'
    )

  def _stands_still(self, found: Holder) -> bool:
    """Returns whether nobody renews a lease, whatever the clocks say."""
    time.sleep(WATCHED)
    return self._read() in (found, None)

  def _read(self) -> Holder | None:
    try:
      text = self._path.read_text()
    except FileNotFoundError:
      return None
    try:
      found = Holder(**json.loads(text))
    except (ValueError, TypeError):  # no file of ours, or half of one
      return Holder(token=text)
    types = [
      list(map(type, dataclasses.astuple(one))) for one in (found, Holder())
    ]
    return found if types[0] == types[1] else Holder(token=text)

  def _write(self, over: bool) -> bool:
    """Writes the file; returns whether nobody else can have made it, too.

    Args:
      over: whether it replaces one.
    """
    text = json.dumps(dataclasses.asdict(self._me), indent=1) + '\n'
    if not self._local:
      self._path.write_text(text)
      return False
    new = self._path.with_name(f'{FILE}.{self._me.token}')
    new.write_text(text)
    if over or not _link(new, self._path):
      new.replace(self._path)
      return False
    new.unlink()
    return True

  def _renew(self) -> None:
    """Prolongs the lease, until the end or until it is another's."""
    while not self._ended.wait(RENEWED):
      try:
        with _alone(self.folder, self._local):
          now = self._read()
          if now is None or now.token != self._me.token:
            return
          until = time.time() + LASTS
          self._me = dataclasses.replace(self._me, until=until)
          self._write(over=True)
      except OSError:
        continue  # The next time, maybe; others see the lease run out.

  def check(self) -> None:
    """Raises LostError if another process has taken the folder over."""
    try:
      now = self._read()
    except OSError:
      return  # What is to be written will say it.
    if now is None or now.token != self._me.token:
      by = f'{now.named()}, took it over' if now else 'its lock was removed'
      raise LostError(
        f'{self.folder} is no longer held by this process ({self._me.named()}):'
        f' {by}. It writes nothing more there.'
      )

  def release(self) -> None:
    """Gives the folder free, if it is still held; may be called again."""
    self._ended.set()
    if self._me.process != os.getpid():  # a fork
      return
    if self._thread:
      self._thread.join(5)
    with contextlib.suppress(OSError):
      now = self._read()
      if now and now.token == self._me.token:
        self._path.unlink()
      for folder in self._made:
        os.rmdir(folder)  # if nothing was written
    self._made = []


def _link(new: epath.Path, path: epath.Path) -> bool:
  """Gives a file a name that is free; False where the system has no links."""
  try:
    os.link(new, path)
  except FileExistsError:
    pass  # Somebody was faster, as reading it shows.
  except OSError:
    return False
  return True


@contextlib.contextmanager
def _alone(folder: epath.Path, local: bool) -> Iterator[bool]:
  """Keeps other processes waiting, where the system can; yields whether."""
  if not local:
    yield False
    return
  place = os.open(folder, os.O_RDONLY)
  try:
    try:
      fcntl.flock(place, fcntl.LOCK_EX)
      can = True
    except OSError:  # NFS locks no folders
      can = False
    yield can
  finally:
    os.close(place)


_held: dict[epath.Path, Lock] = {}


@contextlib.contextmanager
def hold(folder: epath.PathLike, signals: bool = True) -> Iterator[Lock]:
  """Holds a folder while the context lasts, also where it ends by SIGTERM.

  Args:
    folder: is made if it is not there.
    signals: whether SIGTERM is listened to, if nobody else does.

  Raises:
    BlockingIOError: if another process holds it.
  """
  lock = Lock(folder)
  lock.take()
  _held[lock.folder] = lock
  listens = signals and _is_free(signal.SIGTERM)
  if listens:
    signal.signal(signal.SIGTERM, _end)
  try:
    yield lock
  finally:
    if listens:
      signal.signal(signal.SIGTERM, signal.SIG_DFL)
    del _held[lock.folder]
    lock.release()


def check(folder: epath.PathLike) -> None:
  """Raises LostError if this process held a folder that was taken over."""
  if lock := _held.get(epath.Path(folder).absolute()):
    lock.check()


def _is_free(number: signal.Signals) -> bool:
  in_main = threading.current_thread() is threading.main_thread()
  return in_main and signal.getsignal(number) is signal.SIG_DFL


def _end(number: int, frame: Any) -> None:
  """Gives all folders free, and ends as if nobody had listened."""
  del frame
  for lock in list(_held.values()):
    lock.release()
  signal.signal(number, signal.SIG_DFL)
  os.kill(os.getpid(), number)


def _cut(text: str) -> str:
  return text if len(text) <= _LONGEST else f'{text[:_LONGEST]}…'


def _when(seconds: float) -> str:
  return time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(seconds))


def _ago(found: Holder) -> str:
  return f'{max(0, time.time() - found.until + LASTS):.0f} s ago'
