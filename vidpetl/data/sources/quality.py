"""What the datasets of performances share: scores meet videos."""

from __future__ import annotations

from collections.abc import Sequence

from etils import epath

from vidpetl.data import decode, examples, frames
from vidpetl.data.annotations.strings import Strings
from vidpetl.data.kinds.quality import Performance, Performances
from vidpetl.data.sources import columns

Place = str | examples.Dropped


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
