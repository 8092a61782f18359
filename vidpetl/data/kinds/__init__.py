"""Kinds of annotation: what there is to know of a video; one module each.

A module holds all that the rest of the code needs to know of a kind: its
example, its source, what a clip shows of it, and how records keep it. It ends
in `KIND`, an object of a subclass of `Kind`. The folder is the list.
"""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from vidpetl import parts
from vidpetl.data import examples, samplers
from vidpetl.data.annotations.strings import Strings

Shapes = dict[str, tuple[tuple[int, ...], type]]
Clip = Mapping[str, np.ndarray]
Video = Callable[[int], str | bytes]
Record = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Field:
  """A field of a record.

  Attributes:
    dtype: of numpy, or str.
    shape: None is any length.
    is_class: whether it is the index of one of the source's classes.
    doc: what it is, where its name does not say so.
  """

  dtype: Any
  shape: tuple[int | None, ...] = ()
  is_class: bool = False
  doc: str = ''


@dataclasses.dataclass(frozen=True)
class Kind:
  """A kind of annotation, and how clips show it.

  Fields of a subclass are options of a config's `clip`, with their defaults.
  Its `__post_init__` checks them.

  Attributes:
    has_classes: whether a source has named classes, which a head counts.
    several: whether a clip may have several of them.
    window: seconds that records keep before and after a moment; None where
      they keep all that is annotated.
  """

  has_classes: ClassVar[bool] = True
  several: ClassVar[bool] = False
  window: ClassVar[float | None] = None

  @property
  def name(self) -> str:
    """What `Info.kind` and tasks call it: its module."""
    return type(self).__module__.rpartition('.')[2]

  def lacking(self, source: examples.Source) -> str:
    """Returns why nothing can be learned of a source, nor measured on it.

    Args:
      source: as clips of this kind show it.

    Returns:
      What it lacks, and '' where it lacks nothing.
    """
    if not len(source):
      return 'it has no examples'
    if self.has_classes and not len(source.shown()[0]):
      return f'none of its {len(source):,} examples shows a class'
    return ''

  # Where clips are.

  def sampling(self, name: str | None) -> str:
    """Returns the module of `samplers` that a config's `sampling` means."""
    return name or 'stride'

  def extent(self, annotation: Any, duration: float) -> samplers.Extent:
    """Returns what clips may show of a file.

    Args:
      annotation: an example.
      duration: of the file, in seconds.
    """
    end = duration
    if annotation.end is not None:
      end = min(annotation.end, end)
    return samplers.Extent(annotation.start, end, duration)

  def extents(self, source: examples.Source) -> np.ndarray:
    """Returns `extent` of all examples, in files of any duration.

    Returns:
      float64 [3, n]: begin, end (inf for that of the file) and moment (nan
      where there is none).
    """
    if isinstance(source, Spans):  # One by one, a million take a while.
      ends = np.where(np.isnan(source.ends), np.inf, source.ends)
      return np.stack([source.starts, ends, np.full(len(source), np.nan)])
    found = [self.extent(source[i], np.inf) for i in range(len(source))]
    rows = [(each.begin, each.end, each.moment) for each in found]
    return np.array(rows, np.float64).reshape(-1, 3).T

  def outside(self, annotation: Any, duration: float) -> str:
    """Returns the reason why nothing of a file can be shown."""
    return (
      f'the clip from {annotation.start:.2f} s to {annotation.end} is outside '
      f'of its {duration:.2f} s'
    )

  # What clips hold.

  def accepts(self, kind: str) -> bool:
    """Returns whether clips may be cut from sources of a kind."""
    return kind == self.name

  def check(self, cut: samplers.Cut) -> None:
    """Raises ValueError if clips that are cut so cannot show it."""
    if cut.sampler.pretext:
      raise ValueError(
        f'sampling={cut.sampler.name!r} is for pretext tasks, not for '
        f'{self.name}'
      )

  def paired(self, train: bool) -> bool:
    """Returns whether a clip shows a second example, its partner."""
    del train
    return False

  def partner(
    self, source: examples.Source, i: int, draws: samplers.Draws
  ) -> int:
    """Draws the partner of example `i`."""
    raise NotImplementedError

  def signature(self, info: examples.Info, lead: tuple[int, ...]) -> Shapes:
    """Returns shape and type of each array that a clip has for it.

    Args:
      info: of the source.
      lead: axes in front of an example's: (2,) where there is a partner.
    """
    raise NotImplementedError

  def fill(self, clip: Clip, annotation: Any) -> None:
    """Writes an example's arrays into zeros."""
    raise NotImplementedError

  def place(self, clip: Clip, times: np.ndarray) -> None:
    """Writes what depends on when the clip's frames are, [t] seconds."""
    del clip, times

  def noise(self, inputs: dict[str, np.ndarray]) -> None:
    """Makes sense of ones [b, ...] that stand for what a head is given."""
    del inputs

  # Sources.

  def no_rows(self, options: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Returns `Info.table` of a source without a row, for a task's options."""
    del options
    return {}

  def names(self, text: str) -> list[str]:
    """Returns the classes that a cell of a csv names.

    Raises:
      ValueError: if it is not for a cell.
    """
    raise ValueError(f'kind={self.name!r} is not for a csv of labels')

  def labelled(
    self,
    info: examples.Info,
    ids: Strings,
    labels: Sequence[Sequence[int]],
    video: Video,
    starts: np.ndarray | None = None,
    ends: np.ndarray | None = None,
  ) -> examples.Source:
    """Returns a source of clips with classes.

    Args:
      info: without a fingerprint.
      ids: [n].
      labels: indices of the classes that `names` returned, of each clip.
      video: index -> path or bytes.
      starts: float [n] in seconds; None is the beginning of each file.
      ends: float [n] in seconds, nan for the end of the file; None is that of
        each file.
    """
    raise ValueError(f'kind={self.name!r} is not for clips with classes')

  # Records.

  def cut(self, annotation: Any, window: float | None) -> tuple[float, Any]:
    """Returns from when to when a record keeps the file.

    Args:
      annotation: an example.
      window: seconds kept before and after a moment.

    Returns:
      Seconds on the file's clock; an end of None is that of the file.
    """
    del window
    return annotation.start, annotation.end

  def fields(self, num_classes: int) -> dict[str, Field]:
    """Returns the fields of a record, but for 'id' and 'video'."""
    raise NotImplementedError

  def row(self, annotation: Any, begin: float) -> Record:
    """Returns an example as a record.

    Args:
      annotation: the example.
      begin: second of its file at which the record's video begins.
    """
    raise NotImplementedError

  def columns(self, records: Sequence[Record]) -> dict[str, np.ndarray]:
    """Returns records as the arrays of an index."""
    raise NotImplementedError

  def ids(self, flat: Mapping[str, np.ndarray]) -> set[str]:
    """Returns the ids in an index."""
    return set(Strings.of_arrays(flat, 'ids'))

  def source(
    self, info: examples.Info, flat: Mapping[str, np.ndarray], video: Video
  ) -> examples.Source:
    """Returns the source of an index."""
    raise NotImplementedError


def load(name: str, what: str = 'kind') -> Kind:
  """Returns a kind by its name, with the default options.

  Args:
    name: of its module.
    what: who asks, in the error.

  Raises:
    ValueError: if there is none, with those there are.
  """
  return parts.load(sys.modules[__name__], name, 'KIND', what).KIND


class Picked:
  """Videos of some of a source's examples."""

  def __init__(self, video: Video, rows: np.ndarray):
    self._video, self._rows = video, np.asarray(rows, np.int64)

  def __call__(self, i: int) -> str | bytes:
    return self._video(int(self._rows[i]))


class Spans:
  """Pieces of videos: what most sources have in common."""

  def __init__(
    self,
    ids: Strings,
    video: Video,
    starts: np.ndarray | None = None,
    ends: np.ndarray | None = None,
  ):
    """Takes the columns; see `Kind.labelled`."""
    n = len(ids)
    self.ids = ids
    self.video = video
    starts = np.zeros(n) if starts is None else starts
    ends = np.full(n, np.nan) if ends is None else ends
    self.starts = np.asarray(starts, np.float64)
    self.ends = np.asarray(ends, np.float64)

  def __len__(self) -> int:
    return len(self.ids)

  def spans(self, rows: np.ndarray) -> dict[str, Any]:
    """Returns the columns of some examples, int [m], by their names."""
    return {
      'ids': self.ids.take(rows),
      'video': Picked(self.video, rows),
      'starts': self.starts[rows],
      'ends': self.ends[rows],
    }

  def span(self, i: int) -> dict[str, Any]:
    """Returns id, start and end of example `i`."""
    end = float(self.ends[i])
    return {
      'id': self.ids[i],
      'start': float(self.starts[i]),
      'end': None if np.isnan(end) else end,
    }


def with_fingerprint(info: examples.Info, columns: Iterable) -> examples.Info:
  """Returns what is known of a source, with the hash of its columns."""
  digest = hashlib.sha256()
  for column in columns:
    digest.update(column.tobytes())
  return dataclasses.replace(info, fingerprint=digest.hexdigest()[:16])


def ids_of(records: Sequence[Record]) -> dict[str, np.ndarray]:
  """Returns the ids of records as the arrays of an index."""
  return Strings(record['id'].decode() for record in records).arrays('ids')
