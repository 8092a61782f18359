"""The bytes of a source's videos, told apart in seconds.

Annotations say what is shown; the same annotations on videos that were encoded
otherwise train another model. To read 0.15 TB at each start would take an hour,
so what is compared is

  - the number and the order of the files, and the size of each;
  - of up to `MANY` of them, evenly chosen, some blocks of their bytes: of a
    video its beginning, middle and end, of the shards of records 64;
  - of the shards of records their SHA-256, where those lie beside them.

Names, places and times of change play no part, so that copies are alike. A
change that keeps a file's size and lies between the blocks is not seen; what
writes checksums checks those. Of a folder of frames the number of its frames
counts, and three of them.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
import stat
from collections.abc import Sequence

import numpy as np
from etils import epath

from vidpetl import sha256sums
from vidpetl.data import examples, frames

BLOCK = 4096  # bytes
MANY = 10_000  # files of which bytes are read
_OF_VIDEO, _OF_SHARD = 3, 64  # blocks
_THREADS = 16
_AT_ONCE = 500


def fingerprint(source: examples.Source) -> str:
  """Returns a hash of the videos of a source; '' if it has none in files."""
  files, blocks = list(source.info.files), _OF_SHARD
  if not files:
    videos = (source.video(i) for i in range(len(source)))
    files = list(dict.fromkeys(v for v in videos if isinstance(v, str)))
    blocks = _OF_VIDEO
  if not files:
    return ''
  chosen = np.linspace(0, len(files) - 1, min(len(files), MANY)).astype(int)
  counts = np.zeros(len(files), int)
  counts[chosen] = blocks
  sums = _sums(source.info.files).encode()
  parts = [slice(i, i + _AT_ONCE) for i in range(0, len(files), _AT_ONCE)]
  with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
    found = pool.map(lambda part: _facts(files[part], counts[part]), parts)
    digest = hashlib.sha256(b''.join([sums, *found]))
  return digest.hexdigest()[:16]


def _sums(files: Sequence[str]) -> str:
  """Returns the sums that lie beside files of a folder, '' if some lack one."""
  if not files:
    return ''
  known = sha256sums.read(epath.Path(files[0]).parent)
  names = [epath.Path(file).name for file in files]
  return ''.join(known[n] for n in names) if {*names} <= known.keys() else ''


def _facts(files: Sequence[str], blocks: Sequence[int]) -> bytes:
  """Returns what is known of some files, of so many blocks of each."""
  return b''.join(map(_of_file, files, map(int, blocks)))


def of_file(path: str) -> bytes:
  """Returns what tells one video from others: its size, and some bytes."""
  return _of_file(path, _OF_VIDEO)


def _of_file(path: str, blocks: int) -> bytes:
  try:
    if '://' in path:
      return _of_remote(epath.Path(path), blocks)
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
      return _of_folder(path, blocks)
    if not stat.S_ISREG(status.st_mode):
      return b'no file'  # to open a pipe would wait for ever
    return _told(status.st_size, _read(path, status.st_size, blocks))
  except OSError:
    return b'unreadable'  # as good a fact as any; decoding will say why


def _read(path: str, size: int, blocks: int) -> bytes:
  if not blocks:
    return b''
  file = os.open(path, os.O_RDONLY)
  try:
    read = [os.pread(file, BLOCK, at) for at in _places(size, blocks)]
  finally:
    os.close(file)
  return b''.join(read)


def _of_remote(path: epath.Path, blocks: int) -> bytes:
  size, read = path.stat().length, []
  if blocks:
    with path.open('rb') as file:
      for at in _places(size, blocks):
        file.seek(at)
        read.append(file.read(BLOCK))
  return _told(size, b''.join(read))


def _of_folder(path: str, blocks: int) -> bytes:
  """Returns what is known of a clip that is a folder of its frames."""
  if not blocks:
    return b'folder'
  names = sorted(filter(frames.is_frame, os.listdir(path)))
  shown = [names[i] for i in _evenly(len(names) - 1, blocks)] if names else []
  inside = [_of_file(f'{path}/{name}', 1) for name in shown]
  return _told(len(names), b''.join(inside))


def _told(size: int, data: bytes) -> bytes:
  return size.to_bytes(8, 'little') + hashlib.sha256(data).digest()


def _places(size: int, blocks: int) -> list[int]:
  """Returns where blocks begin; a small file is one."""
  if size <= blocks * BLOCK:
    return list(range(0, size, BLOCK))
  return _evenly(size - BLOCK, blocks)


def _evenly(last: int, count: int) -> list[int]:
  """Returns up to `count` numbers from 0 to `last`."""
  return sorted({last * i // max(count - 1, 1) for i in range(count)})
