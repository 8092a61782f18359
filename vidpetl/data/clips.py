"""From an annotated video to a clip: a dict of arrays of fixed shapes.

Keys of a clip (t frames, R resolution):

  video: uint8 [t, R, R, 3], content at the top left, zeros below and right of
    it; with several test views [v, t, R, R, 3]; with two clips of an example,
    or an example and its partner, [2, t, R, R, 3].
  size: int32 [2], height and width of the content.
  index: int32 [], of the example in its source.
  seed: uint32 [2], the example's key for augmentation on the device.
  valid: bool [], False if the video could not be decoded (`video` is zeros and
    `size` 0 then).

and what the modules of `kinds` say of the annotation. Clips of a `ClipSpec` of
kind 'unlabelled' have none of it, but the sampler's `answers`, int32 [] each.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

from vidpetl.data import (
  decode,
  examples,
  frames,
  framing,
  picture,
  samplers,
  sampling,
)
from vidpetl.data import quarantine as quarantine_lib
from vidpetl.data.clip_spec import ClipSpec

_ALIGNED = 64  # Bytes.


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
    **dict.fromkeys(spec.sampler.answers, ((), np.int32)),
    **spec.kind.signature(info, (2,) if spec.paired else ()),
  }
  return {key: (shape, np.dtype(kind)) for key, (shape, kind) in shapes.items()}


def _aligned(
  info: examples.Info, spec: ClipSpec, rows: tuple[int, ...]
) -> dict[str, tuple[int, int, tuple[int, ...], np.dtype]]:
  """Returns where each array begins and ends in memory, its shape and dtype.

  All begin at a multiple of 64 bytes: TensorFlow takes such an array as it is,
  and copies others.
  """
  places, end = {}, 0
  for key, (shape, kind) in signature(info, spec).items():
    begin = -(-end // _ALIGNED) * _ALIGNED
    shape = (*rows, *shape)
    end = begin + math.prod(shape) * kind.itemsize
    places[key] = begin, end, shape, kind
  return places


def size(info: examples.Info, spec: ClipSpec, rows: tuple[int, ...]) -> int:
  """Returns the bytes of memory that clips [*rows, ...] take."""
  return max(end for _, end, *_ in _aligned(info, spec, rows).values())


def laid_out(
  memory: np.ndarray, info: examples.Info, spec: ClipSpec, rows: tuple[int, ...]
) -> dict[str, np.ndarray]:
  """Returns clips [*rows, ...] that lie in memory, uint8 [`size`]."""
  return {
    key: memory[begin:end].view(kind).reshape(shape)
    for key, (begin, end, shape, kind) in _aligned(info, spec, rows).items()
  }


def padding(
  info: examples.Info, spec: ClipSpec, rows: tuple[int, ...] = ()
) -> dict[str, np.ndarray]:
  """Returns clips [*rows, ...] that are no examples: all zeros, index -1."""
  clip = {}
  for key, (shape, kind) in signature(info, spec).items():
    # Each has memory of its own: who keeps labels keeps no videos.
    shape = (*rows, *shape)
    count = math.prod(shape) * kind.itemsize
    memory = np.zeros(count + _ALIGNED, np.uint8)
    begin = -memory.ctypes.data % _ALIGNED
    clip[key] = memory[begin : begin + count].view(kind).reshape(shape)
  clip['index'][...] = -1
  return clip


def members(
  source: examples.Source, i: int, spec: ClipSpec, seed: np.ndarray
) -> tuple[int, ...]:
  """Returns the examples that a clip shows: one, or it and its partner.

  Args:
    source: annotations.
    i: which example.
    spec: how to cut it.
    seed: uint32 [2], of the clip.

  Raises:
    ValueError: if an example has no partner.
  """
  if not spec.paired:
    return (i,)
  draws = samplers.Draws(np.asarray(seed))
  return i, spec.kind.partner(source, i, draws)


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
    ValueError: if an example has no partner.
  """
  clip = padding(source.info, spec) if out is None else out
  shown = members(source, i, spec, seed)
  return fill(source, shown, spec, seed, quarantine, clip)


def fill(
  source: examples.Source,
  shown: Sequence[int],
  spec: ClipSpec,
  seed: np.ndarray,
  quarantine: quarantine_lib.Quarantine | None,
  clip: Mapping[str, np.ndarray],
) -> Mapping[str, np.ndarray]:
  """Returns `clip` with what its `members` show; see `load`."""
  clip['index'][...] = shown[0]
  clip['seed'][:] = seed
  draws = samplers.Draws(np.asarray(seed))
  try:
    for k, reading in enumerate(shown):
      part = _member(clip, k) if spec.paired else clip
      _fill(part, source, reading, spec, draws.of(k))
  except decode.DecodeError as error:
    if quarantine is None:
      raise
    quarantine.add(source, reading, error.name, error.reason)
    clip['video'][...] = 0
    clip['size'][:] = 0
    return clip
  clip['valid'][...] = True
  if quarantine is not None:
    quarantine.succeed(source)
  return clip


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
  draws: samplers.Draws,
) -> None:
  """Writes the labels and the video of an example into zeros."""
  annotation, video = source[i], source.video(i)
  slot = Slot(clip, annotation, spec, draws)
  name = full_name(video, annotation.id, source.info)
  with frames.open_video(video, name, source.info.fps) as opened:
    times = sampling.frame_times(opened, annotation, spec, source.info, draws)
    slot.begin(times)
    for places, shown in opened.pictures(times.ravel()):
      slot.show(places, shown)
  slot.finish()


class Slot:
  """A clip that is being filled: first labels, then frame by frame."""

  def __init__(
    self,
    clip: Mapping[str, np.ndarray],
    annotation: Any,
    spec: ClipSpec,
    draws: samplers.Draws,
  ):
    """Writes the labels.

    Args:
      clip: zeros, as of `padding`.
      annotation: what to show, an example of the source's kind.
      spec: how to cut it.
      draws: what is random in the clip.
    """
    self._clip, self._annotation = clip, annotation
    self._spec, self._draws = spec, draws
    self._times = np.zeros((0, 0))
    self._windows: list[list[framing.Window]] = []
    for key, answer in spec.sampler.labels(draws).items():
      clip[key][...] = answer
    spec.kind.fill(clip, annotation)

  def begin(self, times: np.ndarray) -> None:
    """Takes when frames are shown, seconds [clips, t]: see `sampling`."""
    self._times = times

  def show(self, places: np.ndarray, shown: picture.Picture) -> None:
    """Writes a picture to its places among all times, int [n]."""
    count, length = self._times.shape
    out = self._clip['video']
    crops = out.reshape(count, -1, length, *out.shape[-3:])
    spec, draws = self._spec, self._draws
    if not self._windows:
      self._windows = [
        _windows(shown, spec, draws.of(draws.member + k)) for k in range(count)
      ]
    resized: dict[tuple[int, int], np.ndarray] = {}
    for k, t in zip(*np.divmod(places, length)):
      for crop, window in zip(crops[k], self._windows[k]):
        if window.whole not in resized:
          resized[window.whole] = shown.rgb(
            *window.whole, spec.framing.interpolation
          )
        crop[t, : window.rows, : window.columns] = window.of(
          resized[window.whole]
        )

  def finish(self) -> None:
    """Writes what is known once all frames are there."""
    window = self._windows[0][0]
    self._clip['size'][:] = window.rows, window.columns
    self._spec.kind.place(self._clip, self._times[0])


def _windows(
  shown: picture.Picture, spec: ClipSpec, draws: samplers.Draws
) -> list[framing.Window]:
  """Returns the crops of a clip; in training, each clip draws its own."""
  size = shown.height, shown.width
  if spec.train:
    return [spec.framing.train(*size, draws)]
  return spec.framing.test(*size, spec.views[1])


def full_name(video: str | bytes, example: str, info: examples.Info) -> str:
  """Returns what errors call a video: its whole path, or its record."""
  if isinstance(video, str):
    return os.fspath(epath.Path(video).absolute())
  return f'{info.name}/{info.split}: {example}'
