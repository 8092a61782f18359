"""Folders of frames, read like the videos that they were taken from.

    <folder>/img_00001.jpg, img_00002.jpg, ...   the last digits count
    <folder>/img (1).jpg, img (2).jpg, ...       as Windows numbers files

Frames are jpg, png, bmp, webp or tif. Images of optical flow beside them
(`flow_x_*`, as extractors leave them) are no frames. The first frame is shown
from time 0 whatever its number, and each for 1 / fps seconds: a folder does not
know its frame rate, so its reader says it.
"""

from __future__ import annotations

import functools
import math
import os
import re
import struct
from collections.abc import Iterator
from typing import NamedTuple, Self

import av
import numpy as np
from etils import epath

from vidpetl import bounds, mistakes
from vidpetl.data import (
  damage,
  decode,
  faults,
  names,
  opening,
  orientation,
  picture,
)

SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')
# First bytes of a picture -> its decoder. Suffixes lie: many a tool that is
# asked for a .jpg leaves the bytes that it was given, a png or webp.
_CODECS = {
  b'\xff\xd8': 'mjpeg',
  b'\x89PNG': 'png',
  b'BM': 'bmp',
  b'RIFF': 'webp',
  b'II*\0': 'tiff',
  b'MM\0*': 'tiff',
}

_NAME = re.compile(r'(.*?)(\d+)(\)?\.[^.]*)')

# 'flow_x_00001.jpg' and 'flow_y', and not 'flower'.
_FLOW = re.compile(r'flow(?![a-z])', re.IGNORECASE)

# Of a frame. A frame's own time may have been rounded to just before it.
_ROUNDING = 1e-3


def is_image(name: str) -> bool:
  """Returns whether a file is an image of a kind that frames are."""
  # A string: there may be 100,000 frames, and epath takes ten times as long.
  return os.path.splitext(name)[1].lower() in SUFFIXES


def is_flow(name: str) -> bool:
  """Returns whether a file or a folder is called as optical flow is."""
  return _FLOW.match(name) is not None


def is_frame(name: str) -> bool:
  """Returns whether a file is called as a frame is: a numbered image."""
  return (
    is_image(name)
    and _NAME.fullmatch(name) is not None
    and not is_flow(name)
    and not names.is_litter(name)
  )


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
    images = {e.name for e in entries if _is_of_video(e.name)}
  numbers = {}
  for name in sorted(images):
    match = _NAME.fullmatch(name)
    if match is None:
      reason = 'is no frame: its name does not end in a number; remove it'
      raise decode.DecodeError(_shown(folder, name), reason)
    numbers[name] = int(match[2])
  if not numbers:
    raise decode.DecodeError(
      _shown(folder), f'has no frames (numbered {" ".join(SUFFIXES)})'
    )
  lowest = min(numbers, key=numbers.get)
  prefix, digits, suffix = _NAME.fullmatch(lowest).groups()
  found = _Numbering(prefix, int(digits), len(digits), suffix, len(numbers))
  expected = {found.name(i) for i in range(len(numbers))}
  if missing := sorted(expected - images):
    stray = min(images - expected, key=lambda name: (numbers[name], name))
    last = max(numbers.values())
    gaps = last - found.first + 1 - len(set(numbers.values()))
    cure = 'rename it, so that names differ in their numbers alone'
    if gaps:
      cure = (
        f'{len(numbers)} frames have numbers from {found.first} to {last}, of '
        f'which {gaps} are missing'
      )
    raise decode.DecodeError(
      _shown(folder, missing[0]),
      'is missing: the frames of a folder are numbered without a gap, but '
      f'there is {names.shown(stray)}; {cure}',
    )
  return found


def _is_of_video(name: str) -> bool:
  return is_image(name) and not (names.is_litter(name) or is_flow(name))


def _shown(*parts: str) -> str:
  return names.shown(os.path.join(*parts))


class Frames(picture.Readable):
  """A folder of frames, with the interface of `decode.Video`.

  Attributes:
    name: in errors.
    fps: frames per second, as the caller says.
    frames: number of frames.
    duration: seconds.
  """

  def __init__(
    self,
    folder: str,
    name: str = '',
    fps: float | None = None,
    forgiving: bool = False,
  ):
    """Lists a folder; no frame is opened.

    Args:
      folder: with images.
      name: what errors call it; the path if left out.
      fps: frames per second; 25 by default.
      forgiving: see `decode.Video`.

    Raises:
      decode.DecodeError: if it has no frames, or not all of them.
    """
    self.name = name or names.shown(folder)
    self._forgiving = forgiving
    self._damaged: set[float] = set()
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

  @property
  def damaged(self) -> tuple[float, ...]:
    """Seconds of the pictures that others were shown in place of."""
    return tuple(sorted(self._damaged))

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
    converter = picture.Converter()
    with decode.blaming(self.name):
      for places, frame in damage.held(self._choose(self._shown_at(times))):
        yield places, picture.Picture(frame, self.name, None, converter)

  def paths(self, times: np.ndarray) -> list[str]:
    """Returns the file of the picture that is shown at each time."""
    return [self._path(i) for i in self._shown_at(times)]

  def _shown_at(self, times: np.ndarray) -> np.ndarray:
    """Returns which frame is shown at each time, int [t]."""
    numbers = np.floor(times * self.fps + _ROUNDING)
    return np.clip(numbers, 0, self.frames - 1).astype(int)

  def _path(self, i: int) -> str:
    return os.path.join(self._folder, self._numbering.name(i))

  def between(
    self, start: float, end: float
  ) -> Iterator[tuple[float, av.VideoFrame]]:
    """Yields (time, frame) from the frame shown at `start` to before `end`.

    Raises:
      decode.DecodeError: as `read` does.
    """
    first = min(int(start * self.fps + _ROUNDING), self.frames - 1)
    last = min(end * self.fps - _ROUNDING, self.frames)
    chosen = self._choose(np.arange(first, math.ceil(last)))
    for places, frame in damage.held(chosen):
      yield (first + int(places[0])) / self.fps, frame

  def _choose(
    self, indices: np.ndarray
  ) -> Iterator[tuple[np.ndarray, av.VideoFrame | None]]:
    """Yields (places, frame) of each frame that is asked for, once."""
    sizes = set()
    for i in np.unique(indices):
      path = self._path(i)
      frame = self._frame(path)
      if frame is None:
        self._damaged.add(int(i) / self.fps)
      else:
        sizes.add(orientation.shown_size(frame, None))
      if len(sizes) > 1:
        raise decode.DecodeError(
          names.shown(path), f'frames of several sizes: {sizes}'
        )
      yield np.flatnonzero(indices == i), frame

  def _frame(self, path: str) -> av.VideoFrame | None:
    """Returns the picture in a file, None for a damaged one if forgiving."""
    try:
      with decode.blaming(names.shown(path)):
        return _decoded(path)
    except decode.DecodeError as error:
      if not self._forgiving:
        raise
      mistakes.note(
        f'{error}; what is intact beside it is shown to the model in its place.'
      )
      return None


def _decoded(path: str) -> av.VideoFrame:
  """Returns the picture in a file.

  The decoder is used directly: to have its container probed takes seven times
  as long. It is a new one for each file: FFmpeg's for png keeps of a picture
  what spoils the next one.
  """
  content = opening.content(path, 'picture')
  codec = next((c for b, c in _CODECS.items() if content.startswith(b)), None)
  if codec is None:
    what = 'is no picture' if content else 'is empty'
    raise faults.Refused(f'{what} (known are {" ".join(SUFFIXES)})')
  if codec == 'png':  # FFmpeg would call it damaged.
    width, height = struct.unpack('>II', content[16:24])
    bounds.require('pixels', width * height, f'is {width}x{height} pixels')
  decoder = av.CodecContext.create(codec, 'r')
  decoder.thread_type = 'NONE'
  # Otherwise half a jpeg is a picture with a grey half.
  decoder.options = {
    'err_detect': 'crccheck+explode',
    'max_pixels': str(bounds.current().pixels),
  }
  try:
    pictures = decoder.decode(av.Packet(content))
  except av.ArgumentError:  # So it says that a picture is too large.
    most = bounds.current().pixels
    raise faults.Refused(
      f'is damaged, or has more than {most:,} pixels; if that is right, raise '
      'the bound, --limits=pixels=NUMBER'
    ) from None
  if not pictures:
    raise faults.Refused('holds no picture')
  return pictures[0]


def open_video(
  video: str | bytes,
  name: str = '',
  fps: float | None = None,
  forgiving: bool = False,
) -> decode.Video | Frames:
  """Opens a video file, its bytes, or a folder of its frames.

  Args:
    video: path or encoded bytes.
    name: what errors call it; the path if left out. Bytes of a path that are
      no UTF-8 are escaped, so that any report can be written.
    fps: of a folder of frames; a video file knows its own.
    forgiving: see `decode.Video`.

  Raises:
    decode.DecodeError: if it cannot be opened.
  """
  if isinstance(video, str):
    name = names.shown(name or video)
    if epath.Path(video).is_dir():
      return Frames(video, name, fps, forgiving)
  return decode.Video(video, name, forgiving)
