"""The table of a localisation split: keyframes with truth and detections."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np

from vidpetl.data.annotations import boxes
from vidpetl.data.annotations.strings import Strings


@dataclasses.dataclass(frozen=True)
class Keyframe:
  """An annotated moment with its people: AVA's unit.

  Boxes are x1, y1, x2, y2 as fractions of the frame's width and height. Action
  `a` of the label map is column `a - 1`, as in AVA's public code bases.

  Attributes:
    id: '{video_id},{timestamp}'.
    video_id: name of the film in the annotation files.
    timestamp: seconds as the annotation file writes them, e.g. '0902'.
    time: of the keyframe, in seconds on the clock of the file in hand, which
      may be a cut of the film.
    boxes: float32 [n, 4], ground truth.
    actions: bool [n, c], ground truth.
    detections: float32 [m, 4], by a person detector.
    scores: float32 [m], the detector's confidence.
    detected_actions: bool [m, c], actions that detections inherit from the
      ground truth; all False is a detection that shows none of them.
    excluded: listed among the dataset's excluded timestamps.
    annotated: whether annotators looked at it, even if they boxed nobody;
      False where there are only detections.
  """

  id: str
  video_id: str
  timestamp: str
  time: float
  boxes: np.ndarray
  actions: np.ndarray
  detections: np.ndarray
  scores: np.ndarray
  detected_actions: np.ndarray
  excluded: bool = False
  annotated: bool = True


@dataclasses.dataclass(frozen=True)
class Ragged:
  """Boxes sorted by keyframe: rows offsets[i]..offsets[i + 1] are of i.

  Attributes:
    offsets: int64 [k + 1].
    box: float32 [n, 4].
    actions: uint8 [n, ceil(c / 8)], bits.
    score: float32 [n].
  """

  offsets: np.ndarray
  box: np.ndarray
  actions: np.ndarray
  score: np.ndarray

  def take(self, keyframes: np.ndarray) -> Ragged:
    """Returns the boxes of these keyframes, in their order."""
    counts = np.diff(self.offsets)[keyframes]
    offsets = np.concatenate([[0], np.cumsum(counts)])
    rows = np.repeat(self.offsets[keyframes] - offsets[:-1], counts)
    rows = rows + np.arange(offsets[-1])
    return Ragged(offsets, self.box[rows], self.actions[rows], self.score[rows])


@dataclasses.dataclass(frozen=True)
class Keyframes:
  """A split in columns; k keyframes, c actions.

  Attributes:
    video_ids: [k].
    timestamps: [k], seconds as the annotation file spells them.
    seconds: float64 [k], the same as numbers.
    times: float64 [k], seconds on the clock of the file in hand.
    excluded: bool [k].
    annotated: bool [k], False where there are only detections.
    truth: ground-truth boxes.
    detected: detected boxes.
    num_classes: c.
  """

  video_ids: Strings
  timestamps: Strings
  seconds: np.ndarray
  times: np.ndarray
  excluded: np.ndarray
  annotated: np.ndarray
  truth: Ragged
  detected: Ragged
  num_classes: int

  def __len__(self) -> int:
    return len(self.times)

  def keyframe(self, i: int) -> Keyframe:
    """Returns keyframe `i` in the form that the rest of the code reads."""
    truth = slice(*self.truth.offsets[i : i + 2])
    detected = slice(*self.detected.offsets[i : i + 2])
    video_id, timestamp = self.video_ids[i], self.timestamps[i]
    return Keyframe(
      id=f'{video_id},{timestamp}',
      video_id=video_id,
      timestamp=timestamp,
      time=float(self.times[i]),
      boxes=self.truth.box[truth],
      actions=self._unpack(self.truth.actions[truth]),
      detections=self.detected.box[detected],
      scores=self.detected.score[detected],
      detected_actions=self._unpack(self.detected.actions[detected]),
      excluded=bool(self.excluded[i]),
      annotated=bool(self.annotated[i]),
    )

  def _unpack(self, bits):
    return np.unpackbits(bits, axis=1, count=self.num_classes).astype(bool)

  def take(self, keyframes: Iterable[int]) -> Keyframes:
    """Returns the table of these keyframes, in their order."""
    rows = np.asarray(keyframes, np.int64)
    return Keyframes(
      video_ids=self.video_ids.take(rows),
      timestamps=self.timestamps.take(rows),
      seconds=self.seconds[rows],
      times=self.times[rows],
      excluded=self.excluded[rows],
      annotated=self.annotated[rows],
      truth=self.truth.take(rows),
      detected=self.detected.take(rows),
      num_classes=self.num_classes,
    )

  def keys(self) -> list[boxes.Key]:
    """Returns what identifies each keyframe."""
    return [
      boxes.key(video, s) for video, s in zip(self.video_ids, self.seconds)
    ]

  def with_detections(
    self, detected: boxes.Boxes, match_iou: float
  ) -> tuple[Keyframes, list[boxes.Key]]:
    """Replaces the detections.

    Returns:
      The new table, and keyframes of `detected` that the table does not have.
    """
    keys = self.keys()
    known = set(keys)
    table = _with_detections(self, keys, detected, match_iou)
    return table, [k for k in detected.keys if k not in known]

  def truth_as_detections(self) -> Keyframes:
    """Returns the table with its ground truth for a perfect detector's."""
    return dataclasses.replace(self, detected=self.truth)

  def arrays(self) -> dict[str, np.ndarray]:
    """Returns the columns under flat names, for an npz file."""
    flat = {
      'seconds': self.seconds,
      'times': self.times,
      'excluded': self.excluded,
      'annotated': self.annotated,
      'num_classes': np.array(self.num_classes),
      **self.video_ids.arrays('video_ids'),
      **self.timestamps.arrays('timestamps'),
    }
    for name in ('truth', 'detected'):
      for field, value in vars(getattr(self, name)).items():
        flat[f'{name}/{field}'] = value
    return flat

  @classmethod
  def of_arrays(cls, flat: dict[str, np.ndarray]) -> Keyframes:
    """Inverts `arrays`."""
    ragged = {
      name: Ragged(
        *(flat[f'{name}/{f.name}'] for f in dataclasses.fields(Ragged))
      )
      for name in ('truth', 'detected')
    }
    return cls(
      video_ids=Strings.of_arrays(flat, 'video_ids'),
      timestamps=Strings.of_arrays(flat, 'timestamps'),
      seconds=flat['seconds'],
      times=flat['times'],
      excluded=flat['excluded'],
      annotated=flat['annotated'],
      num_classes=int(flat['num_classes']),
      **ragged,
    )


def join(
  truth: boxes.Boxes,
  detected: boxes.Boxes | None,
  excluded: set[boxes.Key],
  *,
  num_classes: int,
  match_iou: float,
  all_detected: bool,
) -> Keyframes:
  """Joins ground truth and detections by keyframe.

  Args:
    truth: ground truth; its keyframes are annotated, also those without boxes.
    detected: detections, or None for the ground truth in their place.
    excluded: keys that are flagged.
    num_classes: c.
    match_iou: from which overlap an unlabelled detection inherits the actions
      of a ground-truth box.
    all_detected: keyframes are those with ground truth or detections (True,
      for evaluation, where persons on an empty keyframe are false positives),
      or those with ground truth alone.

  Returns:
    The keyframes by video and time; `times` are `seconds`.
  """
  spelling = dict(zip(truth.keys, truth.timestamps))
  annotated = set(spelling)
  if all_detected and detected is not None:
    spelling = dict(zip(detected.keys, detected.timestamps)) | spelling
  keys = sorted(spelling)
  seconds = np.array([k[1] / 1e6 for k in keys])
  table = Keyframes(
    video_ids=Strings([k[0] for k in keys]),
    timestamps=Strings([spelling[k] for k in keys]),
    seconds=seconds,
    times=seconds,
    excluded=np.array([k in excluded for k in keys], bool),
    annotated=np.array([k in annotated for k in keys], bool),
    truth=_ragged(truth, keys),
    detected=_ragged(truth, keys),
    num_classes=num_classes,
  )
  if detected is None:
    return table
  return _with_detections(table, keys, detected, match_iou)


def _ragged(rows: boxes.Boxes, keys: list[boxes.Key]) -> Ragged:
  """Sorts boxes by keyframe, leaving out those on none of `keys`."""
  order, offsets = _by_keyframe(rows, keys)
  return Ragged(
    offsets, rows.box[order], rows.actions[order], rows.score[order]
  )


def _by_keyframe(rows, keys):
  """Returns the rows to take, and where each keyframe's begin."""
  index = {k: i for i, k in enumerate(keys)}
  to = np.array([index.get(k, -1) for k in rows.keys], np.int64)
  keyframe = to[rows.keyframe]
  order = np.argsort(keyframe, kind='stable')
  order = order[np.searchsorted(keyframe[order], 0) :]
  counts = np.bincount(keyframe[order], minlength=len(keys))
  return order, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _with_detections(table, keys, detected, match_iou):
  """Puts detections in, with the actions that unlabelled ones inherit."""
  order, _ = _by_keyframe(detected, keys)
  rows, truth = _ragged(detected, keys), table.truth
  unlabelled = ~detected.labelled[order]
  if unlabelled.any():
    match = boxes.inherit(
      rows.box, rows.offsets, truth.box, truth.offsets, match_iou
    )
    heirs = unlabelled & (match >= 0)
    rows.actions[heirs] = truth.actions[match[heirs]]
  return dataclasses.replace(table, detected=rows)
