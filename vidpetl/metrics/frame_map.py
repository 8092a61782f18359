"""Frame-mAP at 0.5 IoU: the measure of AVA and AVA-Kinetics.

For every evaluated class: a detection is right if, of the ground truth of its
image and class, the box that it overlaps most has IoU >= 0.5 with it and is not
claimed yet. Average precision is the area below the precision envelope over all
images; the mean is over classes that have ground truth. The public evaluators
disagree about the rest, by up to a point of mAP; `columns.PROTOCOLS` has them.

Where those leave the outcome to the order of the rows, it is defined here:
  * Rows with equal scores enter the precision-recall curve together.
  * Of rows with equal scores at an image's cap, higher class ids stay, then
    boxes with greater y1, x1, y2, x2.
  * Of ground truth with equal IoU, a detection takes the box with smaller x1,
    y1, x2, y2.
So the result does not depend on the order of rows, except where the protocol
says that it does ('slowfast', within an image).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from vidpetl.metrics import (
  ava_labels,
  columns,
  frame_map_result,
  matching,
)


def evaluate(
  gt: columns.GroundTruth,
  dets: columns.Detections | columns.DenseDetections,
  classes: Collection[int],
  protocol: columns.Protocol = columns.PROTOCOLS['2019'],
  excluded: Collection[str] = (),
) -> frame_map_result.Result:
  """Computes frame-mAP.

  Args:
    gt: ground truth.
    dets: detections; their image keys must be written as the ground truth's,
      see `columns.image_key`.
    classes: ids under evaluation, or a label map from id to name.
    protocol: see `columns.PROTOCOLS`.
    excluded: image keys that do not count.

  Returns:
    The result.

  Raises:
    ValueError: a ground truth box ends before it begins, a score is not a
      number, or timestamps are excluded in a protocol that excludes none.
  """
  class_ids = _class_ids(classes, protocol, excluded)
  images = _Images(gt, dets, excluded)
  truth = _listed_truth(gt, class_ids, images)
  rows, unlisted = dets.rows(class_ids)
  boxes = np.asarray(dets.boxes, np.float64)
  _check_scores(rows, dets)
  rows, left_out = _select(rows, boxes, images, protocol)
  right = matching.match(rows, boxes, truth, protocol.by_score)
  ap, num_gt, num_detections = {}, {}, {}
  # numpy sorts short integers by their digits.
  short = rows.class_id.astype(np.min_scalar_type(class_ids.max()))
  by_class = np.argsort(short, kind='stable')
  ends = np.searchsorted(rows.class_id[by_class], class_ids, side='right')
  for class_id, picked in zip(class_ids.tolist(), np.split(by_class, ends)):
    num_gt[class_id] = int(np.sum(truth.class_id == class_id))
    num_detections[class_id] = len(picked)
    ap[class_id] = average_precision(
      rows.score[picked], right[picked], num_gt[class_id]
    )
  return frame_map_result.Result(
    protocol=protocol.name,
    mean_ap=_mean(ap, class_ids.tolist()),
    ap_by_class=ap,
    groups={
      name: _mean(ap, ids)
      for name, ids in ava_labels.groups(class_ids.tolist()).items()
    },
    num_gt=num_gt,
    num_detections=num_detections,
    left_out={'unlisted class': unlisted} | left_out,
  )


def average_precision(
  scores: np.ndarray, right: np.ndarray, num_positive: int
) -> float:
  """Returns the area below the envelope of the precision-recall curve.

  Every change of recall counts (Pascal VOC 2010 on), not eleven points.

  Args:
    scores: float [n], in any order; equal ones pass the threshold together.
    right: bool [n], true positives.
    num_positive: ground truth there was to find.

  Returns:
    In [0, 1]; NaN if there was nothing to find.
  """
  if num_positive == 0:
    return float('nan')
  if len(scores) == 0:
    return 0.0
  order = np.argsort(-scores)
  scores = scores[order]
  last = np.append(scores[1:] != scores[:-1], True)
  accepted = np.flatnonzero(last) + 1
  found = np.cumsum(right[order])[last]
  envelope = np.maximum.accumulate((found / accepted)[::-1])[::-1]
  return float(np.sum(np.diff(found, prepend=0) / num_positive * envelope))


def _class_ids(
  classes: Collection[int],
  protocol: columns.Protocol,
  excluded: Collection[str],
) -> np.ndarray:
  """Returns the evaluated ids in order, if the request makes sense."""
  class_ids = np.array(sorted(classes))
  if not len(class_ids) or class_ids[0] < 1:
    raise ValueError(f'classes must be ids from 1, are {class_ids.tolist()}.')
  if len(excluded) and not protocol.exclusions:
    raise ValueError(
      f'protocol {protocol.name} excludes no timestamps, but {len(excluded)} '
      'were given; leave them out or use protocol 2019.'
    )
  return class_ids


class _Images:
  """One numbering of the images of ground truth and detections.

  Attributes:
    of_gt: int [images of the ground truth], their numbers.
    of_dets: int [images of the detections].
    excluded: bool [all images].
    annotated: bool [all images], listed by the ground truth.
  """

  def __init__(
    self,
    gt: columns.GroundTruth,
    dets: columns.Detections | columns.DenseDetections,
    excluded: Collection[str],
  ):
    number = {key: i for i, key in enumerate(gt.images)}
    self.of_gt = np.arange(len(number))
    self.of_dets = np.array(
      [number.setdefault(key, len(number)) for key in dets.images], np.int32
    )
    excluded = set(excluded)
    self.excluded = np.array([key in excluded for key in number], bool)
    self.annotated = np.arange(len(number)) < len(gt.images)


def _listed_truth(
  gt: columns.GroundTruth, class_ids: np.ndarray, images: _Images
) -> matching.Truth:
  """Takes the evaluated rows of the ground truth, sorted."""
  image = images.of_gt[gt.image]
  keep = np.isin(gt.class_id, class_ids) & ~images.excluded[image]
  boxes = np.asarray(gt.boxes, np.float64)
  inverted = np.flatnonzero(keep & (boxes[:, 2:] < boxes[:, :2]).any(axis=1))
  if len(inverted):
    raise ValueError(
      f'{len(inverted)} ground truth boxes end before they begin, the first '
      f'is x1, y1, x2, y2 = {boxes[inverted[0]].tolist()} on image '
      f'"{gt.images[gt.image[inverted[0]]]}".'
    )
  image, boxes, class_id = image[keep], boxes[keep], gt.class_id[keep]
  order = np.lexsort((*boxes.T[::-1], class_id, image))
  return matching.Truth(image[order], boxes[order], class_id[order])


def _check_scores(
  rows: columns.Rows, dets: columns.Detections | columns.DenseDetections
) -> None:
  bad = np.flatnonzero(np.isnan(rows.score))
  if len(bad):
    raise ValueError(
      f'{len(bad)} scores are not numbers, the first is for class '
      f'{rows.class_id[bad[0]]} on image "{dets.images[rows.image[bad[0]]]}".'
    )


def _select(
  rows: columns.Rows,
  boxes: np.ndarray,
  images: _Images,
  protocol: columns.Protocol,
) -> tuple[columns.Rows, dict[str, int]]:
  """Takes the detections that count, and counts the others by reason."""
  left_out = {}
  rows = dataclasses.replace(rows, image=images.of_dets[rows.image])

  def drop(reason: str, keep: np.ndarray) -> None:
    nonlocal rows
    left_out[reason] = len(rows) - int(np.count_nonzero(keep))
    if left_out[reason]:
      rows = rows.take(keep)

  drop('excluded image', ~images.excluded[rows.image])
  ignored = protocol.unmatched_images == 'ignore'
  drop(
    'image without ground truth',
    images.annotated[rows.image] if ignored else np.ones(len(rows), bool),
  )
  drop('cap', matching.within_cap(rows, boxes, protocol.cap))
  proper = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
  # After the cap: a box without area still takes a place below it.
  drop('degenerate box', proper[rows.box])
  return rows, left_out


def _mean(ap: Mapping[int, float], class_ids: Sequence[int]) -> float:
  values = np.array([ap[class_id] for class_id in class_ids])
  values = values[~np.isnan(values)]
  return float(values.mean()) if len(values) else float('nan')
