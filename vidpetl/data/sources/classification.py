"""What the classification datasets share: labels meet files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from vidpetl.data.kinds.classification import Classification
from vidpetl.data.sources import listed, oversights, videos


def assemble(
  *,
  name: str,
  split: str,
  fps: float | None,
  classes: Sequence[str],
  ids: list[str],
  labels: Sequence[int],
  find: Callable[[str], str | None],
  folder: str,
  frame_rate: float | None = None,
) -> Classification:
  """Builds a source of the clips that have a file, and lists the others.

  Args:
    name: of the dataset.
    split: of the dataset.
    fps: nominal frame rate.
    classes: names by index.
    ids: clips in the order of the annotation file.
    labels: of the clips.
    find: id -> path, or None.
    folder: where `find` looks, for errors.
    frame_rate: of folders of frames, and the nominal one then; None is `fps`.

  Returns:
    The source.

  Raises:
    FileNotFoundError: if no clip has a file.
  """
  clips = [
    listed.Clip(clip, (label,), find(clip)) for clip, label in zip(ids, labels)
  ]
  folders = (c.place for c in clips if c.place and videos.is_folder(c.place))
  return listed.assemble(
    name=name,
    split=split,
    kind='classification',
    fps=frame_rate or fps,
    classes=classes,
    clips=clips,
    folder=folder,
    notes=(
      *_repeated(ids, labels, classes),
      *videos.rate_note(folders, frame_rate, fps),
    ),
  )


def _repeated(
  ids: Sequence[str], labels: Sequence[int], classes: Sequence[str]
) -> Iterator[str]:
  """Finds clips that a list has more than once; each stays an example."""
  first: dict[str, int] = {}
  again, found = [], []
  for clip, label in zip(ids, labels):
    if clip not in first:
      first[clip] = label
    elif first[clip] == label:
      again.append(clip)
    else:
      found.append(f'{clip} ({classes[first[clip]]}, {classes[label]})')
  if found:
    yield f'{len(found)} clips have two labels: {oversights.some(found)}'
  if again:
    yield (
      f'{len(again)} clips are listed again, and count as often: '
      f'{oversights.some(again)}'
    )
