"""What a dataset is to the rest of the code: annotations, and videos on demand.

A `Source` is a random-access list of annotated videos. Looking at an example
never touches its video, so that counting labels, building the evaluation's
ground truth or planning an epoch stay cheap for a million clips.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Protocol

import numpy as np


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
class Performance:
  """An action that somebody performed, and how well.

  Attributes:
    id: unique within its split.
    score: what judges made of it, in the dataset's own unit.
    start: where it begins on its file's own clock, in seconds.
    end: where it ends; None is the end of the file.
    judge_scores: of each judge, or of each aspect that was judged.
    difficulty: factor by which judges' scores count; nan if there is none.
    action: what was performed, '' if unknown; performances of one action are
      comparable.
    steps: seconds on the file's clock at which its second and further steps
      begin.
  """

  id: str
  score: float
  start: float = 0.0
  end: float | None = None
  judge_scores: tuple[float, ...] = ()
  difficulty: float = float('nan')
  action: str = ''
  steps: tuple[float, ...] = ()


@dataclasses.dataclass(frozen=True)
class Dropped:
  """An annotated video that is not in the source, and why."""

  id: str
  path: str
  reason: str


@dataclasses.dataclass(frozen=True)
class Info:
  """What is known of a whole source.

  Attributes:
    name: of the dataset, e.g. 'kinetics400'.
    split: e.g. 'train'.
    kind: 'classification' (examples are `Classified`), 'localisation'
      (`Keyframe`) or 'quality' (`Performance`).
    num_classes: outputs that a head needs; 80 for AVA; 0 for quality.
    classes: index -> name; AVA names 60 of its 80.
    fps: nominal frame rate, in which strides are counted; None takes each
      file's own.
    dropped: annotated videos that are missing or unreadable.
    fingerprint: hash of ids and annotations, in order.
    table: labels of a source of kind 'quality', as columns: 'scores' [n],
      'judge_scores' [n, j], 'difficulties' [n], 'actions' [n], 'steps' [n, k].
  """

  name: str
  split: str
  kind: str
  num_classes: int
  classes: Mapping[int, str]
  fps: float | None = None
  dropped: tuple[Dropped, ...] = ()
  fingerprint: str = ''
  table: Mapping[str, np.ndarray] = dataclasses.field(
    default_factory=dict, compare=False
  )


class Source(Protocol):
  """Random access to annotated videos."""

  info: Info

  def __len__(self) -> int: ...

  def __getitem__(self, i: int) -> Classified | Keyframe | Performance:
    """Returns the annotation of example `i`, without reading its video."""

  def video(self, i: int) -> str | bytes:
    """Returns the path or the encoded bytes of example `i`'s video."""
