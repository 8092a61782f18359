"""Clips as the official lists of a dataset have them, of any kind of label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from etils import epath

from vidpetl.data import examples, kinds
from vidpetl.data.annotations import text
from vidpetl.data.annotations.strings import Strings
from vidpetl.data.sources import columns, videos


class Clip(NamedTuple):
  """A row of a list.

  Attributes:
    id: what reports call it.
    labels: indices of its classes.
    place: its video or folder of frames; None if it is not there.
    start: second at which it begins.
    end: second at which it ends; None is the end of the file.
    missing: why it cannot be shown, where that is not for want of a video.
  """

  id: str
  labels: tuple[int, ...]
  place: str | None
  start: float = 0.0
  end: float | None = None
  missing: str = ''


def assemble(
  *,
  name: str,
  split: str,
  kind: str,
  fps: float | None,
  classes: Sequence[str],
  clips: Sequence[Clip],
  folder: str,
  notes: Sequence[str] = (),
) -> examples.Source:
  """Builds a source of the clips that can be shown, and lists the others.

  Args:
    name: of the dataset.
    split: of the dataset.
    kind: of annotation, one that has classes.
    fps: nominal frame rate, and that of folders of frames; None takes each
      file's own.
    classes: names by index.
    clips: in the order of the list.
    folder: where they were looked for.
    notes: what there is to say of them.

  Returns:
    The source.

  Raises:
    FileNotFoundError: if no clip can be shown.
  """
  ids = columns.unique([clip.id for clip in clips])
  have = [i for i, clip in enumerate(clips) if clip.place and not clip.missing]
  first = f'{ids[0]} and others' if ids else 'clips'
  columns.require_some(len(have), len(clips), first, folder)
  paths = Strings(clips[i].place for i in have)
  info = examples.Info(
    name=name,
    split=split,
    kind=kind,
    num_classes=len(classes),
    classes=dict(enumerate(classes)),
    fps=fps,
    notes=tuple(notes),
    dropped=tuple(
      examples.Dropped(
        clip_id,
        clip.place or folder,
        clip.missing or 'not found below this folder',
      )
      for clip_id, clip in zip(ids, clips)
      if clip.missing or not clip.place
    ),
  )
  ends = [clips[i].end for i in have]
  return kinds.load(kind).labelled(
    info,
    Strings(ids[i] for i in have),
    [clips[i].labels for i in have],
    paths.__getitem__,
    np.array([clips[i].start for i in have]),
    np.array([np.nan if end is None else end for end in ends]),
  )


def annotations(
  raw: str, folders: Sequence[str], names: Sequence[str], what: str
) -> str:
  """Returns the path of an annotation file, which may have several places.

  Args:
    raw: folder of the dataset.
    folders: below it, in which the file may lie.
    names: that it may have; an earlier one counts wherever it lies.
    what: the file is, in the error.

  Raises:
    FileNotFoundError: naming the first place, if it is at none.
  """
  paths = [epath.Path(raw) / f / name for name in names for f in folders]
  return text.require(next((p for p in paths if p.is_file()), paths[0]), what)


def finder(
  raw: str, places: Sequence[str], names: Sequence[str]
) -> Callable[[str], str | None]:
  """Returns name -> its video or folder of frames, or None.

  Args:
    raw: folder of the dataset.
    places: where clips usually are below it, the first that has one counts;
      '{0}' stands for the name, '{1}' for what is in front of its first '_'.
    names: of clips. If none of them is at its place, all of `raw` is searched.
  """
  listed = videos.Places(raw)

  def at_its_place(name: str) -> str | None:
    parts = name, name.partition('_')[0]
    tried = (listed.get(place.format(*parts)) for place in places)
    return next(filter(None, tried), None)

  if any(map(at_its_place, names)):
    return at_its_place
  return videos.Finder(raw).get
