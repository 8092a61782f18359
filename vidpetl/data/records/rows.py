"""How records keep the annotations of each kind; needs no TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from vidpetl import options
from vidpetl.data import examples


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


class Rows:
  """What all kinds have in common.

  Attributes:
    window: seconds that records keep before and after a moment; None where
      they keep all that is annotated.
  """

  window: ClassVar[float | None] = None

  def cut(
    self, annotation: Any, window: float | None
  ) -> tuple[float, float | None]:
    """Returns from when to when a record keeps the file, in seconds.

    Args:
      annotation: an example.
      window: seconds kept before and after a moment.

    Returns:
      Begin and end on the file's clock; an end of None is that of the file.
    """
    del window
    return annotation.start, annotation.end

  def fields(self, num_classes: int) -> dict[str, Field]:
    """Returns the fields of a record, but for 'id' and 'video'."""
    raise NotImplementedError

  def row(self, annotation: Any, begin: float) -> Mapping[str, Any]:
    """Returns an example as a record, without its video.

    Args:
      annotation: the example.
      begin: second of its file at which the record's video begins.
    """
    raise NotImplementedError


class _Labels(Rows):
  def fields(self, num_classes):
    return {'label': Field(np.int64, is_class=True)}

  def row(self, annotation: examples.Classified, begin):
    return {'id': annotation.id, 'label': annotation.label}


class _Keyframes(Rows):
  # 32 frames of stride 2 at 30 fps take 1.07 s on each side, and this holds
  # twice that span.
  window: ClassVar[float | None] = 2.4

  def cut(self, annotation, window):
    return max(0.0, annotation.time - window), annotation.time + window

  def fields(self, num_classes):
    boxes = Field(np.float32, (None, 4))
    actions = Field(np.bool_, (None, num_classes))
    return {
      'video_id': Field(str),
      'timestamp': Field(str, doc='as annotated, of the whole film'),
      'time': Field(np.float32, doc='of the keyframe in `video`'),
      'boxes': boxes,
      'actions': actions,
      'detections': boxes,
      'scores': Field(np.float32, (None,)),
      'detected_actions': actions,
      'excluded': Field(np.bool_),
      'annotated': Field(np.bool_),
    }

  def row(self, annotation: examples.Keyframe, begin):
    return vars(annotation) | {'time': annotation.time - begin}


class _Performances(Rows):
  def fields(self, num_classes):
    number, several = Field(np.float64), Field(np.float64, (None,))
    return {
      'score': number,
      'judge_scores': several,
      'difficulty': number,
      'action': Field(str),
      'steps': dataclasses.replace(several, doc='seconds of `video`'),
    }

  def row(self, annotation: examples.Performance, begin):
    return {
      'id': annotation.id,
      'score': annotation.score,
      'judge_scores': np.array(annotation.judge_scores, np.float64),
      'difficulty': annotation.difficulty,
      'action': annotation.action,
      'steps': np.array(annotation.steps, np.float64) - begin,
    }


_KINDS: Mapping[str, Rows] = {
  'classification': _Labels(),
  'localisation': _Keyframes(),
  'quality': _Performances(),
}


def load(kind: str) -> Rows:
  """Returns how records keep a kind.

  Raises:
    ValueError: if there is none of this name.
  """
  options.one_of('records', 'kind', kind, _KINDS)
  return _KINDS[kind]
