"""From an annotated video to a clip: a dict of arrays of fixed shapes.

Keys of a clip (t frames, R resolution, n boxes, c actions):

  video: uint8 [t, R, R, 3], content at the top left, zeros below and right of
    it; with several test views [v, t, R, R, 3].
  size: int32 [2], height and width of the content.
  index: int32 [], of the example in its source.
  seed: uint32 [2], the example's key for augmentation on the device.
  valid: bool [], False if the video could not be decoded (`video` is zeros and
    `size` 0 then).

and, of a source that is for classification,

  label: int32 [].

for localisation,

  boxes: float32 [n, 4]: x1, y1, x2, y2 as fractions of the content; zeros where
    not valid.
  box_valid: bool [n].
  actions: float32 [n, c], multi-hot.

or for quality, with j judges and k steps:

  score: float32 [].
  difficulty: float32 [], nan where unknown.
  judge_scores: float32 [j], nan where unknown.
  steps: float32 [k], where its second and further steps begin, as places
    in [0, t - 1] among the frames; nan where unknown.

With an exemplar, `video` and all of these have an axis of 2 in front, the
performance in question and its exemplar. Clips of pretext tasks have none of
these, but, with `ClipSpec.sampling`

  speed: int32 [], 'vspp' and 'pace': counted from 0.
  part: int32 [], 'vspp': counted from 0.
  video: uint8 [2, t, R, R, 3], 'pair'.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from vidpetl.data import decode, examples, frames, index, sampling
from vidpetl.data import quarantine as quarantine_lib
from vidpetl.data.clip_spec import ClipSpec


def signature(
  info: examples.Info, spec: ClipSpec
) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
  """Returns shape and dtype of each array of a clip."""
  views = (spec.num_views,) if spec.num_views > 1 else ()
  side = spec.resolution
  shapes = {
    'video': ((*spec.lead, *views, spec.frames, side, side, 3), np.uint8),
    'size': ((2,), np.int32),
    'index': ((), np.int32),
    'seed': ((2,), np.uint32),
    'valid': ((), np.bool_),
    **_label_shapes(info, spec),
  }
  return {key: (shape, np.dtype(kind)) for key, (shape, kind) in shapes.items()}


def _label_shapes(
  info: examples.Info, spec: ClipSpec
) -> dict[str, tuple[tuple[int, ...], type]]:
  """Returns shape and type of what a clip is annotated with."""
  if spec.sampling == 'vspp':
    return {'speed': ((), np.int32), 'part': ((), np.int32)}
  if spec.sampling == 'pace':
    return {'speed': ((), np.int32)}
  if spec.is_pretext:
    return {}
  if info.kind == 'classification':
    return {'label': ((), np.int32)}
  if info.kind == 'quality':
    judges, steps = (
      info.table[key].shape[1] for key in ('judge_scores', 'steps')
    )
    return {
      'score': (spec.lead, np.float32),
      'difficulty': (spec.lead, np.float32),
      'judge_scores': ((*spec.lead, judges), np.float32),
      'steps': ((*spec.lead, steps), np.float32),
    }
  n = spec.max_boxes
  return {
    'boxes': ((n, 4), np.float32),
    'box_valid': ((n,), np.bool_),
    'actions': ((n, info.num_classes), np.float32),
  }


def _aligned_zeros(shape: tuple[int, ...], kind: np.dtype) -> np.ndarray:
  """Returns zeros that begin at a multiple of 64 bytes.

  TensorFlow takes such an array as it is; others it copies.
  """
  size = math.prod(shape) * kind.itemsize
  memory = np.zeros(size + 64, np.uint8)
  begin = -memory.ctypes.data % 64
  return memory[begin : begin + size].view(kind).reshape(shape)


def padding(
  info: examples.Info, spec: ClipSpec, rows: tuple[int, ...] = ()
) -> dict[str, np.ndarray]:
  """Returns clips [*rows, ...] that are no examples: all zeros, index -1."""
  clip = {
    key: _aligned_zeros((*rows, *shape), kind)
    for key, (shape, kind) in signature(info, spec).items()
  }
  clip['index'][...] = -1
  return clip


def load(
  source: examples.Source,
  i: int,
  spec: ClipSpec,
  seed: np.ndarray,
  quarantine: quarantine_lib.Quarantine | None = None,
  out: Mapping[str, np.ndarray] | None = None,
) -> Mapping[str, np.ndarray]:
  """Returns example `i` of a source as a clip.

  Args:
    source: annotations and videos.
    i: which example.
    spec: how to cut it; must suit the source (`ClipSpec.check`).
    seed: uint32 [2], all that is random follows from it.
    quarantine: where an undecodable video is listed. Without it, it raises.
    out: `padding` to fill and return, such as a row of a batch.

  Raises:
    decode.DecodeError: for an undecodable video, if `quarantine` is None.
    ValueError: if an example has no exemplar.
  """
  clip = padding(source.info, spec) if out is None else out
  clip['index'][...] = i
  clip['seed'][:] = seed
  members = [i]
  if spec.has_exemplar:
    members.append(_exemplar(source, i, spec, seed))
  try:
    for k, reading in enumerate(members):
      part = _member(clip, k) if spec.has_exemplar else clip
      _fill(part, source, reading, spec, seed, k)
  except decode.DecodeError as error:
    if quarantine is None:
      raise
    quarantine.add(source[reading].id, error.name, error.reason)
    clip['video'][...] = 0
    clip['size'][:] = 0
    return clip
  clip['valid'][...] = True
  if quarantine is not None:
    quarantine.succeed()
  return clip


def _exemplar(
  source: examples.Source, i: int, spec: ClipSpec, seed: np.ndarray
) -> int:
  """Draws which example is the exemplar of example `i`."""
  partners = source.partners(i, spec.exemplar)
  (draw,) = index.uniform(1, 'exemplar', *(int(word) for word in seed))
  return int(partners[int(draw * len(partners))])


def _member(clip: Mapping[str, np.ndarray], k: int) -> dict[str, np.ndarray]:
  """Returns views of one of the two videos of a clip."""
  shared = ('index', 'seed', 'valid', 'size')
  return {
    key: array if key in shared else array[k, ...]
    for key, array in clip.items()
  }


def _fill(
  clip: Mapping[str, np.ndarray],
  source: examples.Source,
  i: int,
  spec: ClipSpec,
  seed: np.ndarray,
  member: int,
) -> None:
  """Writes the labels and the video of an example into zeros."""
  annotation = source[i]
  if spec.is_pretext:
    for key, label in sampling.pretext_labels(spec, seed).items():
      clip[key][...] = label
  elif isinstance(annotation, examples.Keyframe):
    _fill_targets(clip, annotation, spec)
  elif isinstance(annotation, examples.Performance):
    _fill_quality(clip, annotation)
  else:
    clip['label'][...] = annotation.label
  times, size = _fill_video(clip['video'], source, i, spec, seed, member)
  clip['size'][:] = size
  if 'steps' in clip:
    clip['steps'][:] = sampling.step_places(times[0], clip['steps'])


def _fill_quality(
  clip: Mapping[str, np.ndarray], performance: examples.Performance
) -> None:
  """Writes what judges said; 'steps' in seconds."""
  clip['score'][...] = performance.score
  clip['difficulty'][...] = performance.difficulty
  for key in ('judge_scores', 'steps'):
    known = getattr(performance, key)
    clip[key][:] = np.nan
    clip[key][: len(known)] = known


def target_size(height: int, width: int, spec: ClipSpec) -> tuple[int, int]:
  """Returns the (height, width) to which frames are resized.

  The side that `spec.resize` names becomes exactly R, the other is rounded.
  """
  reference = (max if spec.resize == 'pad' else min)(height, width)

  def scale(side: int) -> int:
    return max(1, (2 * side * spec.resolution + reference) // (2 * reference))

  return scale(height), scale(width)


def _fill_video(
  out: np.ndarray,
  source: examples.Source,
  i: int,
  spec: ClipSpec,
  seed: np.ndarray,
  member: int,
) -> tuple[np.ndarray, tuple[int, int]]:
  """Writes frames into zeros [(v,) t, R, R, 3].

  Returns:
    Seconds [clips, t] at which frames were read, and the content's size.
  """
  annotation, video = source[i], source.video(i)
  name = video if isinstance(video, str) else annotation.id
  side = spec.resolution
  flat = out.reshape(-1, side, side, 3)
  with frames.open_video(video, name, source.info.fps) as opened:
    times = sampling.frame_times(
      opened, annotation, spec, source.info, seed, member
    )
    shown = opened.read(
      times.ravel(),
      lambda height, width: target_size(height, width, spec),
      # Straight to its place: a clip at 512 pixels is 25 MB.
      (lambda height, width: flat[:, :height, :width])
      if spec.resize == 'pad'
      else None,
    )
  if spec.resize == 'pad':
    return times, shown.shape[1:3]
  shown = shown.reshape(*times.shape, *shown.shape[1:])
  crops = out.reshape(len(shown), -1, *out.shape[-4:])
  for k, clip in enumerate(shown):
    # Each clip of a training example is cropped at a place of its own.
    place = sampling.draws(seed, member + k)[1] if spec.train else None
    corners = _corners(np.array(clip.shape[1:3]) - side, spec, place)
    for crop, (y, x) in zip(crops[k], corners):
      crop[:] = clip[:, y : y + side, x : x + side]
  return times, (side, side)


def _corners(
  slack: np.ndarray, spec: ClipSpec, place: float | None
) -> list[np.ndarray]:
  """Returns where a clip's crops begin, (y, x) each.

  Args:
    slack: [2] pixels by which frames are higher and wider than a crop.
    spec: how many crops there are.
    place: of a single crop, in [0, 1). None is the middle, or both ends and
      the middle of the longer side.
  """
  if place is not None:
    return [np.floor(place * (slack + 1)).astype(int)]
  if spec.views[1] == 1:
    return [slack // 2]
  return [slack * 0, slack // 2, slack]


def _select(
  annotation: examples.Keyframe, spec: ClipSpec
) -> tuple[np.ndarray, np.ndarray]:
  """Returns boxes [k, 4] and actions [k, c], best first; k is not limited.

  Ground truth comes before detections; ties keep the annotation's order.
  """
  sure = annotation.scores >= spec.min_score
  ranks = np.argsort(-annotation.scores[sure], kind='stable')
  found = annotation.detections[sure][ranks]
  shown = annotation.detected_actions[sure][ranks]
  if spec.boxes == 'detected':
    return found, shown
  if spec.boxes == 'ground_truth':
    return annotation.boxes, annotation.actions
  return (
    np.concatenate([annotation.boxes, found]),
    np.concatenate([annotation.actions, shown]),
  )


def select_boxes(
  annotation: examples.Keyframe, spec: ClipSpec
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the boxes [k, 4] that a clip shows, and their actions [k, c]."""
  boxes, actions = _select(annotation, spec)
  return boxes[: spec.max_boxes], actions[: spec.max_boxes]


def _fill_targets(
  clip: Mapping[str, np.ndarray], annotation: examples.Keyframe, spec: ClipSpec
) -> None:
  """Writes `boxes`, `box_valid` and `actions` into zeros."""
  boxes, actions = select_boxes(annotation, spec)
  n = len(boxes)
  clip['boxes'][:n], clip['actions'][:n] = boxes, actions
  clip['box_valid'][:n] = True


def count_dropped(source: examples.Source, spec: ClipSpec) -> int:
  """Returns how many boxes of the whole source `spec.max_boxes` cuts off.

  Boxes below `spec.min_score` are not meant to be there and do not count.
  """
  return sum(
    max(0, len(_select(source[i], spec)[0]) - spec.max_boxes)
    for i in range(len(source))
  )
