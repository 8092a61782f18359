"""When the frames of a clip are, by its sampler and its source's kind."""

from __future__ import annotations

from typing import Any

import numpy as np

from vidpetl.data import clip_spec, decode, examples, frames, kinds, samplers


def frame_times(
  video: decode.Video | frames.Frames,
  annotation: Any,
  spec: clip_spec.ClipSpec,
  info: examples.Info,
  draws: samplers.Draws,
) -> np.ndarray:
  """Returns the time of each frame on the file's clock, float64 [clips, t].

  Args:
    video: opened.
    annotation: what to show of it, an example of the source's kind.
    spec: how to cut it.
    info: of the annotation's source.
    draws: what is random in the clip.

  Raises:
    decode.DecodeError: if the video holds nothing of what is annotated.
  """
  kind = kinds.load(info.kind)
  extent = kind.extent(annotation, video.duration)
  fps = spec.fps or info.fps or video.fps
  try:
    return spec.sampler.times(extent, spec, fps, draws)
  except samplers.OutsideError:
    reason = kind.outside(annotation, video.duration)
    raise decode.DecodeError(video.name, reason) from None
