"""Boxes of keyframes as columns, and what detections inherit from truth."""

from __future__ import annotations

import dataclasses

import numpy as np

Key = tuple[str, int]  # video id, microseconds


def key(video_id: str, seconds: float) -> Key:
  """Returns what identifies a keyframe, however its time is written.

  The evaluation of AVA writes times with six decimals, so microseconds tell
  exactly what it tells apart: '902', '0902' and '902.0' are one.
  """
  return video_id, round(seconds * 1e6)


@dataclasses.dataclass(frozen=True)
class Boxes:
  """Boxes of many keyframes; n boxes on k keyframes, c actions.

  Attributes:
    keys: [k] keyframes in the order of the file.
    timestamps: [k] seconds as the file spells them.
    keyframe: int64 [n], the keyframe of each box.
    box: float32 [n, 4], x1, y1, x2, y2 in [0, 1].
    actions: uint8 [n, ceil(c / 8)], bits of the actions (`np.packbits`).
    labelled: bool [n], False where the file is silent on the box's actions.
    score: float32 [n].
  """

  keys: list[Key]
  timestamps: list[str]
  keyframe: np.ndarray
  box: np.ndarray
  actions: np.ndarray
  labelled: np.ndarray
  score: np.ndarray

  def __len__(self) -> int:
    return len(self.keyframe)


def pack(rows: np.ndarray, actions: np.ndarray, n: int, c: int) -> np.ndarray:
  """Sets bit `actions[i]` of row `rows[i]`, as `np.packbits` would.

  Args:
    rows: int [m].
    actions: int [m], from 0.
    n: number of rows.
    c: number of actions.

  Returns:
    uint8 [n, ceil(c / 8)].
  """
  packed = np.zeros((n, -(-c // 8)), np.uint8)
  bits = (0x80 >> (actions & 7)).astype(np.uint8)
  np.bitwise_or.at(packed, (rows, actions >> 3), bits)
  return packed


def concatenate(parts: list[Boxes]) -> Boxes:
  """Joins files with disjoint or common keyframes into one table."""
  index: dict[Key, int] = {}
  timestamps: list[str] = []
  keyframes = []
  for part in parts:
    for k, timestamp in zip(part.keys, part.timestamps):
      if k not in index:
        index[k] = len(index)
        timestamps.append(timestamp)
    to = np.array([index[k] for k in part.keys], np.int64)
    keyframes.append(to[part.keyframe])
  columns = {
    name: np.concatenate([getattr(part, name) for part in parts])
    for name in ('box', 'actions', 'labelled', 'score')
  }
  return Boxes(
    keys=list(index),
    timestamps=timestamps,
    keyframe=np.concatenate(keyframes),
    **columns,
  )


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  """Intersection over union of paired boxes; [..., 4] each -> [...]."""
  low = np.maximum(a[..., :2], b[..., :2])
  high = np.minimum(a[..., 2:], b[..., 2:])
  common = np.prod(np.maximum(high - low, 0), axis=-1)
  area = lambda x: np.prod(x[..., 2:] - x[..., :2], axis=-1)
  return common / (area(a) + area(b) - common)


def inherit(
  detected: np.ndarray,
  detected_offsets: np.ndarray,
  truth: np.ndarray,
  truth_offsets: np.ndarray,
  match_iou: float,
) -> np.ndarray:
  """Finds the ground-truth box whose actions each detection inherits.

  Only boxes of one keyframe are compared, all keyframes at once. The best
  overlap wins, if it reaches `match_iou` (inclusive): with 0.9 this is the
  rule by which the published AVA person boxes were labelled.

  Args:
    detected: float [m, 4], by keyframe.
    detected_offsets: int [k + 1], where each keyframe's rows begin.
    truth: float [n, 4], by keyframe.
    truth_offsets: int [k + 1].
    match_iou: in (0, 1].

  Returns:
    int64 [m], row of `truth`, or -1.
  """
  best = np.full(len(detected), -1, np.int64)
  keyframe = np.repeat(
    np.arange(len(detected_offsets) - 1), np.diff(detected_offsets)
  )
  partners = np.diff(truth_offsets)[keyframe]
  pairs_d = np.repeat(np.arange(len(detected)), partners)
  if not len(pairs_d):
    return best
  first = np.repeat(np.cumsum(partners) - partners, partners)
  pairs_t = truth_offsets[keyframe[pairs_d]] + np.arange(len(pairs_d)) - first
  overlap = iou(
    detected[pairs_d].astype(np.float64), truth[pairs_t].astype(np.float64)
  )
  good = overlap >= match_iou - 1e-6  # boxes are float32: 0.9 is 0.89999998
  order = np.argsort(overlap[good], kind='stable')
  best[pairs_d[good][order]] = pairs_t[good][order]  # the last write is best
  return best
