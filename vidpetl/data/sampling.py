"""Which frames of a video make a clip.

Where frames are counted, they are counted from 1 at the beginning of what is
annotated (from 0 and the beginning of the file for 'tail'), at the frame rate
of the spec, and read in the middle of the time that each is shown: no rounding
then takes a neighbour. Speeds and places follow from the example's seed alone.
"""

from __future__ import annotations

import numpy as np

from vidpetl.data import clip_spec, decode, examples, index
from vidpetl.data import frames as frames_lib

# Seconds before and after a keyframe that pretext clips are drawn from.
_AROUND_KEYFRAME = 2.0

# Last frames of a video that VSPP leaves alone.
_VSPP_SPARED = 3

# Frames that must follow one at natural speed, lest the walk begins anew: the
# next may be at any speed.
_VSPP_AHEAD = 4


def frame_times(
  video: decode.Video | frames_lib.Frames,
  annotation: examples.Classified | examples.Keyframe | examples.Performance,
  spec: clip_spec.ClipSpec,
  info: examples.Info,
  seed: np.ndarray,
  member: int = 0,
) -> np.ndarray:
  """Returns the time of each frame on the file's clock, float64 [clips, t].

  Args:
    video: opened.
    annotation: what to show of it.
    spec: how to cut it.
    info: of the annotation's source.
    seed: uint32 [2]; decides where a training clip begins.
    member: which video of the clip this is: 1 for an exemplar, whose draws are
      its own.

  Raises:
    decode.DecodeError: if the video holds nothing of what is annotated.
  """
  fps = spec.fps or info.fps or video.fps
  if isinstance(annotation, examples.Keyframe) and not spec.is_pretext:
    return _around(video, annotation, spec, fps)
  begin, end = _extent(video, annotation)
  extent = end - begin
  count = max(1, round(extent * fps))
  if spec.sampling == 'stride':
    moment = draws(seed, member)[0]
    return begin + _strides(extent, spec, fps, np.array([moment]))
  if spec.sampling == 'pair':
    moments = np.array([draws(seed, k)[0] for k in range(2)])
    return begin + _strides(extent, spec, fps, moments)
  if spec.sampling == 'tail':
    shift = 0
    if spec.train:
      shift = int(draws(seed, member)[0] * (2 * spec.shift + 1)) - spec.shift
    total = max(1, round(video.duration * fps))
    frames = tail(round(end * fps), spec.frames, total, shift)
    return ((frames + 0.5) / fps)[None]
  if spec.sampling == 'spread':
    frames = spread(spec.frames, count)
  else:
    frames = _paced(spec, count, seed)
  return (begin + (frames - 0.5) / fps)[None]


def draws(seed: np.ndarray, member: int = 0) -> tuple[float, float]:
  """Returns a training clip's place in time and in space, both in [0, 1).

  Args:
    seed: uint32 [2], of the example.
    member: which of the example's clips; each has draws of its own.
  """
  key = (*(int(word) for word in seed), *((member,) if member else ()))
  moment, place = index.uniform(2, 'clip', *key)
  return moment, place


def pretext_labels(
  spec: clip_spec.ClipSpec, seed: np.ndarray
) -> dict[str, int]:
  """Returns 'speed' and, of 'vspp', 'part', both counted from 0."""
  rate, part, _ = _pretext_draws(spec, seed)
  if spec.sampling == 'vspp':
    return {'speed': rate - 1, 'part': part - 1}
  return {'speed': rate - 1} if spec.sampling == 'pace' else {}


def step_places(times: np.ndarray, steps: np.ndarray) -> np.ndarray:
  """Returns where steps of an action begin among the frames of a clip.

  Args:
    times: [t] of the frames; of a clip that loops, the first round counts.
    steps: [k] seconds at which steps begin, nan where unknown.

  Returns:
    float32 [k] in [0, t - 1], fractions between two frames; nan where unknown.
  """
  back = np.flatnonzero(np.diff(times) < 0)
  shown = times[: back[0] + 1] if len(back) else times
  return np.interp(steps, shown, np.arange(len(shown))).astype(np.float32)


def spread(frames: int, count: int) -> np.ndarray:
  """Returns `frames` of the frames 1 to `count`, evenly, with both ends.

  A place between two frames takes the earlier one.
  """
  places = np.linspace(0, count - 1, frames)
  # The margin keeps what rounding puts just before a frame on that frame.
  return 1 + np.floor(places + 1e-6).astype(np.int64)


def tail(end: int, frames: int, total: int, shift: int = 0) -> np.ndarray:
  """Returns the last frames before frame number `end`, counted from 0.

  Args:
    end: first frame that is not to be shown.
    frames: how many to show.
    total: number of frames in the file. It may have to be left neither at its
      beginning nor at its end: the clip is moved into it. If it is shorter
      than the clip, its last frame is repeated.
    shift: moves the clip by so many frames.
  """
  begin = max(0, min(end - frames + shift, total - frames))
  return np.minimum(begin + np.arange(frames), total - 1)


def vspp(
  start: int,
  rate: int,
  part: int,
  *,
  frames: int,
  parts: int,
  natural: int,
  count: int,
) -> np.ndarray:
  """Returns the frames of video segment pace prediction, counted from 1.

  Frames i with floor((part - 1) L / zeta) <= i <= floor(part L / zeta) come
  `rate` after the one before, the first one after them comes 1 after it, and
  all others `natural`. The part has both ends, and so one frame more than its
  share. The walk goes on at frame 1 where a frame would lie beyond the last
  one, or fewer than 4 frames would be left behind one at natural speed.

  Args:
    start: first frame.
    rate: speed of the part.
    part: which one is at that speed, 1 to `parts`.
    frames: L, of the clip.
    parts: zeta.
    natural: speed of the other parts.
    count: last frame that may be shown.
  """
  first, last = (part - 1) * frames // parts, part * frames // parts
  walk = [start]
  for i in range(1, frames):
    paced_before = first <= i - 1 <= last
    if walk[-1] + (rate if paced_before else _VSPP_AHEAD) > count:
      walk.append(1)
    elif first <= i <= last:
      walk.append(walk[-1] + rate)
    else:
      walk.append(walk[-1] + (1 if paced_before else natural))
  return np.array(walk)


def pace(start: int, rate: int, *, frames: int, count: int) -> np.ndarray:
  """Returns every `rate`th frame from `start`, at 1 again beyond `count`."""
  walk = [start]
  while len(walk) < frames:
    following = walk[-1] + rate
    walk.append(following if following <= count else 1)
  return np.array(walk)


def _pretext_draws(
  spec: clip_spec.ClipSpec, seed: np.ndarray
) -> tuple[int, int, float]:
  """Returns rate, part, and the place in time in [0, 1)."""
  speed, part, moment = index.uniform(3, 'pretext', *(int(w) for w in seed))
  rate = spec.speeds[int(speed * len(spec.speeds))]
  return rate, 1 + int(part * spec.parts), moment


def _paced(
  spec: clip_spec.ClipSpec, count: int, seed: np.ndarray
) -> np.ndarray:
  """Returns frames [t] of 'vspp' or 'pace' in a video of `count` frames."""
  rate, part, moment = _pretext_draws(spec, seed)
  if spec.sampling == 'pace':
    start = 1 + int(moment * count)
    return pace(start, rate, frames=spec.frames, count=count)
  count = max(1, count - _VSPP_SPARED)
  return vspp(
    1 + int(moment * max(1, count - spec.frames)),
    rate,
    part,
    frames=spec.frames,
    parts=spec.parts,
    natural=spec.natural,
    count=count,
  )


def _around(
  video: decode.Video | frames_lib.Frames,
  keyframe: examples.Keyframe,
  spec: clip_spec.ClipSpec,
  fps: float,
) -> np.ndarray:
  """Returns times [1, t] of strides around a keyframe."""
  steps = np.arange(spec.frames) * (spec.stride / fps)
  # The keyframe is element t / 2: 16 of 32, with 16 before and 15 after.
  times = keyframe.time + steps - steps[spec.frames // 2]
  if times[0] > video.duration or times[-1] < 0:
    raise _outside(video, keyframe)
  return times[None]


def _outside(
  video: decode.Video | frames_lib.Frames, keyframe: examples.Keyframe
) -> decode.DecodeError:
  return decode.DecodeError(
    video.name,
    f'keyframe at {keyframe.time:.2f} s is outside of its '
    f'{video.duration:.2f} s; does the file begin where the annotation '
    'says (video_start)?',
  )


def _extent(
  video: decode.Video | frames_lib.Frames,
  annotation: examples.Classified | examples.Keyframe | examples.Performance,
) -> tuple[float, float]:
  """Returns from when to when clips may be drawn, in seconds of the file."""
  if isinstance(annotation, examples.Keyframe):
    begin = max(0.0, annotation.time - _AROUND_KEYFRAME)
    end = min(video.duration, annotation.time + _AROUND_KEYFRAME)
    if begin >= end:
      raise _outside(video, annotation)
    return begin, end
  end = video.duration
  if annotation.end is not None:
    end = min(annotation.end, end)
  if end - annotation.start <= 0:
    raise decode.DecodeError(
      video.name,
      f'the clip from {annotation.start:.2f} s to {annotation.end} is outside '
      f'of its {video.duration:.2f} s',
    )
  return annotation.start, end


def _strides(
  extent: float,
  spec: clip_spec.ClipSpec,
  fps: float,
  moments: np.ndarray,
) -> np.ndarray:
  """Returns times [clips, t] in an extent, even steps that loop if need be.

  Args:
    extent: seconds.
    spec: how to cut clips.
    fps: in which the stride counts.
    moments: [clips] in [0, 1), where clips that are drawn begin.
  """
  steps = np.arange(spec.frames) * (spec.stride / fps)
  slack = max(0.0, extent - spec.frames * spec.stride / fps)
  if spec.train or spec.is_pretext:
    begins = moments * slack
  elif spec.views[0] == 1:
    begins = np.array([slack / 2])
  else:
    begins = np.linspace(0, slack, spec.views[0])
  times = begins[:, None] + steps
  # What is shorter than the clip loops. The margin keeps a frame that rounding
  # puts just before the end from repeating the last frame.
  loops = np.floor(times / extent + 1e-6)
  return np.maximum(times - loops * extent, 0)
