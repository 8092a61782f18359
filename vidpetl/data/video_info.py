"""What a file says of its video."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class VideoInfo:
  """What a file says of its video.

  Attributes:
    duration: seconds from the file's beginning to the last picture's end.
    fps: average frame rate.
    width: of a frame in square pixels, upright.
    height: of a frame in square pixels, upright.
    frames: how many, by the container's count or its duration.
    codec: its name in FFmpeg, e.g. 'h264'.
  """

  duration: float
  fps: float
  width: int
  height: int
  frames: int
  codec: str = ''
