"""The files of a folder of a cache.

  about.json          what the folder is for, see `key.about`
  <name>.array_record clips: the sum of a clip's bytes, and its arrays as they
                      are in memory, one behind the other
  <name>.entries      the clips' entries, in their order, and the sum of all

A file of entries comes last, so that a shard has one only if it is whole.
"""

from __future__ import annotations

import bisect
import contextlib
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Self

import numpy as np
import xxhash
from array_record.python import array_record_data_source, array_record_module
from etils import epath

from vidpetl import durable
from vidpetl.caching import key
from vidpetl.data import opening

ABOUT, SHARD, ENTRIES = 'about.json', '.array_record', '.entries'
_SUM = 8  # bytes
# A shard is closed at so many bytes, clips or seconds, whichever comes first:
# as much is lost if the process is killed.
_BYTES, _CLIPS, _SECONDS = 1 << 28, 1 << 16, 60.0
# A folder of no more bytes is read once, and held in memory.
_HELD = 1 << 28
# Each clip can be read by itself; features hardly compress.
_OPTIONS = 'group_size:1,uncompressed'

Layout = Mapping[str, tuple[tuple[int, ...], np.dtype]]


class DamagedError(ValueError):
  """A cache does not hold what was written to it."""


class Form:
  """Clips as bytes."""

  def __init__(self, layout: Layout):
    """Takes shape and type of each array, by name."""
    self._layout = {name: layout[name] for name in sorted(layout)}
    sizes = [math.prod(s) * d.itemsize for s, d in self._layout.values()]
    self._ends = np.cumsum(sizes).tolist()

  @property
  def size(self) -> int:
    """Bytes of a record."""
    return _SUM + (self._ends[-1] if self._ends else 0)

  def encode(self, arrays: Mapping[str, np.ndarray]) -> bytes:
    """Returns the record of a clip."""
    body = b''.join(
      np.asarray(arrays[name], kind).tobytes()
      for name, (_, kind) in self._layout.items()
    )
    return xxhash.xxh3_64_digest(body) + body

  def decode(self, records: Sequence[bytes]) -> dict[str, np.ndarray]:
    """Returns arrays [n, ...] of sound records."""
    rows = np.frombuffer(b''.join(records), np.uint8)
    rows = rows.reshape(len(records), self.size)[:, _SUM:]
    begins = [0, *self._ends]
    return {
      name: np.ascontiguousarray(rows[:, begin:end])
      .view(kind)
      .reshape(len(records), *shape)
      for (name, (shape, kind)), begin, end in zip(
        self._layout.items(), begins, self._ends
      )
    }

  def is_sound(self, record: bytes) -> bool:
    """Returns whether a record is as it was written."""
    body = memoryview(record)[_SUM:]
    whole = len(record) == self.size
    return whole and xxhash.xxh3_64_digest(body) == record[:_SUM]


class Folder:
  """The clips that are there."""

  def __init__(self, path: epath.PathLike, layout: Layout):
    """Reads which clips there are.

    Raises:
      DamagedError: naming what is damaged, and what to do.
    """
    self.path, self.form = epath.Path(path), Form(layout)
    self._shards: list[epath.Path] = []
    self._begins: list[int] = []
    self._rows: dict[bytes, int] = {}
    files = sorted(self.path.glob(f'*{ENTRIES}')) if self.path.exists() else []
    count = 0
    for file in files:
      names = _read_entries(file)
      self._shards.append(_shard_of(file))
      self._begins.append(count)
      self._rows |= {name: count + i for i, name in enumerate(names)}
      count += len(names)
    self._source = _opened(self._shards, count)
    self._held: dict[str, np.ndarray] | None = None

  def __len__(self) -> int:
    return len(self._rows)

  def find(self, names: np.ndarray) -> np.ndarray:
    """Returns the row of each entry, int64 [...], -1 for those that lack.

    Args:
      names: uint8 [..., key.SIZE].
    """
    flat = np.ascontiguousarray(names).reshape(-1, key.SIZE)
    found = [self._rows.get(name.tobytes(), -1) for name in flat]
    return np.array(found, np.int64).reshape(names.shape[:-1])

  def read(self, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the arrays [n, ...] of rows [n].

    Raises:
      DamagedError: naming a shard that is damaged.
    """
    if len(self._source) * self.form.size > _HELD:
      return self._read(np.asarray(rows).tolist())
    if self._held is None:
      self._held = self._read(range(len(self._source)))
    return {name: array[rows] for name, array in self._held.items()}

  def _read(self, rows: Sequence[int]) -> dict[str, np.ndarray]:
    try:
      records = self._source.__getitems__(rows) if rows else []
    except Exception:  # Those of the library; which shard, each row tells.
      records = [self._record(row) for row in rows]
    for row, record in zip(rows, records):
      if not self.form.is_sound(record):
        self._blame(row)
    return self.form.decode(records)

  def _record(self, row: int) -> bytes:
    try:
      return self._source[row]
    except Exception:
      self._blame(row)

  def _blame(self, row: int) -> NoReturn:
    shard = self._shards[bisect.bisect_right(self._begins, row) - 1]
    raise _damaged(shard.with_suffix(ENTRIES), f'{shard} is damaged')


def _read_entries(file: epath.Path) -> list[bytes]:
  data = file.read_bytes()
  names, told = data[:-_SUM], data[-_SUM:]
  if len(names) % key.SIZE or xxhash.xxh3_64_digest(names) != told:
    raise _damaged(file, f'{file} is damaged')
  return [names[i : i + key.SIZE] for i in range(0, len(names), key.SIZE)]


def _shard_of(file: epath.Path) -> epath.Path:
  shard = file.with_suffix(SHARD)
  if not shard.exists():
    raise _damaged(file, f'{shard} is missing')
  return shard


def _opened(shards: Sequence[epath.Path], count: int) -> Any:
  """Returns all records as one list."""
  if not shards:
    return ()
  source = array_record_data_source.ArrayRecordDataSource
  try:
    found = source([os.fspath(shard) for shard in shards])
    if len(found) == count:
      return found
  except Exception:
    pass  # Which it is, is found out one by one.
  for shard in shards:
    names = _read_entries(shard.with_suffix(ENTRIES))
    try:
      sound = len(source([os.fspath(shard)])) == len(names)
    except Exception:
      sound = False
    if not sound:
      raise _damaged(shard.with_suffix(ENTRIES), f'{shard} is damaged')
  raise _damaged(shards[0].with_suffix(ENTRIES), f'{shards[0].parent} is odd')


def _damaged(file: epath.Path, what: str) -> DamagedError:
  return DamagedError(
    f'{what}. Remove {file}, and the same command encodes its clips again.'
  )


def begin(path: epath.Path, about: Mapping[str, Any]) -> None:
  """Makes a folder of a cache, unless it is there.

  Raises:
    DamagedError: if it is for something else.
  """
  file = path / ABOUT
  if not file.exists():
    path.mkdir(parents=True, exist_ok=True)
    durable.write(file, json.dumps(about, indent=1, sort_keys=True) + '\n')
  elif opening.read_json(file, dict) != about:
    raise DamagedError(
      f'{file} is not what was written there; remove {path}, and the same '
      'command encodes its clips again.'
    )


class Writer:
  """Writes clips in shards; what is closed stays, whatever comes then."""

  def __init__(self, path: epath.Path, form: Form, process: int = 0):
    """Opens nothing yet.

    Args:
      path: of the folder.
      form: of the clips.
      process: number of the process, each of which has shards of its own.
    """
    self._path, self._form, self._process = path, form, process
    self._stack = contextlib.ExitStack()
    self._names: list[bytes] = []
    self._file: Any = None
    self._place = path
    self._began = 0.0

  def __enter__(self) -> Self:
    return self

  def __exit__(self, kind, *unused) -> None:
    # What is whole is kept, whatever was raised meanwhile.
    self.close()

  def add(self, name: bytes, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a clip."""
    if self._file is None:
      self._open()
    try:
      self._file.write(self._form.encode(arrays))
    except Exception as error:  # The library's own, as of a full disk.
      self._give_up(error)
    self._names.append(name)
    full = len(self._names) * self._form.size >= _BYTES
    old = time.monotonic() - self._began >= _SECONDS
    if full or old or len(self._names) >= _CLIPS:
      self.close()

  def _open(self) -> None:
    stem = f'{time.time_ns():016x}-{self._process}'
    self._place = self._path / f'{stem}{SHARD}'
    new = self._stack.enter_context(durable.beside(self._place))
    self._file = array_record_module.ArrayRecordWriter(os.fspath(new), _OPTIONS)
    self._began = time.monotonic()

  def close(self) -> None:
    """Puts what was written in its place."""
    if self._file is None:
      return
    try:
      self._file.close()
    except Exception as error:
      self._give_up(error)
    self._stack.close()
    names = b''.join(self._names)
    told = names + xxhash.xxh3_64_digest(names)
    durable.write(self._place.with_suffix(ENTRIES), told)
    self._file, self._names = None, []

  def _give_up(self, error: Exception) -> NoReturn:
    """Raises OSError, and leaves nothing of the shard at work."""
    self._file, self._names = None, []
    with self._stack:
      raise OSError(
        f'config.cache.path: {self._place} cannot be written: {error}'
      ) from error


def counted(root: epath.PathLike) -> int:
  """Returns how many clips all folders of a cache hold."""
  files = epath.Path(root).glob(f'*/*{ENTRIES}')
  return sum(len(_read_entries(file)) for file in files)
