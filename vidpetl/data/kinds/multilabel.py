"""Any number of labels per clip.

A clip has, with c classes,

  labels: float32 [c], multi-hot.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from vidpetl import mistakes
from vidpetl.data import examples, kinds
from vidpetl.data import names as names_lib
from vidpetl.data.annotations.strings import Strings


@dataclasses.dataclass(frozen=True)
class Labelled:
  """A clip with labels.

  Attributes:
    id: unique within its split; what reports and errors call the clip.
    labels: indices into `Info.classes`, ascending.
    start: where the clip begins on its file's own clock, in seconds.
    end: where it ends; None is the end of the file.
  """

  id: str
  labels: tuple[int, ...]
  start: float = 0.0
  end: float | None = None


class MultiLabel(kinds.Spans):
  """Clips with any number of labels each; an `examples.Source`."""

  def __init__(self, info: examples.Info, labels: np.ndarray, **spans):
    """Builds the source.

    Args:
      info: its fingerprint is filled in here.
      labels: bool [n, c], multi-hot.
      **spans: see `kinds.Spans`.
    """
    super().__init__(**spans)
    self.labels = labels
    columns = [self.ids, self.labels, self.starts, self.ends]
    self.info = kinds.with_fingerprint(info, columns)

  def __getitem__(self, i: int) -> Labelled:
    labels = tuple(np.flatnonzero(self.labels[i]).tolist())
    return Labelled(labels=labels, **self.span(i))

  def shown(self):
    return np.nonzero(self.labels)

  def take(self, rows):
    return MultiLabel(self.info, self.labels[rows], **self.spans(rows))


@dataclasses.dataclass(frozen=True)
class LabelSets(kinds.Kind):
  """The kind; it has no options."""

  several: ClassVar[bool] = True

  def signature(self, info, lead):
    return {'labels': ((*lead, info.num_classes), np.float32)}

  def fill(self, clip, annotation):
    clip['labels'][list(annotation.labels)] = 1

  def names(self, text):
    """Returns names that a bar separates: 'sit|read a book'."""
    if ';' in text and '|' not in text:
      mistakes.note(
        "A label has a ';' and is taken as one: several are separated by '|', "
        "as in 'sit|read a book'."
      )
    found = [names_lib.clean(name) for name in text.split('|')]
    return [name for name in found if name]

  def labelled(self, info, ids, labels, video, starts=None, ends=None):
    hot = np.zeros((len(ids), info.num_classes), bool)
    for row, found in zip(hot, labels):
      row[list(found)] = True
    return MultiLabel(info, hot, ids=ids, video=video, starts=starts, ends=ends)

  def fields(self, num_classes):
    return {'labels': kinds.Field(np.int64, (None,))}

  def row(self, annotation, begin):
    labels = np.array(annotation.labels, np.int64)
    return {'id': annotation.id, 'labels': labels}

  def columns(self, records):
    labels = [record['labels'] for record in records]
    return {
      'labels': np.concatenate(labels),
      'counts': np.array([len(found) for found in labels]),
      **kinds.ids_of(records),
    }

  def source(self, info, flat, video):
    ids = Strings.of_arrays(flat, 'ids')
    labels = np.split(flat['labels'], np.cumsum(flat['counts'])[:-1])
    return self.labelled(info, ids, labels, video)


KIND = LabelSets()
