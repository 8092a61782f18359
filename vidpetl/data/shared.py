"""Memory that processes share: what one writes, another has, without a copy.

It is a file without a name, so that nothing is left behind however a process
ends. On Linux it lies in memory, whatever the size of /dev/shm.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
import weakref

import numpy as np


class Memory:
  """Pieces of a shared file.

  A piece is taken again once no array shows it any more: the file is as large
  as the most that was in use of each size.

  Attributes:
    file: its descriptor, to be inherited.
  """

  def __init__(self):
    self.file = _file()
    self._lock = threading.Lock()
    self._end = 0
    self._free: dict[int, list[tuple[int, mmap.mmap]]] = {}

  def take(self, size: int) -> tuple[int, np.ndarray]:
    """Returns a piece that nobody uses, and where it begins in the file.

    Args:
      size: bytes.

    Returns:
      Byte of the file; uint8 [size], with what was left there.
    """
    size = -(-size // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
    with self._lock:
      free = self._free.setdefault(size, [])
      begin, mapped = free.pop() if free else self._more(size)
    piece = np.frombuffer(mapped, np.uint8)
    # Every view of an array, a tensor's too, keeps it.
    weakref.finalize(piece, free.append, (begin, mapped)).atexit = False
    return begin, piece

  def _more(self, size: int) -> tuple[int, mmap.mmap]:
    begin = self._end
    os.ftruncate(self.file, begin + size)
    self._end += size
    return begin, mmap.mmap(self.file, size, offset=begin)


class View:
  """The same memory, in a process that inherited the file."""

  def __init__(self, file: int):
    self._file = file
    self._bytes = np.zeros(0, np.uint8)

  def at(self, begin: int, size: int) -> np.ndarray:
    """Returns a piece, uint8 [size]."""
    if begin + size > len(self._bytes):
      self._bytes = np.frombuffer(mmap.mmap(self._file, 0), np.uint8)
    return self._bytes[begin : begin + size]


def _file() -> int:
  if hasattr(os, 'memfd_create'):
    return os.memfd_create('vidpetl')
  with tempfile.TemporaryFile() as file:
    return os.dup(file.fileno())
