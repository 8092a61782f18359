"""One's own people and actions, annotated as in AVA.

The csv has rows `video,seconds,x1,y1,x2,y2,action,person`, one per box and
action, and a header if one likes: `video` is the name of a file without
suffix, or of a folder of frames, anywhere below `videos`; `seconds` is a time
within it, any decimal, mm:ss or hh:mm:ss; boxes are fractions of width and
height; actions count from 1; the last column may be left out. A row
`video,seconds` is a keyframe on which nobody does anything. Clips may be of
any length: a model's window is clamped to the file.

Person boxes at test time come from a detector of your choice: write its
boxes as rows `video,seconds,x1,y1,x2,y2,,score` and name the file in
`detections`. Without one, the ground-truth boxes stand in for detections,
with score 1, in every split. That is right for training and for looking at
how well actions are recognised, but its mAP leaves out what a detector
misses and invents; `info.name` therefore ends in '(ground-truth boxes)'.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from vidpetl import ranges
from vidpetl.data.annotations import ava, keyframes, text
from vidpetl.data.annotations import boxes as columns
from vidpetl.data.annotations import labelmap as label_maps
from vidpetl.data.kinds.localisation import Localisation
from vidpetl.data.sources import localisation
from vidpetl.data.sources import videos as files

KIND = 'localisation'
_LARGEST = 4096  # ids above this are a mistake rather than a vocabulary


def open(
  videos: str,
  annotations: str,
  split: str = 'train',
  labelmap: str | None = None,
  num_classes: ranges.Count | None = None,
  detections: str | Sequence[str] | None = None,
  excluded: str | None = None,
  video_start: ranges.Number = 0.0,
  match_iou: ranges.Part = 0.9,
  degenerate_boxes: ava.Degenerate = 'error',
  boxes: ava.Outside = 'rounding',
  name: str = 'ava_csv',
  fps: ranges.Positive | None = None,
) -> Localisation:
  """Opens keyframes of one's own videos.

  The module's docstring says what the csv holds.

  Args:
    videos: folder.
    annotations: csv of this split.
    split: 'train' leaves excluded keyframes out; any other name is for
      evaluation, takes also the keyframes that have only detections, and flags
      the excluded ones.
    labelmap: ids and names (see `labelmap.read`); ids that it lacks are
      errors. Without it, ids are their own names.
    num_classes: outputs that a head needs; by default the label map's largest
      id. Without a label map it is the largest id of *this file*, so give one
      of the two where splits may differ.
    detections: person boxes, one file or several, see above; a `.pkl` is taken
      for mmaction2's proposals.
    excluded: csv of rows `video,seconds`.
    video_start: what to subtract from the annotated seconds.
    match_iou: detections without a label inherit the actions of a ground-truth
      box that they overlap this much.
    degenerate_boxes: 'error', or 'drop' for detections without area.
    boxes: what becomes of boxes that leave the frame: 'rounding' cuts those
      that leave it by up to 0.005 of its width or height, 'clip' by up to 0.1,
      as detectors' do, and 'error' none. How many are cut is noted.
    name: of the dataset.
    fps: nominal frame rate, and that of folders of frames; None is each file's
      own, and 25 for folders.

  Returns:
    The source, by video and time.

  Raises:
    FileNotFoundError: for a missing file, or if all videos are.
    vidpetl.data.annotations.text.AnnotationError: with file and line.
    ValueError: if `num_classes` is below the label map's largest id, or no
      keyframe lies within its video.
  """
  truth, classes = _read(annotations, labelmap, num_classes, boxes)
  c = num_classes or max(classes) + 1
  persons = localisation.read_persons(
    'none' if detections is None else detections, c, degenerate_boxes, boxes
  )
  table = keyframes.join(
    truth,
    persons,
    _excluded(excluded),
    num_classes=c,
    match_iou=match_iou,
    all_detected=split != 'train',
  )
  if not len(table):
    raise text.fail(annotations, None, 'no rows', 'at least one keyframe')
  found = files.Finder(videos)
  return localisation.assemble(
    table,
    lambda video, seconds: (found.get(video), video_start),
    name=name,
    split=split,
    fps=None,
    classes=classes,
    ground_truth_boxes=persons is None,
    folder=videos,
    frame_rate=fps,
  )


def _excluded(path: str | None) -> set[columns.Key]:
  """Returns the keyframes that count for nothing."""
  if path is None:
    return set()
  return ava.read_excluded(text.require(path, 'excluded timestamps'))


def _read(
  annotations: str,
  labelmap: str | None,
  num_classes: int | None,
  outside: str,
) -> tuple[columns.Boxes, dict[int, str]]:
  """Returns the ground truth, and the names of its actions by id - 1."""
  text.require(annotations, 'the keyframes of this split')
  if labelmap is None:
    most = num_classes or _LARGEST
    truth = ava.read_ground_truth(annotations, most, outside=outside)
    used = np.unpackbits(truth.actions, axis=1).any(axis=0)
    c = num_classes or 1 + int(max(np.flatnonzero(used), default=0))
    truth = dataclasses.replace(truth, actions=truth.actions[:, : -(-c // 8)])
    return truth, {i: str(i + 1) for i in range(c)}
  names = label_maps.read(text.require(labelmap, 'the label map'))
  if num_classes is not None and num_classes < max(names):
    raise ValueError(
      f'num_classes={num_classes}, but {labelmap} has the id {max(names)}'
    )
  c = num_classes or max(names)
  truth = ava.read_ground_truth(annotations, c, set(names), outside)
  return truth, {number - 1: name for number, name in names.items()}
