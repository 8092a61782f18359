"""Records of files that were read once, in one file of SQLite.

A record holds for a path, its size and its time of change. Many processes may
write at the same time. A cache that is damaged, or where none can be written,
costs time and nothing else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from etils import epath

from vidpetl import mistakes
from vidpetl.data.survey import record as record_lib

Stamp = tuple[int, int]  # size, time of change in nanoseconds

_TABLE = (
  'CREATE TABLE IF NOT EXISTS records (path BLOB PRIMARY KEY, size INTEGER, '
  'changed INTEGER, version INTEGER, record TEXT) WITHOUT ROWID'
)
_AT_ONCE = 500  # SQLite's parameters of one question are limited
_PATIENCE = 30  # seconds that another process may be writing


def default_path() -> str:
  """Returns where records are kept if nobody says otherwise.

  That is in the folder VIDPETL_CACHE of the environment, or else in 'vidpetl'
  of XDG_CACHE_HOME, or of ~/.cache.
  """
  folder = os.environ.get('VIDPETL_CACHE')
  if not folder:
    home = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
    folder = epath.Path(home).expanduser() / 'vidpetl'
  return os.fspath(epath.Path(folder) / 'survey.sqlite')


def stamp(path: str) -> Stamp | None:
  """Returns what tells one state of a file from another; None if it is gone."""
  try:
    status = os.stat(path)
  except OSError:
    return None
  return status.st_size, status.st_mtime_ns


class Cache:
  """Records by path.

  Of what cannot be kept the user is told once; then nothing is found.
  """

  def __init__(self, path: str):
    """Names the file; '' keeps nothing. It is opened when it is needed."""
    self._path = path

  def get(
    self, paths: Sequence[str], stamps: Sequence[Stamp | None]
  ) -> dict[str, record_lib.Record]:
    """Returns the records that still hold, by path.

    Args:
      paths: of files.
      stamps: of the same.
    """
    wanted = {_key(p): (p, s) for p, s in zip(paths, stamps) if s}
    return self._ask(lambda connection: _found(connection, wanted)) or {}

  def put(
    self, rows: Iterable[tuple[str, Stamp | None, record_lib.Record]]
  ) -> None:
    """Keeps records of files with their stamps."""
    values = [
      (_key(path), *now, record_lib.VERSION, _text(record))
      for path, now, record in rows
      if now
    ]
    if values:
      self._ask(
        lambda connection: connection.executemany(
          'INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?)', values
        )
      )

  def _ask(self, question: Callable[[sqlite3.Connection], Any]) -> Any:
    """Opens the file for one question; None if there is no answer."""
    if not self._path:
      return None
    file = epath.Path(self._path)
    try:
      file.parent.mkdir(parents=True, exist_ok=True)
      with contextlib.closing(_connect(self._path)) as connection, connection:
        return question(connection)
    except (sqlite3.OperationalError, OSError) as error:  # read-only, full
      mistakes.note(f'{file} cannot be used as a cache: {error}')
      self._path = ''
    except (sqlite3.DatabaseError, ValueError, TypeError):
      mistakes.note(f'{file} was damaged and begins anew; files are read again')
      file.unlink(missing_ok=True)
    return None


def _found(
  connection: sqlite3.Connection, wanted: dict[bytes, tuple[str, Stamp]]
) -> dict[str, record_lib.Record]:
  found = {}
  for keys in _parts(list(wanted)):
    marks = ','.join('?' * len(keys))
    rows = connection.execute(
      f'SELECT * FROM records WHERE path IN ({marks})', keys
    )
    for key, size, changed, version, text in rows:
      path, now = wanted[key]
      if (size, changed) == now and version == record_lib.VERSION:
        found[path] = record_lib.Record(*json.loads(text))
  return found


def _connect(path: str) -> sqlite3.Connection:
  connection = sqlite3.connect(path, timeout=_PATIENCE)
  try:
    connection.execute(_TABLE)
  except sqlite3.Error:
    connection.close()
    raise
  return connection


def _key(path: str) -> bytes:
  # A name that is no UTF-8 is no text for SQLite.
  return os.fsencode(path if path[:1] == '/' else f'{os.getcwd()}/{path}')


def _text(record: record_lib.Record) -> str:
  return json.dumps(dataclasses.astuple(record))


def _parts(keys: list[bytes]) -> Iterator[list[bytes]]:
  for begin in range(0, len(keys), _AT_ONCE):
    yield keys[begin : begin + _AT_ONCE]
