"""How fast and how large films are: as told, as written, or as they are."""

from __future__ import annotations

import dataclasses

import numpy as np

from vidpetl.data import decode, frames, names
from vidpetl.data.importers.contract import Film, Options, Reading, Size
from vidpetl.data.sources import videos as files

# Relative differences above this are worth a word.
_SAME = 0.01


@dataclasses.dataclass(frozen=True)
class Facts:
  """What is known of a film, and from where.

  Attributes:
    name: of the film.
    fps: frames a second; 0 if nothing says it.
    fps_from: where it comes from.
    size: width and height in pixels; (0, 0) if nothing says it.
    size_from: where it comes from.
    duration: seconds of the video; 0 without one.
    frames: of the video; 0 without one.
  """

  name: str
  fps: float
  fps_from: str
  size: Size
  size_from: str
  duration: float
  frames: int


@dataclasses.dataclass(frozen=True)
class Known:
  """What a video is; a folder of frames knows neither rate nor duration."""

  fps: float
  size: Size
  duration: float
  frames: int


class Videos:
  """The videos that lie below a folder, or none."""

  def __init__(self, folder: str):
    self._found = files.Finder(folder) if folder else None

  def names(self) -> dict[str, str]:
    """Returns composed name -> name, without suffix, of the videos."""
    return {names.clean(name): name for name in self._found or ()}

  def path(self, name: str) -> str | None:
    """Returns where a video lies; None if there is none of this name."""
    return self._found.get(name) if self._found else None

  def probe(self, name: str, reading: Reading) -> Known | None:
    """Returns what a video is; None if there is none that can be read."""
    path = self.path(name)
    if path is None:
      if self._found:
        reading.leave_out(name, 'the video', f'not below {self._found.folder}')
      return None
    try:
      return _look(path)
    except decode.DecodeError as error:
      reading.leave_out(path, 'the video', f'cannot be read: {error.reason}')
      return None


def _look(path: str) -> Known:
  """Returns what a video, or a folder of frames, is."""
  with frames.open_video(path) as opened:
    height, width = opened.read(np.zeros(1), lambda h, w: (h, w)).shape[1:3]
    if isinstance(opened, decode.Video):
      length = opened.duration
      return Known(opened.fps, (width, height), length, opened.frames)
    return Known(0.0, (width, height), 0.0, opened.frames)


def facts(film: Film, videos: Videos, reading: Reading) -> Facts:
  """Returns what is known of a film.

  The command line goes before the annotations, and those before the video.
  """
  options: Options = reading.options
  info = videos.probe(film.name, reading)
  rates = [
    ('--fps', options.fps or 0.0),
    ('the annotations', film.fps),
    ('the video', info.fps if info else 0.0),
  ]
  sizes = [
    ('--size', options.size or (0.0, 0.0)),
    ('the annotations', film.size),
    ('the video', info.size if info else (0.0, 0.0)),
  ]
  fps_from, fps = next(((w, r) for w, r in rates if r > 0), ('', 0.0))
  size_from, size = next(((w, s) for w, s in sizes if min(s) > 0), ('', (0, 0)))
  if info:
    _compare(film.name, (fps, fps_from), (size, size_from), info, reading)
  return Facts(
    film.name,
    float(fps),
    fps_from,
    (float(size[0]), float(size[1])),
    size_from,
    info.duration if info else 0.0,
    info.frames if info else 0,
  )


def _compare(name, rate, size, info, reading: Reading) -> None:
  """Notes where the video is another than the annotations say."""
  fps, fps_from = rate
  if fps and info.fps and abs(fps - info.fps) > _SAME * info.fps:
    reading.note(
      f'{name}: {fps:g} frames a second by {fps_from}, but the video has '
      f'{info.fps:g}: times may be wrong.'
    )
  (width, height), size_from = size
  if not min(width, height):
    return
  ratio, of_video = width / height, info.size[0] / info.size[1]
  if abs(ratio - of_video) > _SAME * of_video:
    reading.note(
      f'{name}: {width:g}x{height:g} by {size_from}, but the video shows '
      f'{info.size[0]}x{info.size[1]}, another shape: boxes may be wrong.'
    )
