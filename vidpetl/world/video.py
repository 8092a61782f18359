"""Writing frames as the encoded files that datasets come as."""

from __future__ import annotations

from collections.abc import Iterable

import av
import numpy as np
from etils import epath
from PIL import Image

FPS = 15

# By suffix: container, encoder, and its options. One thread each: many videos
# are written at once, and the bytes must not depend on the machine.
_FORMATS = {
  '.mp4': ('mp4', 'libx264', {'preset': 'ultrafast', 'crf': '24'}),
  '.webm': (
    'webm',
    'libvpx-vp9',
    {'deadline': 'realtime', 'cpu-used': '8', 'crf': '34', 'b:v': '0'},
  ),
  '.avi': ('avi', 'mpeg4', {'flags': '+qscale', 'global_quality': '472'}),
}


def write(
  path: epath.Path,
  frames: Iterable[np.ndarray],
  *,
  fps: int = FPS,
  gop: int = 30,
) -> None:
  """Encodes frames uint8 [h, w, 3] as H.264, VP9 or MPEG-4 by the suffix.

  Args:
    path: ends in .mp4, .webm or .avi; its folder is made if need be.
    frames: all of one, even, size.
    fps: frames per second.
    gop: frames from one keyframe to the next.

  Raises:
    ValueError: the suffix is none of the three.
  """
  if path.suffix not in _FORMATS:
    raise ValueError(f'{path}: no encoder for {path.suffix!r}, only for '
                     f'{", ".join(_FORMATS)}.')  # fmt: skip
  container, codec, options = _FORMATS[path.suffix]
  path.parent.mkdir(parents=True, exist_ok=True)
  # Otherwise WebM files carry random identifiers.
  muxing = {'fflags': '+bitexact'}
  with av.open(str(path), 'w', format=container, options=muxing) as file:
    stream = None
    for frame in frames:
      if stream is None:
        options = {**options, 'threads': '1'}
        stream = file.add_stream(codec, rate=fps, options=options)
        stream.height, stream.width = frame.shape[:2]
        stream.pix_fmt = 'yuv420p'
        stream.gop_size = gop
      picture = av.VideoFrame.from_ndarray(frame, format='rgb24')
      file.mux(stream.encode(picture))
    file.mux(stream.encode())


def write_frames(folder: epath.Path, frames: Iterable[np.ndarray]) -> int:
  """Writes frames uint8 [h, w, 3] as 00001.jpg and so on.

  Args:
    folder: is made if need be.
    frames: of a video.

  Returns:
    How many there were.
  """
  folder.mkdir(parents=True, exist_ok=True)
  count = 0
  for frame in frames:
    count += 1
    Image.fromarray(frame).save(folder / f'{count:05d}.jpg', quality=92)
  return count
