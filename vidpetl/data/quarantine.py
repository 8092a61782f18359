"""The list of clips that could not be decoded."""

from __future__ import annotations

import csv
import io
import os
import threading

from etils import epath


class TooManyUndecodableError(Exception):
  """So many videos cannot be read that something else must be wrong."""


class Quarantine:
  """Collects undecodable examples from many threads.

  An example is listed once, however often it was tried.
  """

  # Below so many failures a share says nothing yet.
  FEW = 32

  def __init__(self, limit: float = 1.0):
    """Opens an empty list.

    Args:
      limit: the largest share of all tries that may fail.
    """
    self._limit = limit
    self._lock = threading.Lock()
    self._rows: dict[str, tuple[str, str]] = {}
    self._tries = self._failures = 0

  def succeed(self) -> None:
    """Counts a try."""
    with self._lock:
      self._tries += 1

  def add(self, example: str, path: str, reason: str) -> None:
    """Counts a failed try, and lists the example.

    Args:
      example: its id.
      path: of its video, or what stands for it.
      reason: why it cannot be read.

    Raises:
      TooManyUndecodableError: if more than the limit failed.
    """
    with self._lock:
      self._rows.setdefault(example, (path, reason))
      self._tries += 1
      self._failures += 1
      few = self._failures < self.FEW
      if few or self._failures <= self._limit * self._tries:
        return
      raise TooManyUndecodableError(
        f'{self._failures} of {self._tries} clips could not be decoded, more '
        f'than config.input.max_undecodable={self._limit:g}. The last one: '
        f'{example} ({path}): {reason}. If the storage is all right, remove '
        'these examples or raise the limit; the same command goes on from the '
        'last checkpoint.'
      )

  def __len__(self) -> int:
    with self._lock:
      return len(self._rows)

  def rows(self) -> list[tuple[str, str, str]]:
    """Returns (id, path, reason) of what is listed, sorted by id."""
    with self._lock:
      return sorted((key, *row) for key, row in self._rows.items())

  def write(self, path: str | os.PathLike) -> None:
    """Writes a csv with header id,path,reason."""
    text = io.StringIO(newline='')
    writer = csv.writer(text)
    writer.writerow(('id', 'path', 'reason'))
    writer.writerows(self.rows())
    epath.Path(path).write_bytes(text.getvalue().encode())
