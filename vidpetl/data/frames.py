"""Folders of frames, read like the videos that they were taken from.

    <folder>/img_00001.jpg, img_00002.jpg, ...   or png; the last digits count

The first frame is shown from time 0 whatever its number, and each for 1 / fps
seconds: a folder does not know its frame rate, so its reader says it.
"""

from __future__ import annotations

import functools
import math
import os
import re
from collections.abc import Iterator
from typing import NamedTuple, Self

import av
import numpy as np
from etils import epath

from vidpetl.data import decode, orientation, picture

_CODECS = {'.jpg': 'mjpeg', '.jpeg': 'mjpeg', '.png': 'png'}

_NAME = re.compile(r'(.*?)(\d+)(\.[^.]*)')

# Of a frame. A frame's own time may have been rounded to just before it.
_ROUNDING = 1e-3


class _Numbering(NamedTuple):
  """How the frames of a folder are called: prefix, number, suffix."""

  prefix: str
  first: int
  digits: int
  suffix: str
  count: int

  def name(self, i: int) -> str:
    """Returns the name of frame `i`, counted from 0."""
    return f'{self.prefix}{self.first + i:0{self.digits}d}{self.suffix}'


# A whole event's folder has 100,000 frames, and is opened for each clip of it.
@functools.lru_cache(maxsize=4096)
def _numbering(folder: str, changed: int) -> _Numbering:
  """Lists a folder.

  Args:
    folder: with images, and possibly other files.
    changed: when it did, so that a list is not kept for longer.

  Raises:
    decode.DecodeError: unless the images are numbered without a gap.
  """
  del changed
  # Lists 100,000 names without making a path of each.
  with os.scandir(folder) as entries:
    names = {e.name for e in entries if _suffix(e.name) in _CODECS}
  numbers = {}
  for name in sorted(names):
    match = None if name.startswith('.') else _NAME.fullmatch(name)
    if match is None:
      reason = 'is no frame: its name has no number; remove it'
      raise decode.DecodeError(os.path.join(folder, name), reason)
    numbers[name] = int(match[2])
  if not numbers:
    raise decode.DecodeError(folder, 'has no frames (numbered jpg or png)')
  lowest = min(numbers, key=numbers.get)
  prefix, digits, suffix = _NAME.fullmatch(lowest).groups()
  found = _Numbering(prefix, int(digits), len(digits), suffix, len(numbers))
  expected = {found.name(i) for i in range(len(numbers))}
  if missing := sorted(expected - names):
    stray = min(names - expected, key=lambda name: (numbers[name], name))
    raise decode.DecodeError(
      os.path.join(folder, missing[0]),
      f'is missing: the frames of a folder are numbered without a gap, but '
      f'there is {stray}',
    )
  return found


def _suffix(name: str) -> str:
  # A string: there may be 100,000 frames, and epath takes ten times as long.
  return os.path.splitext(name)[1].lower()


class Frames(picture.Readable):
  """A folder of frames, with the interface of `decode.Video`.

  Attributes:
    name: in errors.
    fps: frames per second, as the caller says.
    frames: number of frames.
    duration: seconds.
  """

  def __init__(self, folder: str, name: str = '', fps: float | None = None):
    """Lists a folder; no frame is opened.

    Args:
      folder: with `*.jpg` or `*.png`.
      name: what errors call it; the path if left out.
      fps: frames per second; 25 by default.

    Raises:
      decode.DecodeError: if it has no frames, or not all of them.
    """
    self.name = name or folder
    self.fps = fps or decode.DEFAULT_FPS
    with decode.blaming(self.name):
      self._numbering = _numbering(folder, os.stat(folder).st_mtime_ns)
    self._folder = folder
    self.frames = self._numbering.count
    self.duration = self.frames / self.fps

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *unused) -> None:
    self.close()

  def close(self) -> None:
    """Does nothing: no file stays open."""

  def pictures(
    self, times: np.ndarray
  ) -> Iterator[tuple[np.ndarray, picture.Picture]]:
    """Yields each picture that is shown at one of the times, once.

    Opens no other file. See `picture.Readable`; errors name the file of a frame
    that cannot be decoded, or is of another size than the others.
    """
    times = np.asarray(times, np.float64)
    if not times.size:
      raise ValueError('no times to read frames at')
    indices = np.floor(times * self.fps + _ROUNDING)
    indices = np.clip(indices, 0, self.frames - 1).astype(int)
    for places, frame in self._choose(indices):
      yield places, picture.Picture(frame, self.name)

  def between(
    self, start: float, end: float
  ) -> Iterator[tuple[float, av.VideoFrame]]:
    """Yields (time, frame) from the frame shown at `start` to before `end`.

    Raises:
      decode.DecodeError: as `read` does.
    """
    first = min(int(start * self.fps + _ROUNDING), self.frames - 1)
    last = min(end * self.fps - _ROUNDING, self.frames)
    for places, frame in self._choose(np.arange(first, math.ceil(last))):
      yield (first + int(places[0])) / self.fps, frame

  def _choose(
    self, indices: np.ndarray
  ) -> Iterator[tuple[np.ndarray, av.VideoFrame]]:
    """Yields (places, frame) of each frame that is asked for, once."""
    sizes = set()
    for i in np.unique(indices):
      path = os.path.join(self._folder, self._numbering.name(i))
      with decode.blaming(path):
        frame = _decoded(path)
      sizes.add(orientation.shown_size(frame, None))
      if len(sizes) > 1:
        raise decode.DecodeError(path, f'frames of several sizes: {sizes}')
      yield np.flatnonzero(indices == i), frame


def _decoded(path: str) -> av.VideoFrame:
  """Returns the picture in a file.

  The decoder is used directly: to have its container probed takes seven times
  as long. It is a new one for each file: FFmpeg's for png keeps of a picture
  what spoils the next one.
  """
  decoder = av.CodecContext.create(_CODECS[_suffix(path)], 'r')
  decoder.thread_type = 'NONE'
  # Otherwise half a jpeg is a picture with a grey half.
  decoder.options = {'err_detect': 'explode'}
  with open(path, 'rb') as file:
    pictures = decoder.decode(av.Packet(file.read()))
  if not pictures:
    raise decode.DecodeError(path, 'holds no picture')
  return pictures[0]


def open_video(
  video: str | bytes, name: str = '', fps: float | None = None
) -> decode.Video | Frames:
  """Opens a video file, its bytes, or a folder of its frames.

  Args:
    video: path or encoded bytes.
    name: what errors call it; the path if left out.
    fps: of a folder of frames; a video file knows its own.

  Raises:
    decode.DecodeError: if it cannot be opened.
  """
  if isinstance(video, str) and epath.Path(video).is_dir():
    return Frames(video, name, fps)
  return decode.Video(video, name)
