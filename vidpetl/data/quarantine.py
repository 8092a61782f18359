"""The list of videos that could not be decoded, and when they are too many."""

from __future__ import annotations

import csv
import dataclasses
import io
import threading

from etils import epath

from vidpetl import durable
from vidpetl.data import examples, names

HEADER = ('path', 'split', 'id', 'reason')


class TooManyUndecodableError(Exception):
  """So many videos cannot be read that the results would be of other data."""


@dataclasses.dataclass
class _Split:
  """What became of the examples of a split.

  Attributes:
    name: 'dataset/split'.
    size: number of its examples.
    tries: how many clips were to be cut of it, and
    failures: how many of them could not.
    failed: the examples of which a clip could not be cut.
  """

  name: str
  size: int
  tries: int = 0
  failures: int = 0
  failed: set[int] = dataclasses.field(default_factory=set)


class Quarantine:
  """Collects undecodable videos from many threads.

  A video is listed once, however often it was tried.
  """

  # Below so many failures, a share of the tries says nothing yet.
  FEW = 32

  def __init__(self, limit: float = 1.0):
    """Opens an empty list.

    Args:
      limit: the largest share of a split's examples that may fail, and of the
        tries: a storage that has gone away shows long before every example of
        a large split was tried.
    """
    self._limit = limit
    self._lock = threading.Lock()
    self._rows: dict[str, tuple[str, ...]] = {}
    self._splits: dict[tuple[str, str], _Split] = {}

  def succeed(self, source: examples.Source) -> None:
    """Counts a try."""
    with self._lock:
      self._split(source).tries += 1

  def add(
    self, source: examples.Source, i: int, path: str, reason: str
  ) -> None:
    """Counts a failed try, and lists the video.

    Args:
      source: of the clip.
      i: the example of it.
      path: of the video, or what stands for it.
      reason: why it cannot be read.

    Raises:
      TooManyUndecodableError: if more than the limit of the split failed, or
        all of it did.
    """
    example = source[i].id
    with self._lock:
      split = self._split(source)
      self._rows.setdefault(path, (path, split.name, example, reason))
      split.tries += 1
      split.failures += 1
      split.failed.add(i)
      if problem := self._problem(split):
        raise TooManyUndecodableError(
          f'{split.name}: {problem}. The last one: {names.shown(example)} '
          f'({names.shown(path)}): {reason}. If the storage is all right, '
          'remove these examples or raise the limit; the same command goes on '
          'from the last checkpoint.'
        )

  def require(self, source: examples.Source, gone: int) -> None:
    """Refuses an evaluation that lacks too much, counted over all hosts.

    Args:
      source: that was evaluated.
      gone: how many of its examples could not be decoded.

    Raises:
      TooManyUndecodableError: if they are more than the limit.
    """
    with self._lock:
      split = self._split(source)
    if gone and (problem := self._gone(gone, split.size)):
      raise TooManyUndecodableError(f'{split.name}: {problem}.')

  def _split(self, source: examples.Source) -> _Split:
    info = source.info
    key = f'{info.name}/{info.split}', info.fingerprint
    if key not in self._splits:
      self._splits[key] = _Split(key[0], len(source))
    return self._splits[key]

  def _problem(self, split: _Split) -> str:
    """Returns why a run must not go on, or ''."""
    if problem := self._gone(len(split.failed), split.size):
      return problem
    if split.failures < self.FEW:
      return ''
    return self._gone(split.failures, split.tries, 'clips tried')

  def _gone(self, gone: int, of: int, what: str = 'examples') -> str:
    """Returns why so many must not be gone, or ''."""
    if gone == of:
      return f'none of {of} {what} could be decoded'
    if gone > self._limit * of:
      return (
        f'{gone} of {of} {what} could not be decoded, more than '
        f'config.input.max_undecodable={self._limit:g}'
      )
    return ''

  def __len__(self) -> int:
    with self._lock:
      return len(self._rows)

  def rows(self) -> list[tuple[str, ...]]:
    """Returns (path, split, id, reason) of each video, sorted by path."""
    with self._lock:
      return sorted(self._rows.values())

  def shares(self) -> list[str]:
    """Returns a sentence for each split that lacks examples."""
    with self._lock:
      return [
        f'{split.name}: {len(split.failed)} of {split.size} examples '
        f'({len(split.failed) / split.size:.1%}) could not be decoded'
        for split in self._splits.values()
        if split.failed
      ]

  def write(self, path: epath.PathLike) -> None:
    """Writes a csv with the header path,split,id,reason."""
    text = io.StringIO(newline='')
    writer = csv.writer(text)
    writer.writerow(HEADER)
    for row in self.rows():
      writer.writerow([names.shown(cell) for cell in row])
    durable.write(path, text.getvalue())
