"""Transcoding in parallel into a folder from which an interrupted run goes on.

Each result is a file of its own, named by all that it depends on, and appears
under that name only when it is complete.
"""

from __future__ import annotations

import concurrent.futures as futures
import contextlib
import dataclasses
import hashlib
import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool

from etils import epath

from vidpetl.data import decode, transcode
from vidpetl.data.records.recipe import Item

_AHEAD = 4  # items per process that are handed out in advance


@dataclasses.dataclass(frozen=True)
class Staging:
  """A folder of transcoded items.

  Attributes:
    folder: path.
    options: how items are encoded.
  """

  folder: str
  options: transcode.Options

  def _path(self, item: Item, suffix: str) -> epath.Path:
    """Returns the item's file."""
    try:
      status = os.stat(item.path)
      version = status.st_size, status.st_mtime_ns
    except OSError:  # as good a version as any; transcoding will say why
      version = None
    piece = dataclasses.asdict(item)
    if item.fps is None:  # as files were named before folders had a rate
      del piece['fps']
    parts = [piece, dataclasses.asdict(self.options)]
    text = json.dumps([*parts, version], sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()[:32]
    return epath.Path(self.folder) / name[:2] / f'{name}{suffix}'

  def done(self, item: Item) -> bool:
    """Returns whether the item was dealt with, successfully or not."""
    return any(self._path(item, end).exists() for end in ('.mp4', '.json'))

  def make(self, item: Item) -> None:
    """Transcodes an item and files the result, or why there is none."""
    try:
      self._write(
        item,
        '.mp4',
        transcode.transcode(
          item.path, self.options, item.start, item.end, item.fps
        ),
      )
    except decode.DecodeError as error:
      self.fail(item, error.reason)

  def fail(self, item: Item, reason: str) -> None:
    """Files that there is no result."""
    self._write(item, '.json', json.dumps({'reason': reason}).encode())

  def _write(self, item, suffix, data):
    path = self._path(item, suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f'.{os.getpid()}.unfinished')
    unfinished.write_bytes(data)
    unfinished.replace(path)

  def read(self, item: Item) -> bytes:
    """Returns the encoded item.

    Raises:
      decode.DecodeError: if there is none.
      FileNotFoundError: if it was not dealt with.
    """
    with contextlib.suppress(FileNotFoundError):
      return self._path(item, '.mp4').read_bytes()
    reason = self._path(item, '.json')
    if not reason.exists():
      raise FileNotFoundError(
        f'{item.path} was not transcoded, or changed since; prepare it again'
      )
    raise decode.DecodeError(
      item.path, json.loads(reason.read_text())['reason']
    )


def run(
  staging: Staging,
  items: Iterable[Item],
  processes: int,
  make: Callable[[Staging, Item], None] = Staging.make,
) -> Iterator[Item]:
  """Deals with all items in parallel, whatever happens to a process.

  A decoder that crashes on a damaged file takes its process along, and the
  pool with it. The items that were under way are then repeated one at a time,
  and the one that does it again is filed as failed.

  Args:
    staging: where results go.
    items: what to do.
    processes: how many.
    make: what to do with an item; a function of a module, as processes are
      spawned.

  Yields:
    Items in the order in which they are done.
  """
  waiting = iter(items)
  while True:
    under_way: dict[futures.Future, Item] = {}
    try:
      with _pool(processes) as pool:
        for item in _first(waiting, processes * _AHEAD):
          under_way[pool.submit(make, staging, item)] = item
        while under_way:
          done, _ = futures.wait(under_way, return_when=futures.FIRST_COMPLETED)
          for future in done:
            future.result()
            yield under_way.pop(future)
          for item in _first(waiting, len(done)):
            under_way[pool.submit(make, staging, item)] = item
      return
    except BrokenProcessPool:
      for item in under_way.values():
        if not staging.done(item):
          _alone(staging, item, make)
        yield item


def _alone(staging, item, make):
  try:
    with _pool(1) as pool:
      pool.submit(make, staging, item).result()
  except BrokenProcessPool:
    staging.fail(item, 'crashed the decoder')


def _first(iterator, n):
  return [item for _, item in zip(range(n), iterator)]


def _pool(processes):
  return futures.ProcessPoolExecutor(
    processes,
    mp_context=multiprocessing.get_context('spawn'),
    initializer=_follow_parent,
  )


def _follow_parent() -> None:
  """Ends this process when its parent has, even if that was killed."""
  parent = multiprocessing.parent_process()

  def watch():
    parent.join()
    os._exit(1)

  threading.Thread(target=watch, daemon=True).start()
