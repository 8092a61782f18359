"""What the datasets of performances share: scores meet videos."""

from __future__ import annotations

import os
from collections.abc import Sequence

from etils import epath

from vidpetl.data import decode, examples, frames
from vidpetl.data.annotations.strings import Strings
from vidpetl.data.kinds.quality import Performance, Performances
from vidpetl.data.sources import columns, videos

Place = str | examples.Dropped


class Clips:
  """Folders of frames and video files below some folders, by name.

  Folders are listed when they are first looked into, and no frames are.
  """

  def __init__(self, *folders: epath.PathLike):
    """Names the folders.

    Args:
      *folders: the first that has a clip is the one it is taken from; they
        need not be there.
    """
    self._folders = folders
    self._listings: dict[str, dict[str, str]] = {}

  def get(self, name: str) -> str | None:
    """Returns the folder of frames or the video that is called so, or None.

    Args:
      name: below one of the folders, with '/' and without suffix.

    Raises:
      ValueError: if two videos are called so.
    """
    for folder in self._folders:
      # Strings: epath takes ten times as long, and there are many clips.
      parent, stem = os.path.split(os.path.join(folder, name))
      if parent not in self._listings:
        self._listings[parent] = _listing(parent)
      if stem in self._listings[parent]:
        return self._listings[parent][stem]
    return None


def _listing(folder: str) -> dict[str, str]:
  """Returns stem -> path; a folder of frames goes before a video.

  Raises:
    ValueError: if two videos have one stem.
  """
  if not epath.Path(folder).is_dir():
    return {}
  found, films = {}, {}
  # It knows folders from files without asking for the status of each.
  with os.scandir(folder) as entries:
    for entry in sorted(entries, key=lambda entry: entry.name):
      if entry.is_dir():
        found[entry.name] = entry.path
      elif videos.is_video(entry.name):
        stem = videos.stem(entry.name)
        if stem in films:
          raise ValueError(
            f'{films[stem]} and {entry.path} are both called {stem!r}; keep one'
          )
        films[stem] = entry.path
  return films | found


class FrameRates:
  """Frames per second of clips; a file that lasts an event is opened once."""

  def __init__(self):
    self._known: dict[str, float | str] = {}

  def get(self, path: str) -> float | str:
    """Returns the rate of a video or folder, or why it cannot be read."""
    if epath.Path(path).is_dir():
      return decode.DEFAULT_FPS
    if path not in self._known:
      try:
        with frames.open_video(path) as video:
          self._known[path] = video.fps
      except decode.DecodeError as error:
        self._known[path] = error.reason
    return self._known[path]


def missing(name: str, folder: str) -> examples.Dropped:
  """Returns what stands for a clip without video or frames."""
  return examples.Dropped(name, folder, 'not found below this folder')


def assemble(
  *,
  name: str,
  split: str,
  fps: float | None,
  performances: Sequence[Performance],
  places: Sequence[Place],
  folder: str,
) -> Performances:
  """Builds a source of the performances that have a video, lists the others.

  Args:
    name: of the dataset.
    split: of the dataset.
    fps: nominal frame rate; None takes each file's own.
    performances: in the order of the annotations; all with as many judges and
      steps.
    places: of each, its file or folder of frames, or why it has none.
    folder: where they were looked for, in errors.

  Returns:
    The source.

  Raises:
    FileNotFoundError: if no performance has a video.
  """
  have = [
    (performance, place)
    for performance, place in zip(performances, places)
    if isinstance(place, str)
  ]
  first = f'{performances[0].id} and others'
  columns.require_some(len(have), len(places), first, folder)
  found = [performance for performance, _ in have]
  paths = Strings(place for _, place in have)
  info = examples.Info(
    name=name,
    split=split,
    kind='quality',
    num_classes=0,
    classes={},
    fps=fps,
    dropped=tuple(p for p in places if isinstance(p, examples.Dropped)),
  )
  return Performances.of_examples(info, found, paths.__getitem__)
