"""A column of strings in two arrays."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import numpy as np

# Bytes of file names that are no UTF-8 become what `os.fsdecode` makes of them.
CODEC = ('utf-8', 'surrogateescape')


class Strings:
  """An immutable list of strings that is small in memory and in a file.

  A million Python strings are a million objects (and as many page copies in
  forked workers); here they are one buffer of UTF-8 and one of offsets. File
  names that are no UTF-8 keep their bytes, as Python's own functions have them.
  """

  def __init__(self, values: Iterable[str]):
    encoded = [value.encode(*CODEC) for value in values]
    lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
    self._offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    self._bytes = np.frombuffer(b''.join(encoded), np.uint8)

  def __len__(self) -> int:
    return len(self._offsets) - 1

  def __getitem__(self, i: int) -> str:
    count = len(self._offsets) - 1
    if not -count <= i < count:
      raise IndexError(f'{i} of {count} strings')
    begin, end = self._offsets[i % count : i % count + 2].tolist()
    return self._bytes[begin:end].tobytes().decode(*CODEC)

  def __iter__(self) -> Iterator[str]:
    data, offsets = self._bytes.tobytes(), self._offsets.tolist()
    return (data[a:b].decode(*CODEC) for a, b in itertools.pairwise(offsets))

  def take(self, rows: np.ndarray) -> Strings:
    """Returns these rows, in their order."""
    rows = np.asarray(rows, np.int64)
    lengths = np.diff(self._offsets)[rows]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    source = np.repeat(self._offsets[rows] - offsets[:-1], lengths)
    taken = Strings([])
    taken._offsets = offsets
    taken._bytes = self._bytes[source + np.arange(offsets[-1])]
    return taken

  def arrays(self, name: str) -> dict[str, np.ndarray]:
    """Returns the two arrays under `name/...`, for an npz file."""
    return {f'{name}/bytes': self._bytes, f'{name}/offsets': self._offsets}

  @classmethod
  def of_arrays(cls, flat: dict[str, np.ndarray], name: str) -> Strings:
    """Inverts `arrays`."""
    strings = cls([])
    strings._bytes = flat[f'{name}/bytes']
    strings._offsets = flat[f'{name}/offsets']
    return strings

  def tobytes(self) -> bytes:
    """Returns what a fingerprint hashes."""
    return self._offsets.tobytes() + self._bytes.tobytes()
