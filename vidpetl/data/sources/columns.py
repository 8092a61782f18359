"""Sources whose annotations lie in columns, examples made on demand."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
from collections.abc import Callable, Iterable

import numpy as np

from vidpetl.data import examples
from vidpetl.data.annotations import keyframes
from vidpetl.data.annotations.strings import Strings

Video = Callable[[int], str | bytes]


class Classification:
  """Clips with one label each; an `examples.Source`."""

  def __init__(
    self,
    info: examples.Info,
    ids: Strings,
    labels: np.ndarray,
    video: Video,
    starts: np.ndarray | None = None,
    ends: np.ndarray | None = None,
  ):
    """Builds the source.

    Args:
      info: its fingerprint is filled in here.
      ids: [n].
      labels: int [n].
      video: index -> path or bytes.
      starts: float [n] in seconds; None is the beginning of each file.
      ends: float [n] in seconds, nan for the end of the file; None is that of
        each file.
    """
    n = len(ids)
    self.ids = ids
    self.labels = np.asarray(labels, np.int32)
    self.starts = np.zeros(n) if starts is None else np.asarray(starts)
    self.ends = np.full(n, np.nan) if ends is None else np.asarray(ends)
    self.video = video
    self.info = _with_fingerprint(
      info, [ids, self.labels, self.starts, self.ends]
    )

  def __len__(self) -> int:
    return len(self.labels)

  def __getitem__(self, i: int) -> examples.Classified:
    end = float(self.ends[i])
    return examples.Classified(
      id=self.ids[i],
      label=int(self.labels[i]),
      start=float(self.starts[i]),
      end=None if np.isnan(end) else end,
    )

  def arrays(self) -> dict[str, np.ndarray]:
    """Returns the columns under flat names, for an npz file."""
    columns = {'labels': self.labels, 'starts': self.starts, 'ends': self.ends}
    return columns | self.ids.arrays('ids')


class Localisation:
  """Keyframes with people; an `examples.Source`."""

  def __init__(
    self, info: examples.Info, table: keyframes.Keyframes, video: Video
  ):
    """Builds the source; `info`'s fingerprint is filled in here."""
    self.table = table
    self.video = video
    self.info = _with_fingerprint(info, table.arrays().values())

  def __len__(self) -> int:
    return len(self.table)

  def __getitem__(self, i: int) -> examples.Keyframe:
    return self.table.keyframe(i)

  def arrays(self) -> dict[str, np.ndarray]:
    """Returns the columns under flat names, for an npz file."""
    return self.table.arrays()


def _with_fingerprint(info, columns: Iterable) -> examples.Info:
  digest = hashlib.sha256()
  for column in columns:
    digest.update(column.tobytes())
  return dataclasses.replace(info, fingerprint=digest.hexdigest()[:16])


def unique(ids: list[str]) -> list[str]:
  """Tells repeated ids apart: the second 'x' becomes 'x#2'."""
  if len(set(ids)) == len(ids):
    return ids
  count: collections.Counter[str] = collections.Counter()
  result = []
  for name in ids:
    count[name] += 1
    result.append(name if count[name] == 1 else f'{name}#{count[name]}')
  return result


def require_some(found: int, wanted: int, what: str, where: str) -> None:
  """Refuses a source without a single video.

  Raises:
    FileNotFoundError: saying what was looked for, and where.
  """
  if not found:
    raise FileNotFoundError(
      f'none of the {wanted} annotated videos was found; looked for {what} in '
      f'{where}'
    )
