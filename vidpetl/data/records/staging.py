"""Transcoding in parallel into a folder from which an interrupted run goes on.

Each result is a file of its own, named by all that it depends on, and appears
under that name only when it is complete. A video comes behind its sum.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator

import xxhash
from etils import epath

from vidpetl import durable, sealed
from vidpetl.data import decode, parallel, transcode
from vidpetl.data.records.recipe import Item

_VIDEO, _REASON = '.video', '.json'
_SUM = 8  # Bytes.


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
    return any(self._path(item, end).exists() for end in (_VIDEO, _REASON))

  def make(self, item: Item) -> None:
    """Transcodes an item and files the result, or why there is none."""
    try:
      video = transcode.transcode(
        item.path, self.options, item.start, item.end, item.fps
      )
      self._write(item, _VIDEO, xxhash.xxh3_64_digest(video) + video)
    except decode.DecodeError as error:
      self.fail(item, error.reason)

  def fail(self, item: Item, reason: str) -> None:
    """Files that there is no result."""
    self._write(item, _REASON, json.dumps({'reason': reason}).encode())

  def _write(self, item, suffix, data):
    path = self._path(item, suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    durable.write(path, data)

  def read(self, item: Item) -> bytes:
    """Returns the encoded item.

    Raises:
      decode.DecodeError: if there is none.
      FileNotFoundError: if it was not dealt with.
      ValueError: if the file is damaged, which is then removed.
    """
    path = self._path(item, _VIDEO)
    if path.exists():
      data = path.read_bytes()
      if data[:_SUM] != xxhash.xxh3_64_digest(data[_SUM:]):
        path.unlink()
        raise ValueError(
          f'{path} was damaged since {item.path} was transcoded to it, and is '
          'removed; the same command makes it again'
        )
      return data[_SUM:]
    reason = self._path(item, _REASON)
    if not reason.exists():
      raise FileNotFoundError(
        f'{item.path} was not transcoded, or changed since; prepare it again'
      )
    raise decode.DecodeError(item.path, sealed.read_json(reason)['reason'])


def run(
  staging: Staging,
  items: Iterable[Item],
  processes: int,
  make: Callable[[Staging, Item], None] = Staging.make,
) -> Iterator[Item]:
  """Deals with all items in parallel; those that crash a process are failed.

  Args:
    staging: where results go.
    items: what to do.
    processes: how many.
    make: what to do with an item; a function of a module, as processes are
      spawned.

  Yields:
    Items in the order in which they are done.
  """
  work = functools.partial(_unless_done, staging, make)
  for item, result in parallel.run(work, items, processes):
    if result is parallel.CRASHED:
      staging.fail(item, 'crashed the decoder')
    yield item


def _unless_done(staging, make, item):
  if not staging.done(item):  # It may be repeated for another one's crash.
    make(staging, item)
