"""One file, read once: header, first frame, and the times of all packets."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import stat
from collections.abc import Sequence
from typing import Any

import av
import numpy as np

from vidpetl.data import decode, frames, opening

# Of what a record says; with another one, files are read again.
VERSION = 1

EMPTY, UNREADABLE, TRUNCATED = 'empty', 'unreadable', 'truncated'
MISSING = 'missing'
# The container of a folder of frames.
FRAMES = 'frames'

# The first frame is decoded and made this small: only its size matters.
_SMALL = 16
# From one frame to the next, the longest time over the shortest one at which a
# frame rate still counts as constant: webm rounds 33.3 ms to 33 and 34.
_CONSTANT = 1.5
# Images of a folder whose bytes tell it from another one.
_IMAGES = 8


@dataclasses.dataclass(frozen=True)
class Record:
  """What is known of a file, or of a folder of frames.

  Attributes:
    size: in bytes; of a folder, the number of its files.
    fault: '' if it can be read, or one of the constants above.
    reason: of the fault.
    container: 'mp4', 'matroska', …; 'frames' of a folder.
    codec: 'h264', …
    duration: seconds, as training sees them.
    fps: frame rate, as training counts it.
    frames: how many, counted.
    width: of a frame in pixels, upright.
    height: of a frame in pixels, upright.
    variable: whether frames are shown for different times.
    gop: median number of frames from a keyframe to the next.
    longest_gop: largest number of them.
    content: hash of the encoded pictures, whatever file they are in.
  """

  size: int = 0
  fault: str = ''
  reason: str = ''
  container: str = ''
  codec: str = ''
  duration: float = 0.0
  fps: float = 0.0
  frames: int = 0
  width: int = 0
  height: int = 0
  variable: bool = False
  gop: float = 0.0
  longest_gop: int = 0
  content: str = ''

  @property
  def readable(self) -> bool:
    """Whether its frames can be read, if not all of them."""
    return self.fault in ('', TRUNCATED)


def read(path: str) -> Record:
  """Reads a file, whatever it is.

  Args:
    path: of a video, or of a folder of its frames.
  """
  try:
    status = os.stat(path)
  except OSError as error:
    return Record(fault=MISSING, reason=error.strerror or str(error))
  try:
    with decode.blaming(path):
      if stat.S_ISDIR(status.st_mode):
        return _read_folder(path)
      if not status.st_size:
        return Record(fault=EMPTY, reason='has no bytes')
      return _read_file(path, status.st_size)
  except decode.DecodeError as error:
    return Record(status.st_size, UNREADABLE, _plain(error.reason, path))


def _plain(reason: str, path: str) -> str:
  """Returns a reason without what FFmpeg's errors say for programs."""
  return re.sub(r'\[Errno \d+\] ', '', reason).replace(f": '{path}'", '')


def _read_file(path: str, size: int) -> Record:
  with decode.Video(path) as video:
    height, width = _size_of(video)
    stream = video.stream.index
    duration, fps = float(video.duration), float(video.fps)
  found = _packets(path, stream)
  fault = reason = ''
  missing = duration - found.pop('reached')
  if missing > 2 / fps + 1e-3 and (why := _missing_end(path)):
    fault = TRUNCATED
    reason = f'its last {missing:.2f} s of {duration:.2f} s are lost: {why}'
  return Record(
    size, fault, reason, duration=duration, fps=fps, width=width,
    height=height, **found,
  )  # fmt: skip


def _missing_end(path: str) -> str:
  """Returns why the end of a file cannot be shown; '' if it can.

  Clocks may jump, so that the packets' times alone are no proof.
  """
  try:
    with decode.Video(path) as video:
      video.read(np.array([video.duration]), (_SMALL, _SMALL))
  except decode.DecodeError as error:
    return _plain(error.reason, path)
  return ''


def _size_of(video: decode.Video | frames.Frames) -> tuple[int, int]:
  """Returns height and width of the first frame, having decoded it."""
  seen = []

  def shrink(height: int, width: int) -> tuple[int, int]:
    seen.append((height, width))
    return _SMALL, _SMALL

  video.read(np.zeros(1), shrink)
  return seen[0]


def _packets(path: str, index: int) -> dict[str, Any]:
  """Reads all packets of a stream.

  Returns:
    Fields of a record; and seconds 'reached' by the last packet, from the
    earlier one of the beginnings of the file and of the stream.
  """
  times, ends, keys = [], [], []
  content = hashlib.blake2b(digest_size=16)
  with av.open(path, metadata_errors='replace') as container:
    stream = container.streams[index]
    tick = float(stream.time_base)
    zeros = [(stream.start_time or 0) * tick]
    if container.start_time is not None:
      zeros.append(container.start_time / av.time_base)
    for packet in container.demux(stream):
      if not packet.size:
        continue
      content.update(packet)
      keys.append(packet.is_keyframe)
      # Raw streams have neither, some containers only the second.
      time = packet.dts if packet.pts is None else packet.pts
      if time is not None:
        times.append(time)
        ends.append(time + (packet.duration or 0))
    known = {
      'container': _container(container.format.name, path),
      'codec': stream.codec_context.codec.canonical_name,
    }
  median, longest = _gops(keys)
  return known | {
    'frames': len(keys),
    'variable': _is_variable(times),
    'gop': median,
    'longest_gop': longest,
    'content': content.hexdigest(),
    'reached': max(ends) * tick - min(zeros) if ends else float('inf'),
  }


def _container(names: str, path: str) -> str:
  """Returns the one of FFmpeg's names of a format that a file goes by."""
  listed = names.split(',')
  suffix = path.rpartition('.')[2].lower()
  return suffix if suffix in listed else listed[0]


def _gops(keys: Sequence[bool]) -> tuple[float, int]:
  """Returns the median and the largest distance of keyframes, in frames."""
  begins = np.flatnonzero([*keys, True])
  lengths = np.diff(np.union1d(begins, 0)) if keys else []
  if not len(lengths):
    return 0.0, 0
  return float(np.median(lengths)), int(max(lengths))


def _is_variable(times: Sequence[int]) -> bool:
  steps = np.diff(np.sort(np.asarray(times, np.int64)))
  steps = steps[steps > 0]
  if len(steps) < 3:
    return False
  # One gap, such as a pause, makes no variable rate.
  low, high = np.percentile(steps, [5, 95])
  # A tick of rounding on either side is no difference.
  return bool(high - 2 > _CONSTANT * low)


def _read_folder(path: str) -> Record:
  with frames.open_video(path) as video:
    height, width = _size_of(video)
    count, duration, fps = video.frames, video.duration, video.fps
  with os.scandir(path) as entries:
    images = sorted(e.name for e in entries if not e.name.startswith('.'))
  places = np.linspace(0, len(images) - 1, min(_IMAGES, len(images)))
  content = hashlib.blake2b(str(count).encode(), digest_size=16)
  for place in places.round().astype(int):
    content.update(opening.content(f'{path}/{images[place]}', 'picture'))
  return Record(
    len(images), container=FRAMES, codec=images[0].rpartition('.')[2],
    duration=duration, fps=fps, frames=count, width=width, height=height,
    gop=1.0, longest_gop=1, content=content.hexdigest(),
  )  # fmt: skip
