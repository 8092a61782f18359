"""Detections that cannot be meant for their ground truth.

They are evaluated all the same, to a number that says nothing of the model.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from vidpetl.metrics import columns

_FAR = 0.5  # of the frame: no detector's margin
# Reason -> what becomes of a video's name if it is the reason.
_SPELLINGS: dict[str, Callable[[str], str]] = {
  'a suffix': lambda name: re.sub(r'\.\w{2,4}$', '', name),
  'a folder': lambda name: re.split(r'[/\\]', name)[-1],
  'zeros in front': lambda name: name.lstrip('0'),
  'capitals': str.casefold,
}


def find(
  gt: columns.GroundTruth,
  dets: columns.Detections,
  gt_path: str | os.PathLike,
  dets_path: str | os.PathLike,
) -> Iterator[str]:
  """Yields sentences on what is odd about two files.

  Args:
    gt: ground truth, read from `gt_path`.
    dets: detections, read from `dets_path`.
    gt_path: path of the ground truth.
    dets_path: path of the detections.
  """
  far_gt, far_dets = _far(gt.boxes), _far(dets.boxes)
  yield from _pixels('ground truth', gt_path, gt, far_gt, far_dets)
  yield from _pixels('detections', dets_path, dets, far_dets, far_gt)
  if gt.images and dets.images and not set(gt.images) & set(dets.images):
    yield (
      f'{dets_path}: none of its {len(dets.images)} images is in {gt_path}: '
      f'"{dets.images[0]}" here, "{gt.images[0]}" there. '
      + _cause(gt.images, dets.images)
    )


def _far(boxes: np.ndarray) -> np.ndarray:
  """Returns which boxes leave [0, 1] by far, bool [n]."""
  return ((boxes < -_FAR) | (boxes > 1 + _FAR)).any(axis=1)


def _pixels(what, path, rows, far, far_others) -> Iterator[str]:
  if not far.any():
    return
  first = int(np.argmax(far))
  box = ','.join(map(repr, rows.boxes[first].tolist()))
  count = 'all' if far.all() else f'{np.count_nonzero(far)} of {len(far)}'
  other = 'detections' if what == 'ground truth' else 'ground truth'
  others = f'while no {other} does' if not far_others.any() else f'{other} too'
  yield (
    f'{path}:{rows.lines[first]}: box {box} leaves [0, 1], as {count} {what} '
    f'do, {others}: pixels? Boxes are fractions of width and height.'
  )


def _cause(gt: Sequence[str], dets: Sequence[str]) -> str:
  """Returns why no image is in both, as far as can be told."""
  truth, found = (_by_video(images) for images in (gt, dets))
  if shared := sorted(truth.keys() & found.keys()):
    video = shared[0]
    there, here = min(truth[video]), min(found[video])
    return (
      f'The videos are the same and the seconds are not ("{video}" begins at '
      f'{there:g} s there, at {here:g} s here): count both from the same '
      'moment (video_start).'
    )
  for reason, plain in _SPELLINGS.items():
    if {plain(name) for name in truth} & {plain(name) for name in found}:
      return f'Their videos are spelled in two ways: {reason}.'
  return 'Their videos have other names.'


def _by_video(images: Sequence[str]) -> dict[str, list[float]]:
  """Returns video -> seconds of its images."""
  found: dict[str, list[float]] = {}
  for key in images:
    video, _, seconds = key.rpartition(',')
    found.setdefault(video, []).append(float(seconds))
  return found
