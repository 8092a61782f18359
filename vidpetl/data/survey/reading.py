"""Reading many files, each of them once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent import futures

import numpy as np

from vidpetl.data import parallel
from vidpetl.data.survey import cache as cache_lib
from vidpetl.data.survey import record as record_lib

Records = dict[str, record_lib.Record]
Told = Callable[[int], object]

# Files that a process is given at a time, and that are kept at a time.
_CHUNK, _KEPT = 16, 512
# Below so many, a process takes longer to start than to read them.
_FEW = 200
_CRASH = record_lib.Record(
  fault=record_lib.UNREADABLE, reason='crashed the decoder'
)


def read_all(
  paths: Sequence[str],
  cache: cache_lib.Cache,
  processes: int = 1,
  told: Told = lambda count: None,
) -> Records:
  """Returns the record of every file.

  Args:
    paths: of files, each once.
    cache: where records may be known from, and are kept.
    processes: how many read.
    told: is called with a number of files that were dealt with.
  """
  stamps = dict(zip(paths, map(cache_lib.stamp, paths)))
  found = cache.get(paths, list(stamps.values()))
  told(len(found))
  missing = [path for path in paths if path not in found]
  new = []
  try:
    for path, record in _read(missing, processes):
      found[path] = record
      new.append((path, stamps[path], record))
      told(1)
      if len(new) == _KEPT:
        cache.put(new)
        new = []
  finally:  # What was read before an interruption is kept.
    cache.put(new)
  return found


def _read(
  paths: list[str], processes: int
) -> Iterator[tuple[str, record_lib.Record]]:
  if processes < 2 or len(paths) < _FEW:
    yield from _in_threads(paths, max(1, processes))
    return
  chunks = [paths[i : i + _CHUNK] for i in range(0, len(paths), _CHUNK)]
  for chunk, result in parallel.run(_read_chunk, chunks, processes):
    if result is parallel.CRASHED:
      yield from _one_by_one(chunk)
    else:
      yield from zip(chunk, result)


def _read_chunk(paths: list[str]) -> list[record_lib.Record]:
  return [record_lib.read(path) for path in paths]


def _one_by_one(paths: list[str]) -> Iterator[tuple[str, record_lib.Record]]:
  for path, result in parallel.run(record_lib.read, paths, 1):
    yield path, _CRASH if result is parallel.CRASHED else result


def _in_threads(
  paths: Iterable[str], threads: int
) -> Iterator[tuple[str, record_lib.Record]]:
  with futures.ThreadPoolExecutor(threads, 'survey') as pool:
    yield from zip(paths, pool.map(record_lib.read, paths))


def glance(
  paths: Sequence[str],
  cache: cache_lib.Cache,
  most: int,
  seconds: float,
) -> Records:
  """Returns the records that can be had in a moment.

  Files are taken evenly from all of them: known ones from the cache, others are
  read until there are `most` or time is up.

  Args:
    paths: of files, each once.
    cache: where records may be known from, and are kept.
    most: files to read.
    seconds: after which no further file is looked at.
  """
  until = time.monotonic() + seconds
  order = [paths[i] for i in _evenly(len(paths))]
  stamps: dict[str, cache_lib.Stamp | None] = {}
  for path in order:
    # Storage may take its time to say when a file changed.
    if time.monotonic() > until - seconds / 2 and len(stamps) >= most:
      break
    stamps[path] = cache_lib.stamp(path)
  found = cache.get(list(stamps), list(stamps.values()))
  new = []
  for path in [path for path in stamps if path not in found][:most]:
    if time.monotonic() > until:
      break
    found[path] = record_lib.read(path)
    new.append((path, stamps[path], found[path]))
  cache.put(new)
  return found


def _evenly(n: int) -> np.ndarray:
  """Returns an order of n whose every beginning is spread evenly over them."""
  golden = (5**0.5 - 1) / 2
  return np.argsort(np.arange(n) * golden % 1, kind='stable').argsort()
