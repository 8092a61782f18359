"""One label per clip.

A clip has

  label: int32 [].
"""

from __future__ import annotations

import dataclasses

import numpy as np

from vidpetl.data import examples, kinds
from vidpetl.data.annotations.strings import Strings


@dataclasses.dataclass(frozen=True)
class Classified:
  """A clip with one label.

  Attributes:
    id: unique within its split; what reports and errors call the clip.
    label: index into `Info.classes`.
    start: where the clip begins on its file's own clock, in seconds.
    end: where it ends; None is the end of the file.
  """

  id: str
  label: int
  start: float = 0.0
  end: float | None = None


class Classification(kinds.Spans):
  """Clips with one label each; an `examples.Source`."""

  def __init__(
    self,
    info: examples.Info,
    ids: Strings,
    labels: np.ndarray,
    video: kinds.Video,
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
    super().__init__(ids, video, starts, ends)
    self.labels = np.asarray(labels, np.int32)
    self.info = kinds.with_fingerprint(
      info, [ids, self.labels, self.starts, self.ends]
    )

  def __getitem__(self, i: int) -> Classified:
    return Classified(label=int(self.labels[i]), **self.span(i))

  def shown(self):
    return np.arange(len(self)), self.labels

  def take(self, rows):
    return Classification(
      self.info, labels=self.labels[rows], **self.spans(rows)
    )


@dataclasses.dataclass(frozen=True)
class Labels(kinds.Kind):
  """The kind; it has no options."""

  def classes(self, annotation):
    return (annotation.label,)

  def signature(self, info, lead):
    return {'label': (lead, np.int32)}

  def fill(self, clip, annotation):
    clip['label'][...] = annotation.label

  def names(self, text):
    if not text:
      raise ValueError('no label')
    return [text]

  def labelled(self, info, ids, labels, video, starts=None, ends=None):
    only = np.array([label for (label,) in labels], np.int32)
    return Classification(info, ids, only, video, starts, ends)

  def fields(self, num_classes):
    return {'label': kinds.Field(np.int64, is_class=True)}

  def row(self, annotation, begin):
    return {'id': annotation.id, 'label': annotation.label}

  def columns(self, records):
    labels = np.array([record['label'] for record in records], np.int32)
    return {'labels': labels, **kinds.ids_of(records)}

  def source(self, info, flat, video):
    ids = Strings.of_arrays(flat, 'ids')
    return Classification(info, ids, flat['labels'], video)


KIND = Labels()
