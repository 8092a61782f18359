"""Boxes over time, linked to tracks.

Linking is the ByteTrack of `trackers`, which alone of the packages that were
tried is kept, permissive (Apache-2.0), free of torch and happy with NumPy 2;
boxmot is AGPL and brings torch, norfair wants NumPy 1, motpy rests since 2021.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from etils import epy

from vidpetl.inference.people import extras
from vidpetl.inference.people.tracked import Moment, Track

with epy.lazy_imports():
  import supervision
  import trackers

# Seconds for which a person who is not seen is remembered.
MEMORY = 2.0
# Trackers think in pixels.
_SIDE = 1000.0
# The package counts its memory in frames of a film of this rate.
_FRAMES = 30
# Least intersection over union of a box and where its track should be. People
# who run overlap little from one fifth of a second to the next.
_OVERLAP = 0.1


def link(moments: Sequence[Moment], rate: float) -> list[np.ndarray]:
  """Links boxes over time.

  A person is followed with constant velocity and found again within `MEMORY`;
  no box is left without a track.

  Args:
    moments: in the order of time. Where all boxes have ids, these stay.
    rate: usual number of moments per second.

  Returns:
    int64 [n] ids of each moment's boxes: from 1, by first appearance.

  Raises:
    ValueError: if the package that links is missing.
  """
  if all(m.ids is not None for m in moments):
    return [m.ids for m in moments]
  linker = _Linker(rate)
  return [linker.ids(moment) for moment in moments]


class _Linker:
  """Numbers tracks from their first box on.

  The package names a track when it is seen a second time, and -1 before.
  """

  def __init__(self, rate: float):
    with extras.needed('trackers', 'links boxes to tracks', 'predict'):
      make = trackers.ByteTrackTracker
    self._tracker = make(
      lost_track_buffer=round(MEMORY * _FRAMES),
      frame_rate=rate,
      track_activation_threshold=0.0,
      minimum_consecutive_frames=0,
      minimum_iou_threshold=_OVERLAP,
      high_conf_det_threshold=0.0,
    )
    self._numbers: dict[int, int] = {}  # identity of a tracklet -> id
    self._kept: list = []  # tracklets, so that identities stay theirs

  def ids(self, moment: Moment) -> np.ndarray:
    """Returns the ids of the next moment's boxes."""
    boxes = np.asarray(moment.boxes, float).reshape(-1, 4) * _SIDE
    given = supervision.Detections(
      xyxy=boxes,
      confidence=np.asarray(moment.scores, float),
      data={'place': np.arange(len(boxes))},
    )
    linked = self._tracker.update(given, timestamp=moment.seconds)
    ids = np.zeros(len(boxes), np.int64)
    if not len(boxes):
      return ids
    self._number_new()
    named = {t.tracker_id: self._numbers[id(t)] for t in self._tracker.tracks}
    places = np.asarray(linked.data['place'], int)
    for place, name in zip(places, linked.tracker_id):
      ids[place] = named[int(name)] if name >= 0 else self._first(boxes[place])
    return ids

  def _number_new(self) -> None:
    for tracklet in self._tracker.tracks:
      if id(tracklet) not in self._numbers:
        self._kept.append(tracklet)
        self._numbers[id(tracklet)] = len(self._kept)

  def _first(self, box: np.ndarray) -> int:
    """Returns the id of the track that begins with a box."""
    new = [t for t in self._tracker.tracks if t.tracker_id < 0]
    off = [np.abs(t.get_state_bbox() - box).max() for t in new]
    return self._numbers[id(new[int(np.argmin(off))])]


def gather(moments: Sequence[Moment], ids: Sequence[np.ndarray]) -> list[Track]:
  """Returns the tracks of moments whose boxes were linked, by id."""
  if not moments:
    return []
  times = np.repeat(
    [m.seconds for m in moments], [len(m.boxes) for m in moments]
  )
  boxes = np.concatenate([np.reshape(m.boxes, (-1, 4)) for m in moments])
  ids = np.concatenate(ids)
  return [
    Track(int(i), times[ids == i], boxes[ids == i].astype(np.float32))
    for i in np.unique(ids)
  ]
