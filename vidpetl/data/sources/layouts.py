"""What the folders of one's own videos say: the class and split of each clip.

    <split>/<class>/…      train, val and test in any spelling: `splits.role`
    <class>/<split>/…
    <class>/…              split by lists beside the folders, else by a share

A clip is a video file or a folder of frames; `…` may be folders of any depth.
Each clip that lies below the folder is in one split, or has a reason why it is
in none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from vidpetl.data import examples, splits
from vidpetl.data.sources import (
  layout_notes,
  split_folders,
  split_lists,
  videos,
)
from vidpetl.data.sources.split_folders import Clip

_Lost = tuple[str, examples.Dropped]


@dataclasses.dataclass(frozen=True)
class Layout:
  """All clips of a folder.

  Attributes:
    clips: by path; a clip that two lists name stands there for each.
    classes: their names, sorted, also of class folders without a clip.
    lost: what is no clip of a split, and why, each with the split that it
      would be in; '' for none.
    notes: what a user should know.
    frames: the clips that are folders of frames.
    test_is_val: whether the split 'test' is taken for the missing 'val'.
  """

  clips: tuple[Clip, ...]
  classes: tuple[str, ...]
  lost: tuple[_Lost, ...]
  notes: tuple[str, ...]
  frames: frozenset[str]
  test_is_val: bool


def read(
  path: str,
  *,
  has_classes: bool = True,
  val_fraction: float = 0.2,
  lists: Sequence[str] | None = None,
  layout: str | None = None,
) -> Layout:
  """Lists a folder, and says what each clip in it is.

  Args:
    path: folder.
    has_classes: whether folders are classes; videos lie anywhere otherwise.
    val_fraction: share of each class in 'val', where nothing else splits.
    lists: paths of lists of the splits; None are those beside the class
      folders, if there are, and () none.
    layout: one of `split_folders.LAYOUTS`; None is seen from the names of the
      folders.

  Raises:
    FileNotFoundError: if there is no folder, no class, or no list.
    ValueError: if the folders can be understood in several ways, with the
      option that tells them apart; for contradictions of lists and folders.
  """
  tree = videos.look(path)
  given = layout is not None
  layout = layout or split_folders.recognise(path, tree, has_classes)
  clips = [
    split_folders.place(clip, layout, has_classes)
    for clip in sorted(tree.clips)
  ]
  clips = _without_copies(clips, tree)
  classes, notes = (), ()
  if has_classes:
    if not given:
      split_folders.require_classes(path, layout, clips)
    classes, notes = layout_notes.classes(path, tree, layout, clips)
  lost, said = [], []
  guessed = lists is None and layout == 'class'
  if guessed:
    lists = split_lists.beside(path, tree.others)
  if lists:
    clips, lost, said = _by_lists(clips, lists, guessed=guessed)
  if layout == 'class' and not any(clip.split for clip in clips):
    clips = _by_share(clips, val_fraction)
  count = sum(clip.split == 'test' for clip in clips)
  test_is_val = bool(count) and not any(c.split == 'val' for c in clips)
  if test_is_val:
    clips = [_test_for_val(clip) for clip in clips]
    lost = [('val' if of == 'test' else of, row) for of, row in lost]
    said.append(
      f'no split is called val: the {count} clips of test are taken for it'
    )
  return Layout(
    clips=tuple(clips),
    classes=tuple(classes),
    lost=(*lost, *layout_notes.lost(path, tree, clips)),
    notes=(*notes, *said, *layout_notes.overlooked(path, tree, clips, classes)),
    frames=frozenset(clip for clip, framed in tree.clips.items() if framed),
    test_is_val=test_is_val,
  )


def _without_copies(clips: list[Clip], tree: videos.Tree) -> list[Clip]:
  """Leaves out the frames of a video that lies beside them."""
  films = {
    videos.without_suffix(clip)
    for clip, framed in tree.clips.items()
    if not framed
  }
  reason = 'frames of the video of this name that lies beside them'
  return [
    Clip(clip.path, reason=clip.reason or reason)
    if tree.clips[clip.path] and clip.path in films
    else clip
    for clip in clips
  ]


def _by_lists(
  clips: list[Clip], files: Sequence[str], *, guessed: bool
) -> tuple[list[Clip], list[_Lost], list[str]]:
  """Returns the clips by lists, lines without a clip, and notes."""
  labels = {clip.path: clip.label for clip in clips if not clip.reason}
  lists = split_lists.read(files, labels, guessed=guessed)
  if not lists.files:
    return clips, [], lists.notes
  if len(lists.files) < 2:
    raise ValueError(
      f'{lists.files[0]} lists one split alone: add the list of the other, '
      "or give lists='none' and a share is taken for validation"
    )
  result = []
  for clip in clips:
    said = lists.splits.get(clip.path, ())
    result += [dataclasses.replace(clip, split=split) for split in said]
    if not said:
      reason = clip.reason or split_lists.unlisted(lists)
      result.append(dataclasses.replace(clip, split='', reason=reason))
  return result, lists.unknown, lists.notes


def _by_share(clips: list[Clip], fraction: float) -> list[Clip]:
  """Splits clips by the hash of their paths below the class, class by class."""
  taken = [clip for clip in clips if not clip.reason]
  keys = [_below_class(clip) for clip in taken]
  inside = splits.by_share(keys, [clip.label for clip in taken], fraction)
  chosen = {
    clip.path: 'val' if is_val else 'train'
    for clip, is_val in zip(taken, inside)
  }
  return [
    dataclasses.replace(clip, split=chosen.get(clip.path, '')) for clip in clips
  ]


def _below_class(clip: Clip) -> str:
  path = clip.path.partition('/')[2] if clip.label else clip.path
  # A video that is there in two formats is in one split.
  return videos.without_suffix(path)


def _test_for_val(clip: Clip) -> Clip:
  if clip.split != 'test':
    return clip
  return dataclasses.replace(clip, split='val')
