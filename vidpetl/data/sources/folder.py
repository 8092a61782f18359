"""A folder of class folders: my_videos/<class>/*.mp4, split or not."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

from vidpetl import options, ranges
from vidpetl.data import examples, kinds, names, splits
from vidpetl.data.annotations.strings import Strings
from vidpetl.data.sources import (
  columns,
  layouts,
  oversights,
  split_folders,
  videos,
)

KIND = 'classification'


def open(
  path: str,
  split: str,
  val_fraction: ranges.Held = 0.2,
  name: str | None = None,
  kind: str = 'classification',
  fps: ranges.Positive | None = None,
  lists: str | Sequence[str] | None = None,
  layout: Annotated[str, ranges.OneOf(split_folders.LAYOUTS)] | None = None,
) -> examples.Source:
  """Opens the clips of a folder, labelled by the folders they lie in.

  A clip is a video file, or a folder of numbered images: its frames. The
  layout is seen from the names of the folders:

    <split>/<class>/…   train/, val/ and test/ in any spelling (Training,
                        valid, dev, …); further folders beside them are splits
                        of their own names
    <class>/<split>/…   the same below the classes
    <class>/…           otherwise. Lists beside the class folders (train.txt,
                        val.txt, trainlist01.txt, …) say the split; without
                        them it is a share of each class, by the hash of the
                        path below the class

  Where there is no val, test is taken for it. Classes are the sorted names of
  the class folders over all splits, also of empty ones (whole numbers as
  numbers); names that differ in Unicode's form or in blanks around them are
  one. Of kind 'unlabelled' there are no classes, and clips lie anywhere below
  the folder.

  Args:
    path: folder.
    split: 'train', 'val', or another that there is; 'all' is every clip.
    val_fraction: share of each class in 'val', where nothing else splits.
    name: of the dataset; the folder's name by default.
    kind: of annotation, a module of `vidpetl.data.kinds`.
    fps: nominal frame rate, and that of folders of frames; None is each file's
      own, and 25 for folders.
    lists: of the clips of each split, relative to `path`; 'none' for those
      beside the classes to be left alone.
    layout: 'split/class', 'class/split' or 'class', if it is not seen rightly.

  Returns:
    The source, in the order of paths. An id is the path below `path`. What is
    in no split stands in `info.dropped` of 'train'; `info.notes` says what a
    user should know of all splits.

  Raises:
    FileNotFoundError: if there is no folder, class or clip.
    ValueError: for an unknown split, for folders that can be understood in
      several ways, and for a clip with two labels.
  """
  shown = kinds.load(kind, 'source folder: kind')
  found = _read(path, shown, val_fraction, lists, layout)
  wanted = _split(path, split, found)
  clips = [
    clip
    for clip in found.clips
    if not clip.reason and wanted in ('all', clip.split)
  ]
  _require_some(path, split, clips, found)
  index = {c: i for i, c in enumerate(found.classes)}
  files = Strings(os.path.join(path, clip.path) for clip in clips)
  framed = (files[i] for i, c in enumerate(clips) if c.path in found.frames)
  info = examples.Info(
    # Not `resolve`, which would name what a link leads to.
    name=name or names.shown(os.path.basename(os.path.abspath(path))),
    split=split,
    kind=kind,
    num_classes=len(found.classes),
    classes=dict(enumerate(found.classes)),
    fps=fps,
    dropped=_dropped(found, wanted),
    notes=(*found.notes, *videos.rate_note(framed, fps)),
  )
  ids = columns.unique([names.shown(clip.path) for clip in clips])
  labels = [[index[clip.label]] if index else [] for clip in clips]
  return shown.labelled(info, Strings(ids), labels, files.__getitem__)


def _read(
  path: str,
  kind: kinds.Kind,
  val_fraction: float,
  lists: str | Sequence[str] | None,
  form: str | None,
) -> layouts.Layout:
  if form is not None:
    options.one_of('source folder', 'layout', form, split_folders.LAYOUTS)
  if isinstance(lists, str):
    lists = () if lists == 'none' else (lists,)
  if lists:
    lists = [os.path.join(path, file) for file in lists]
  return layouts.read(
    path,
    has_classes=kind.has_classes,
    val_fraction=val_fraction,
    lists=lists,
    layout=form,
  )


def _split(path: str, split: str, found: layouts.Layout) -> str:
  """Returns how a split is called in a layout.

  Raises:
    ValueError: if there is none.
  """
  there = {clip.split for clip in found.clips} - {''}
  wanted = splits.role(split)
  if wanted == 'test' and found.test_is_val:
    wanted = 'val'
  if wanted not in {*there, 'train', 'val', 'all'}:
    raise ValueError(
      f'split={split!r} is not in {names.shown(path)}; there are '
      f'{", ".join(sorted(there))}'
    )
  return wanted


def _dropped(
  found: layouts.Layout, wanted: str
) -> tuple[examples.Dropped, ...]:
  """Returns what a split lacks; 'train' lacks what is in none, too."""
  return tuple(
    dropped
    for of, dropped in found.lost
    if of == wanted or (not of and wanted == 'train') or wanted == 'all'
  )


def _require_some(
  path: str,
  split: str,
  clips: Sequence[split_folders.Clip],
  found: layouts.Layout,
) -> None:
  """Refuses an empty split.

  Raises:
    FileNotFoundError: saying what there is instead, and how to name a split.
  """
  if clips:
    return
  if not any(not clip.reason for clip in found.clips):
    without = [f'{clip.path} {clip.reason}' for clip in found.clips]
    raise FileNotFoundError(
      f'{names.shown(path)}: no video in '
      + (
        f'the class folders {oversights.some(found.classes)}'
        if found.classes
        else 'it'
      )
      + (f' ({names.shown(without[0])})' if without else '')
      + '; suffixes are '
      + ' '.join(videos.SUFFIXES)
    )
  raise FileNotFoundError(
    f'{names.shown(path)}: no video of the split {split!r}; all '
    f'{len(found.clips)} are in other splits (of a share, a class of one clip '
    'has it in train). Folders train/ and val/ around the class folders, lists '
    'train.txt and val.txt beside them, or val_fraction=… say which is which'
  )
