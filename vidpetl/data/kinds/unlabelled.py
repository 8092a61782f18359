"""Videos, whatever they are annotated with: clips show nothing of it.

Pretext tasks are of this kind: the sampler has the answers to their questions.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from vidpetl.data import examples, kinds
from vidpetl.data.annotations.strings import Strings


@dataclasses.dataclass(frozen=True)
class Piece:
  """A clip of which nothing is known.

  Attributes:
    id: unique within its split.
    start: where the clip begins on its file's own clock, in seconds.
    end: where it ends; None is the end of the file.
  """

  id: str
  start: float = 0.0
  end: float | None = None


class Pieces(kinds.Spans):
  """Clips without labels; an `examples.Source`."""

  def __init__(self, info: examples.Info, **spans):
    """Builds the source; see `kinds.Spans`."""
    super().__init__(**spans)
    columns = [self.ids, self.starts, self.ends]
    self.info = kinds.with_fingerprint(info, columns)

  def __getitem__(self, i: int) -> Piece:
    return Piece(**self.span(i))

  def shown(self):
    return np.zeros((2, 0), np.int64)

  def take(self, rows):
    return Pieces(self.info, **self.spans(rows))


@dataclasses.dataclass(frozen=True)
class Nothing(kinds.Kind):
  """The kind; it has no options."""

  has_classes: ClassVar[bool] = False

  def accepts(self, kind):
    return True

  def check(self, cut):
    del cut  # Any clip will do.

  def signature(self, info, lead):
    return {}

  def fill(self, clip, annotation):
    del clip, annotation

  def names(self, text):
    return []

  def labelled(self, info, ids, labels, video, starts=None, ends=None):
    return Pieces(info, ids=ids, video=video, starts=starts, ends=ends)

  def fields(self, num_classes):
    return {}

  def row(self, annotation, begin):
    return {'id': annotation.id}

  def columns(self, records):
    return kinds.ids_of(records)

  def source(self, info, flat, video):
    return Pieces(info, ids=Strings.of_arrays(flat, 'ids'), video=video)


KIND = Nothing()
