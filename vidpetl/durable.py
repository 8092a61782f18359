"""Files and folders that are there as a whole, or as they were before.

What is new is written beside its place, under a name that no other process
takes, is synced to the disk, and then takes its place in one step. Whoever
reads meanwhile, or after a crash or a loss of power, finds the old content or
the new. What raises leaves the old one and nothing beside it; what a killed
process leaves is removed at the next write to the same folder.

An object store has a file once it is whole, and has no folders: there, nothing
is synced, and the files of a folder appear one after the other.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import hashlib
import itertools
import os
import re
import socket
import stat
import time
from collections.abc import Iterator
from typing import BinaryIO

from etils import epath

_NAME = re.compile(r'\..*\.([0-9a-f]{8})-(\d+)-\d+\.unfinished', re.DOTALL)
# Bytes of a name that leave room for the rest of a temporary one.
_LONGEST = 180
# Files of other machines may be under way; after so long they are not.
_SECONDS_OF_OTHERS = 7 * 24 * 3600
# How file systems say that they do not sync folders.
_CANNOT_SYNC = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EBADF}
# Of Linux' renameat2: relative to the working directory; change places.
_AT_FDCWD, _EXCHANGE = -100, 2
# Streams that are open already, although they may be files.
_STREAMS = ('/dev/fd/', '/dev/std', '/proc/')
_count = itertools.count()


@contextlib.contextmanager
def beside(path: epath.PathLike) -> Iterator[epath.Path]:
  """Gives a path to write a file to, for those who open files by name.

  Args:
    path: that the file takes at the end, unless something is raised. A link
      stays, and what it points to is replaced; streams are written to as such.
  """
  if _is_stream(path):
    yield epath.Path(path)
    return
  place = _end_of_links(path)
  _sweep(place.parent)
  new = _unfinished(place)
  try:
    yield new
    if _is_local(place):
      _keep_mode(place, new)
      _fsync(new)
    new.replace(place)
    if _is_local(place):
      _fsync(place.parent)
  finally:
    new.unlink(missing_ok=True)


@contextlib.contextmanager
def opened(path: epath.PathLike) -> Iterator[BinaryIO]:
  """Gives a file to write bytes to; see `beside`."""
  with beside(path) as new, new.open('wb') as file:
    yield file


def write(path: epath.PathLike, content: str | bytes) -> None:
  """Writes a file as a whole, texts in UTF-8; see `beside`."""
  with opened(path) as file:
    file.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def folder(
  path: epath.PathLike, *, replace: bool = True
) -> Iterator[epath.Path]:
  """Gives a folder to fill, which takes the place of `path` as a whole.

  Args:
    path: of the folder, whose parents are made. A link to one stays.
    replace: whether one with something in it is replaced, or kept.

  Raises:
    NotADirectoryError: if there is a file of that name.
    FileExistsError: if there is a folder that is kept.
  """
  place = _end_of_links(path)
  if place.exists() and not place.is_dir():
    raise NotADirectoryError(f'{path} is a file, where a folder is written')
  _restore(place)
  _refuse(place, replace)
  _sweep(place.parent)
  new = _unfinished(place)
  new.mkdir(parents=True)
  try:
    yield new
    sync(new)
    _refuse(place, replace)
    _change_places(new, place)
    if _is_local(place):
      _fsync(place.parent)
  finally:
    if new.exists():
      new.rmtree()


def sync(path: epath.PathLike) -> None:
  """Waits until the disk has a file, or a folder with all that is in it."""
  if not _is_local(path):
    return
  for at, _, names in os.walk(path):
    for name in names:
      _fsync(epath.Path(at) / name)
    _fsync(at)
  if epath.Path(path).is_file():
    _fsync(path)


def _fsync(path: epath.PathLike) -> None:
  opened = os.open(path, os.O_RDONLY)
  try:
    os.fsync(opened)
  except OSError as error:
    if error.errno not in _CANNOT_SYNC:
      raise
  finally:
    os.close(opened)


def _is_local(path: epath.PathLike) -> bool:
  return '://' not in os.fspath(path)


def _is_stream(path: epath.PathLike) -> bool:
  """Returns whether a path is a pipe or a device, which stays what it is."""
  if not _is_local(path):
    return False
  if os.fspath(path).startswith(_STREAMS):
    return True
  try:
    mode = os.stat(path).st_mode
  except OSError:
    return False
  return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _end_of_links(path: epath.PathLike) -> epath.Path:
  return epath.Path(os.path.realpath(path) if _is_local(path) else path)


def _keep_mode(old: epath.Path, new: epath.Path) -> None:
  """Gives a file the permissions of the one that it replaces."""
  with contextlib.suppress(OSError):  # There is none, or they are not ours.
    os.chmod(new, stat.S_IMODE(os.stat(old).st_mode))


def _unfinished(place: epath.Path) -> epath.Path:
  """Returns a name beside a place that nothing else has."""
  name = place.name
  if len(os.fsencode(name)) > _LONGEST:
    name = hashlib.sha256(os.fsencode(name)).hexdigest()
  own = f'{_machine()}-{os.getpid()}-{next(_count)}'
  return place.with_name(f'.{name}.{own}.unfinished')


@functools.cache
def _machine() -> str:
  """Returns a word for where numbers of processes mean something."""
  told = socket.gethostname()
  with contextlib.suppress(OSError):  # Containers count for themselves.
    told += os.readlink('/proc/self/ns/pid')
  return hashlib.sha256(told.encode()).hexdigest()[:8]


def _sweep(parent: epath.Path) -> None:
  """Removes what killed processes left in a folder, at the first write there.

  What cannot be removed stays.
  """
  if _is_local(parent):
    _sweep_once(os.fspath(parent), os.getpid())


@functools.lru_cache(maxsize=4096)
def _sweep_once(parent: str, pid: int) -> None:
  del pid  # A process that was forked looks for itself.
  with contextlib.suppress(OSError):
    for entry in list(os.scandir(parent)):
      match = _NAME.fullmatch(entry.name)
      if match and _is_dead(entry, match[1], int(match[2])):
        epath.Path(entry.path).rmtree(missing_ok=True)


def _is_dead(entry: os.DirEntry, machine: str, pid: int) -> bool:
  """Returns whether nobody writes an unfinished file any more."""
  if machine != _machine():
    age = time.time() - entry.stat(follow_symlinks=False).st_mtime
    return age > _SECONDS_OF_OTHERS
  try:
    os.kill(pid, 0)
  except ProcessLookupError:
    return True
  except (OSError, OverflowError):  # It is another user's.
    pass
  return False


def _refuse(place: epath.Path, replace: bool) -> None:
  if not replace and place.is_dir() and any(place.iterdir()):
    raise FileExistsError(f'{place} is there already, and is not empty.')


def _change_places(new: epath.Path, place: epath.Path) -> None:
  """Puts a folder where another may be, which is then gone or called `new`."""
  if not _is_local(place):
    if place.exists():
      place.rmtree()
    new.rename(place)
  elif not place.exists():
    os.rename(new, place)
  elif not _exchange(new, place):
    old = _aside(place)
    os.rename(place, old)
    os.rename(new, place)
    old.rmtree()


def _exchange(one: epath.Path, other: epath.Path) -> bool:
  """Swaps two folders in one step; returns whether the system can."""
  try:
    rename = ctypes.CDLL(None, use_errno=True).renameat2
  except (AttributeError, OSError):
    return False
  one, other = os.fsencode(one), os.fsencode(other)
  return rename(_AT_FDCWD, one, _AT_FDCWD, other, _EXCHANGE) == 0


def _aside(place: epath.Path) -> epath.Path:
  return place.with_name(f'.{place.name}.old')


def _restore(place: epath.Path) -> None:
  """Brings back a folder that a killed process had put aside."""
  old = _aside(place)
  if not _is_local(place) or not old.exists():
    return
  if place.exists():
    old.rmtree()
  else:
    os.rename(old, place)
