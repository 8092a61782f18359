"""From an annotated video to a clip: a dict of arrays of fixed shapes.

Keys of a clip (t frames, R resolution, n boxes, c actions):

  video: uint8 [t, R, R, 3], content at the top left, zeros below and right of
    it; with several test views [v, t, R, R, 3].
  size: int32 [2], height and width of the content.
  index: int32 [], of the example in its source.
  seed: uint32 [2], the example's key for augmentation on the device.
  valid: bool [], False if the video could not be decoded (`video` is zeros and
    `size` 0 then).
  label: int32 [], classification only.
  boxes: float32 [n, 4], localisation only: x1, y1, x2, y2 as fractions of the
    content; zeros where not valid.
  box_valid: bool [n].
  actions: float32 [n, c], multi-hot.
"""

from __future__ import annotations

import csv
import dataclasses
import math
import os
import threading
from collections.abc import Mapping

import numpy as np

from vidpetl.data import decode, examples, index

BOXES = ('detected', 'ground_truth', 'both')
RESIZES = ('pad', 'crop')


@dataclasses.dataclass(frozen=True)
class ClipSpec:
  """How clips are cut from videos.

  Attributes:
    frames: of a clip.
    stride: between its frames, counted in frames of `fps`.
    fps: frame rate in which strides count; None takes the source's nominal
      rate, and each file's own where the source names none.
    resolution: R, side of the square that the model sees.
    resize: 'pad' makes the longer side R; 'crop' makes the shorter side R
      and cuts out R x R.
    views: (clips, crops) at evaluation: clips spread evenly over the video,
      each with 1 (centred) or 3 crops along the longer side.
    max_boxes: boxes of an example, the best-scoring first.
    boxes: 'detected', 'ground_truth', or 'both'.
    min_score: detections scoring less are left out.
    train: random in time and, with 'crop', in place.
  """

  frames: int = 32
  stride: float = 2
  fps: float | None = None
  resolution: int = 224
  resize: str = 'pad'
  views: tuple[int, int] = (1, 1)
  max_boxes: int = 32
  boxes: str = 'detected'
  min_score: float = 0.8
  train: bool = False

  def __post_init__(self):
    # A config's list, so that equal specs stay equal and hashable.
    object.__setattr__(self, 'views', tuple(self.views))
    for field in ('frames', 'stride', 'resolution', 'max_boxes'):
      if getattr(self, field) <= 0:
        raise ValueError(f'{field} must be positive, not {self}')
    if self.fps is not None and self.fps <= 0:
      raise ValueError(f'fps must be positive or None, not {self.fps}')
    for field, choices in (('resize', RESIZES), ('boxes', BOXES)):
      if getattr(self, field) not in choices:
        raise ValueError(
          f'{field} is {getattr(self, field)!r}, none of {choices}'
        )
    if len(self.views) != 2 or self.views[0] < 1 or self.views[1] not in (1, 3):
      raise ValueError(
        f'views is {self.views}: (clips, crops) with clips >= 1, crops 1 or 3'
      )
    if self.train and self.views != (1, 1):
      raise ValueError(f'views {self.views} are for evaluation, not training')
    if self.views[1] > 1 and self.resize != 'crop':
      raise ValueError(f"{self.views[1]} crops need resize='crop'")

  @property
  def num_views(self) -> int:
    return self.views[0] * self.views[1]

  def check(self, info: examples.Info) -> None:
    """Raises ValueError if clips of such a source cannot be cut like this."""
    if info.kind == 'localisation' and (
      self.resize != 'pad' or self.num_views > 1
    ):
      raise ValueError(
        f'{info.name} has boxes: they need resize="pad" and views (1, 1), '
        f'not {self.resize!r} and {self.views}'
      )


class TooManyUndecodableError(Exception):
  """So many videos cannot be read that something else must be wrong."""


class Quarantine:
  """Collects undecodable examples from many threads.

  An example is listed once, however often it was tried.
  """

  # Below so many failures a share says nothing yet.
  FEW = 32

  def __init__(self, limit: float = 1.0):
    """Opens an empty list.

    Args:
      limit: the largest share of all tries that may fail.
    """
    self._limit = limit
    self._lock = threading.Lock()
    self._rows: dict[str, tuple[str, str]] = {}
    self._tries = self._failures = 0

  def succeed(self) -> None:
    """Counts a try."""
    with self._lock:
      self._tries += 1

  def add(self, example: str, path: str, reason: str) -> None:
    """Counts a failed try, and lists the example.

    Args:
      example: its id.
      path: of its video, or what stands for it.
      reason: why it cannot be read.

    Raises:
      TooManyUndecodableError: if more than the limit failed.
    """
    with self._lock:
      self._rows.setdefault(example, (path, reason))
      self._tries += 1
      self._failures += 1
      few = self._failures < self.FEW
      if few or self._failures <= self._limit * self._tries:
        return
      raise TooManyUndecodableError(
        f'{self._failures} of {self._tries} clips could not be decoded, more '
        f'than config.input.max_undecodable={self._limit:g}. The last one: '
        f'{example} ({path}): {reason}. If the storage is all right, remove '
        'these examples or raise the limit; the same command goes on from the '
        'last checkpoint.'
      )

  def __len__(self) -> int:
    with self._lock:
      return len(self._rows)

  def rows(self) -> list[tuple[str, str, str]]:
    """Returns (id, path, reason) of what is listed, sorted by id."""
    with self._lock:
      return sorted((key, *row) for key, row in self._rows.items())

  def write(self, path: str | os.PathLike) -> None:
    """Writes a csv with header id,path,reason."""
    with open(path, 'w', newline='') as file:
      writer = csv.writer(file)
      writer.writerow(('id', 'path', 'reason'))
      writer.writerows(self.rows())


def signature(
  info: examples.Info, spec: ClipSpec
) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
  """Returns shape and dtype of each array of a clip."""
  views = (spec.num_views,) if spec.num_views > 1 else ()
  side = spec.resolution
  shapes = {
    'video': ((*views, spec.frames, side, side, 3), np.uint8),
    'size': ((2,), np.int32),
    'index': ((), np.int32),
    'seed': ((2,), np.uint32),
    'valid': ((), np.bool_),
  }
  if info.kind == 'classification':
    shapes['label'] = ((), np.int32)
  else:
    n = spec.max_boxes
    shapes['boxes'] = ((n, 4), np.float32)
    shapes['box_valid'] = ((n,), np.bool_)
    shapes['actions'] = ((n, info.num_classes), np.float32)
  return {key: (shape, np.dtype(kind)) for key, (shape, kind) in shapes.items()}


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
  quarantine: Quarantine | None = None,
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
  """
  annotation = source[i]
  clip = padding(source.info, spec) if out is None else out
  clip['index'][...] = i
  clip['seed'][:] = seed
  if isinstance(annotation, examples.Keyframe):
    _fill_targets(clip, annotation, spec)
  else:
    clip['label'][...] = annotation.label
  try:
    clip['size'][:] = _fill_video(clip['video'], source, i, spec, seed)
  except decode.DecodeError as error:
    if quarantine is None:
      raise
    quarantine.add(annotation.id, error.name, error.reason)
    clip['video'][:] = 0
    return clip
  clip['valid'][...] = True
  if quarantine is not None:
    quarantine.succeed()
  return clip


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
) -> tuple[int, int]:
  """Writes frames into zeros [(v,) t, R, R, 3]; returns the content's size."""
  annotation, video = source[i], source.video(i)
  name = video if isinstance(video, str) else annotation.id
  side = spec.resolution
  flat = out.reshape(-1, side, side, 3)
  with decode.Video(video, name) as opened:
    times = frame_times(opened, annotation, spec, source.info, seed)
    frames = opened.read(
      times.ravel(),
      lambda height, width: target_size(height, width, spec),
      # Straight to its place: a clip at 512 pixels is 25 MB.
      (lambda height, width: flat[:, :height, :width])
      if spec.resize == 'pad'
      else None,
    )
  if spec.resize == 'crop':
    frames = frames.reshape(*times.shape, *frames.shape[1:])
    out[:] = _crop(frames, spec, _draws(seed)[1]).reshape(out.shape)
    return side, side
  return frames.shape[1:3]


def _crop(frames: np.ndarray, spec: ClipSpec, place: float) -> np.ndarray:
  """Returns R x R crops of [v, t, h, w, 3] as [v, crops, t, R, R, 3].

  In training the place is drawn; at evaluation it is the middle, or both ends
  and the middle of the longer side.
  """
  side = spec.resolution
  slack = np.array(frames.shape[2:4]) - side
  if spec.train:
    corners = [np.floor(place * (slack + 1)).astype(int)]
  elif spec.views[1] == 1:
    corners = [slack // 2]
  else:
    corners = [slack * 0, slack // 2, slack]
  crops = [frames[:, :, y : y + side, x : x + side] for y, x in corners]
  return np.stack(crops, axis=1)


def _draws(seed: np.ndarray) -> tuple[float, float]:
  """Returns a training clip's place in time and in space, both in [0, 1)."""
  moment, place = index.uniform(2, 'clip', *(int(word) for word in seed))
  return moment, place


def frame_times(
  video: decode.Video,
  annotation: examples.Classified | examples.Keyframe,
  spec: ClipSpec,
  info: examples.Info,
  seed: np.ndarray,
) -> np.ndarray:
  """Returns the time of each frame on the file's clock, float64 [clips, t].

  Args:
    video: opened.
    annotation: what to show of it.
    spec: how to cut it.
    info: of the annotation's source.
    seed: uint32 [2]; decides where a training clip begins.

  Raises:
    decode.DecodeError: if the video holds nothing of what is annotated.
  """
  fps = spec.fps or info.fps or video.fps
  steps = np.arange(spec.frames) * (spec.stride / fps)
  if isinstance(annotation, examples.Keyframe):
    # The keyframe is element t / 2: 16 of 32, with 16 before and 15 after.
    times = annotation.time + steps - steps[spec.frames // 2]
    if times[0] > video.duration or times[-1] < 0:
      raise decode.DecodeError(
        video.name,
        f'keyframe at {annotation.time:.2f} s is outside of its '
        f'{video.duration:.2f} s; does the file begin where the annotation '
        'says (video_start)?',
      )
    return times[None]
  end = video.duration
  if annotation.end is not None:
    end = min(annotation.end, end)
  extent = end - annotation.start
  if extent <= 0:
    raise decode.DecodeError(
      video.name,
      f'the clip from {annotation.start:.2f} s to {annotation.end} is outside '
      f'of its {video.duration:.2f} s',
    )
  slack = max(0.0, extent - spec.frames * spec.stride / fps)
  if spec.train:
    begins = np.array([_draws(seed)[0] * slack])
  elif spec.views[0] == 1:
    begins = np.array([slack / 2])
  else:
    begins = np.linspace(0, slack, spec.views[0])
  times = begins[:, None] + steps
  # What is shorter than the clip loops. The margin keeps a frame that rounding
  # puts just before the end from repeating the last frame.
  loops = np.floor(times / extent + 1e-6)
  return annotation.start + np.maximum(times - loops * extent, 0)


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
