"""What an mp4 or mov claims of its samples, before FFmpeg makes room for them.

Tables of a few bytes may claim thousands of millions of samples, all of one
size. FFmpeg lists each of them when it opens the file, in 24 bytes and more.
But no file has more samples than bytes. The boxes are those of ISO/IEC
14496-12: 'stsz' (8.7.3) says it of a track, 'trun' (8.8.8) of a fragment.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from typing import BinaryIO

from vidpetl.data import faults

# Boxes that have others inside.
_FOLDERS = (b'moov', b'trak', b'mdia', b'minf', b'stbl', b'moof', b'traf')
_FIRST = (b'ftyp', b'moov', b'mdat', b'wide', b'free', b'skip', b'styp')


def check(path: str) -> None:
  """Refuses a file that claims more samples than it has bytes.

  Args:
    path: of any file; those of other containers are not looked at.

  Raises:
    faults.Refused: if it does.
  """
  status = os.stat(path)
  if claimed := _beyond(path, status.st_size, status.st_mtime_ns):
    raise faults.Refused(
      f'claims {claimed:,} samples, and has {status.st_size:,} bytes: damaged'
    )


@functools.lru_cache(maxsize=4096)
def _beyond(path: str, size: int, changed: int) -> int:
  """Returns how many samples are claimed, 0 if there can be so many."""
  del changed
  with open(path, 'rb') as file:
    if file.read(8)[4:] not in _FIRST:
      return 0
    for kind, begin in _tables(file, 0, size):
      file.seek(begin + 4)
      first, second = _number(file), _number(file)
      # A fragment says how many; a track how large each is, and how many.
      each, count = (1, first) if kind == b'trun' else (first or 4, second)
      if each * count > size:
        return count
  return 0


def _tables(
  file: BinaryIO, begin: int, end: int
) -> Iterator[tuple[bytes, int]]:
  """Yields kind and content's place of the tables between two places."""
  while begin + 8 <= end:
    file.seek(begin)
    length, kind, head = _number(file), file.read(4), 8
    if length == 1:
      length, head = int.from_bytes(file.read(8), 'big'), 16
    length = length or end - begin
    if length < head:
      return
    if kind in _FOLDERS:
      yield from _tables(file, begin + head, min(begin + length, end))
    elif kind in (b'stsz', b'trun'):
      yield kind, begin + head
    begin += length


def _number(file: BinaryIO) -> int:
  return int.from_bytes(file.read(4), 'big')
