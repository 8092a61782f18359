"""What AVA and data in its format share: keyframes meet persons and files."""

from __future__ import annotations

import collections
import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence

import av
import numpy as np
from etils import epath

from vidpetl.data import examples, frames, opening
from vidpetl.data.annotations import ava, boxes, keyframes, text
from vidpetl.data.annotations.strings import Strings
from vidpetl.data.kinds import localisation
from vidpetl.data.sources import columns, videos

# (video id, seconds) -> (path or None, second at which the file begins)
Find = Callable[[str, float], tuple[str | None, float]]

_CUT = 1000.0  # seconds; AVA's usual cuts last 901, its films far longer


def read_persons(
  detections: str | Sequence[epath.PathLike],
  num_classes: int,
  degenerate: str,
  outside: str = 'rounding',
) -> boxes.Boxes | None:
  """Reads detected persons from one file or several; None for 'none'.

  Args:
    detections: paths, or 'none'.
    num_classes: of the actions.
    degenerate: what becomes of boxes without area, and
    outside: of those that leave the frame, see `ava.read_persons`.

  Raises:
    FileNotFoundError: naming the file.
    text.AnnotationError: with file and line.
  """
  if detections == 'none':
    return None
  if isinstance(detections, str):
    detections = [detections]
  what = (
    "the detected persons; name other files in `detections`, or 'none' for "
    'ground-truth boxes in their place'
  )
  paths = [text.require(path, what) for path in detections]
  return boxes.concatenate(
    [ava.read_persons(p, num_classes, degenerate, outside) for p in paths]
  )


def assemble(
  table: keyframes.Keyframes,
  find: Find,
  *,
  name: str,
  split: str,
  fps: float | None,
  classes: Mapping[int, str],
  ground_truth_boxes: bool,
  folder: str,
  frame_rate: float | None = None,
) -> localisation.Localisation:
  """Builds a source of the keyframes that have a file, and lists the others.

  Args:
    table: keyframes, with `seconds` as annotated; `times` are set here. The
      split 'train' goes without the excluded ones.
    find: where the videos are.
    name: of the dataset.
    split: of the dataset.
    fps: nominal frame rate.
    classes: names by index (id - 1).
    ground_truth_boxes: whether the detections are ground truth.
    folder: where `find` looks, for errors.
    frame_rate: of folders of frames, and the nominal one then; None is `fps`.

  Returns:
    The source.

  Raises:
    FileNotFoundError: if no keyframe has a file.
    ValueError: if the files cannot begin where `find` says, or nothing is left
      to train on.
  """
  dropped = []
  if split == 'train':
    dropped = [
      examples.Dropped(
        f'{table.video_ids[i]},{table.timestamps[i]}',
        '',
        'listed among the excluded timestamps',
      )
      for i in np.flatnonzero(table.excluded)
    ]
    table = table.take(np.flatnonzero(~table.excluded))
    if dropped and not len(table):
      raise ValueError(
        f'{folder}: all {len(dropped):,} keyframes of {name}/{split} are '
        'listed among the excluded timestamps'
      )
  table, paths, missing = _with_videos(table, find, folder)
  _check_start(paths, table, frame_rate or fps)
  info = examples.Info(
    name=localisation.boxes_name(name, ground_truth_boxes),
    split=split,
    kind='localisation',
    num_classes=table.num_classes,
    classes=classes,
    fps=frame_rate or fps,
    dropped=tuple(dropped + missing),
    notes=videos.rate_note(
      filter(videos.is_folder, sorted(set(paths))), frame_rate, fps
    ),
  )
  return localisation.Localisation(info, table, paths.__getitem__)


def _with_videos(table, find, folder):
  """Finds each keyframe's file and its time on that file's clock.

  Returns:
    The keyframes that have a file, their paths, and what is missing.
  """
  rows, paths, times = [], [], []
  missing: collections.Counter[str] = collections.Counter()
  for i, name in enumerate(table.video_ids):
    path, start = find(name, table.seconds[i])
    if path is None:
      missing[name] += 1
      continue
    rows.append(i)
    paths.append(path)
    times.append(table.seconds[i] - start)
  columns.require_some(
    len(rows), len(missing), f'{next(iter(missing), "")}.* and others', folder
  )
  table = dataclasses.replace(table.take(rows), times=np.array(times))
  dropped = [
    examples.Dropped(
      name, folder, f'not found below this folder; {n} keyframes'
    )
    for name, n in sorted(missing.items())
  ]
  return table, Strings(paths), dropped


def _check_start(paths, table, fps: float | None) -> None:
  """Compares the length of up to three files with their keyframes.

  Clips that are a quarter of an hour off train without a murmur, so the case
  that can be told is refused, and the one that may be meant is warned of.
  """
  fits, long = [], []
  for i in {0, len(paths) // 2, len(paths) - 1}:
    length = _duration(paths[i], fps)
    if length is not None:
      fits.append(0 <= table.times[i] <= length + 1)
      long.append(length > _CUT and table.seconds[i] > table.times[i])
  if fits and not any(fits):
    raise ValueError(
      f'the keyframes of {paths[0]} and others lie outside of their files, the '
      f'first at {table.times[0]:g} s; set video_start to the second of the '
      'film at which the files begin: 0 for whole films, 900 for the usual '
      'cuts of AVA'
    )
  if long and all(long):
    warnings.warn(
      f'{paths[0]} looks like a whole film rather than a cut that begins '
      f'{table.seconds[0] - table.times[0]:g} s into it; whole films need '
      'video_start=0',
      stacklevel=4,
    )


def _duration(path: str, fps: float | None) -> float | None:
  try:
    if videos.is_folder(path):
      return frames.Frames(path, fps=fps).duration
    opening.regular(path)
    with av.open(path) as container:
      return container.duration and container.duration / 1e6
  except Exception:  # unreadable: whoever decodes it will say so
    return None
