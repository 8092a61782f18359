"""Who does what at a moment: people with boxes and actions.

A clip has, with n boxes and c actions,

  boxes: float32 [n, 4]: x1, y1, x2, y2 as fractions of the content; zeros where
    not valid.
  box_valid: bool [n].
  actions: float32 [n, c], multi-hot.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, ClassVar

import numpy as np

from vidpetl import options, ranges
from vidpetl.data import examples, kinds, samplers
from vidpetl.data.annotations import boxes as boxes_lib
from vidpetl.data.annotations import keyframes
from vidpetl.data.annotations.strings import Strings

BOXES = ('detected', 'ground_truth', 'both')

# Seconds before and after a keyframe that clips of other tasks are drawn from.
_AROUND = 2.0


class Localisation:
  """Keyframes with people; an `examples.Source`."""

  def __init__(
    self, info: examples.Info, table: keyframes.Keyframes, video: kinds.Video
  ):
    """Builds the source; `info`'s fingerprint is filled in here."""
    self.table = table
    self.video = video
    self.info = kinds.with_fingerprint(info, table.arrays().values())

  def __len__(self) -> int:
    return len(self.table)

  def __getitem__(self, i: int) -> keyframes.Keyframe:
    return self.table.keyframe(i)

  @property
  def ids(self) -> list[str]:
    """Ids of the keyframes."""
    table = self.table
    return [f'{v},{t}' for v, t in zip(table.video_ids, table.timestamps)]

  def shown(self):
    """Returns keyframes and each action of each annotated person on them."""
    truth, c = self.table.truth, self.table.num_classes
    keyframe = np.repeat(np.arange(len(self)), np.diff(truth.offsets))
    box, action = np.nonzero(np.unpackbits(truth.actions, axis=1, count=c))
    return keyframe[box], action

  def take(self, rows):
    video = kinds.Picked(self.video, rows)
    return Localisation(self.info, self.table.take(rows), video)

  def with_detections(
    self, name: str, persons: boxes_lib.Boxes | None, match_iou: float
  ) -> Localisation:
    """Returns the source with other detections.

    Args:
      name: of the dataset.
      persons: the detections; None is the ground truth in their place.
      match_iou: from which overlap those without a label inherit the actions
        of a ground-truth box.
    """
    name = boxes_name(name, persons is None)
    dropped = self.info.dropped
    if persons is None:
      table = self.table.truth_as_detections()
    else:
      table, unknown = self.table.with_detections(persons, match_iou)
      dropped = (*dropped, *map(_without_record, unknown))
    info = dataclasses.replace(self.info, name=name, dropped=dropped)
    return Localisation(info, table, self.video)


def _without_record(key: boxes_lib.Key) -> examples.Dropped:
  video, micros = key
  reason = 'has detections but no record'
  return examples.Dropped(f'{video},{micros / 1e6:g}', '', reason)


def boxes_name(name: str, ground_truth_boxes: bool) -> str:
  """Returns a name that tells results with true boxes from others."""
  return f'{name} (ground-truth boxes)' if ground_truth_boxes else name


@dataclasses.dataclass(frozen=True)
class Boxes(kinds.Kind):
  """The kind.

  Attributes:
    max_boxes: boxes of an example, the best-scoring first.
    boxes: 'detected', 'ground_truth', or 'both'.
    min_score: detections scoring less are left out.
  """

  max_boxes: ranges.Count = 32
  boxes: Annotated[str, ranges.OneOf(BOXES)] = 'detected'
  min_score: ranges.Share = 0.8
  # 32 frames of stride 2 at 30 fps take 1.07 s on each side, and this holds
  # twice that span.
  window: ClassVar[float | None] = 2.4

  def __post_init__(self):
    options.hold_fields(self, self.name)

  def lacking(self, source):
    if len(source) and source.table.excluded.all():
      return f'all of its {len(source):,} keyframes are excluded'
    found = source.table.detected.score
    if len(source) and self.boxes == 'detected':
      if not len(found):
        return (
          "none of its keyframes has a detected person: give the source's "
          "detections, or boxes='ground_truth' of the clip"
        )
      if not (found >= self.min_score).any():
        return (
          f'none of its {len(found):,} detections scores min_score='
          f'{self.min_score:g} of the clip, the best {found.max():g}'
        )
    return super().lacking(source)

  def sampling(self, name):
    """Strides of a keyframe are strides around it."""
    return 'around' if name in (None, 'stride') else name

  def extent(self, annotation, duration):
    begin = max(0.0, annotation.time - _AROUND)
    end = min(duration, annotation.time + _AROUND)
    return samplers.Extent(begin, end, duration, annotation.time)

  def extents(self, source):
    if not isinstance(source, Localisation):
      return super().extents(source)
    times = source.table.times
    return np.stack([np.maximum(0, times - _AROUND), times + _AROUND, times])

  def outside(self, annotation, duration):
    return (
      f'keyframe at {annotation.time:.2f} s is outside of its '
      f'{duration:.2f} s; does the file begin where the annotation says '
      '(video_start)?'
    )

  def check(self, cut):
    if cut.resize != 'pad' or cut.num_views > 1 or cut.sampler.name != 'around':
      raise ValueError(
        'boxes need resize="pad", views (1, 1) and sampling="around", not '
        f'{cut.resize!r}, {cut.views} and {cut.sampler.name!r}'
      )

  def signature(self, info, lead):
    n = self.max_boxes
    return {
      'boxes': ((*lead, n, 4), np.float32),
      'box_valid': ((*lead, n), np.bool_),
      'actions': ((*lead, n, info.num_classes), np.float32),
    }

  def fill(self, clip, annotation):
    boxes, actions = self.select(annotation)
    n = len(boxes)
    clip['boxes'][:n], clip['actions'][:n] = boxes, actions
    clip['box_valid'][:n] = True

  def noise(self, inputs):
    inputs['boxes'][..., :2] = 0.1
    inputs['box_valid'] = np.ones(inputs['boxes'].shape[:2], bool)

  def select(
    self, annotation: keyframes.Keyframe
  ) -> tuple[np.ndarray, np.ndarray]:
    """Returns the boxes [k, 4] that a clip shows, and their actions [k, c]."""
    boxes, actions = self._all(annotation)
    return boxes[: self.max_boxes], actions[: self.max_boxes]

  def _all(
    self, annotation: keyframes.Keyframe
  ) -> tuple[np.ndarray, np.ndarray]:
    """Returns boxes and actions, best first; their number is not limited.

    Ground truth comes before detections; ties keep the annotation's order.
    """
    if self.boxes == 'ground_truth':
      return annotation.boxes, annotation.actions
    sure = annotation.scores >= self.min_score
    ranks = np.argsort(-annotation.scores[sure], kind='stable')
    found = annotation.detections[sure][ranks]
    shown = annotation.detected_actions[sure][ranks]
    if self.boxes == 'detected':
      return found, shown
    return (
      np.concatenate([annotation.boxes, found]),
      np.concatenate([annotation.actions, shown]),
    )

  def count_dropped(self, source: examples.Source) -> int:
    """Returns how many boxes of the whole source `max_boxes` cuts off.

    Boxes below `min_score` are not meant to be there and do not count.
    """
    return sum(
      max(0, len(self._all(source[i])[0]) - self.max_boxes)
      for i in range(len(source))
    )

  def cut(self, annotation, window):
    return max(0.0, annotation.time - window), annotation.time + window

  def fields(self, num_classes):
    box = kinds.Field(np.float32, (None, 4))
    actions = kinds.Field(np.bool_, (None, num_classes))
    return {
      'video_id': kinds.Field(str),
      'timestamp': kinds.Field(str, doc='as annotated, of the whole film'),
      'time': kinds.Field(np.float32, doc='of the keyframe in `video`'),
      'boxes': box,
      'actions': actions,
      'detections': box,
      'scores': kinds.Field(np.float32, (None,)),
      'detected_actions': actions,
      'excluded': kinds.Field(np.bool_),
      'annotated': kinds.Field(np.bool_),
    }

  def row(self, annotation, begin):
    return vars(annotation) | {'time': annotation.time - begin}

  def columns(self, records):
    return _table(records).arrays()

  def ids(self, flat):
    table = keyframes.Keyframes.of_arrays(flat)
    pairs = zip(table.video_ids, table.timestamps)
    return {f'{video_id},{timestamp}' for video_id, timestamp in pairs}

  def source(self, info, flat, video):
    return Localisation(info, keyframes.Keyframes.of_arrays(flat), video)


def _table(rows) -> keyframes.Keyframes:
  """Returns records as a table."""
  column = lambda name: np.array([row[name] for row in rows])
  strings = lambda name: Strings(row[name].decode() for row in rows)
  ones = [np.ones(len(row['boxes']), np.float32) for row in rows]
  return keyframes.Keyframes(
    video_ids=strings('video_id'),
    timestamps=strings('timestamp'),
    seconds=np.array([float(row['timestamp']) for row in rows]),
    times=column('time').astype(np.float64),
    excluded=column('excluded'),
    annotated=column('annotated'),
    truth=_ragged(rows, 'boxes', 'actions', ones),
    detected=_ragged(
      rows, 'detections', 'detected_actions', [row['scores'] for row in rows]
    ),
    num_classes=rows[0]['actions'].shape[1],
  )


def _ragged(rows, box, actions, scores) -> keyframes.Ragged:
  counts = [len(row[box]) for row in rows]
  return keyframes.Ragged(
    offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
    box=np.concatenate([row[box] for row in rows]),
    actions=np.packbits(np.concatenate([row[actions] for row in rows]), axis=1),
    score=np.concatenate(scores),
  )


KIND = Boxes()
