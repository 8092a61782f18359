"""What is to be said of a folder of videos: classes, splits, and what is lost.

A note says what a folder is taken for where it could be something else, and
counts what is left out.
"""

from __future__ import annotations

import collections
import os
from collections.abc import Iterable, Iterator, Sequence

from vidpetl.data import examples, frames, names, splits
from vidpetl.data.sources import oversights, split_folders, videos
from vidpetl.data.sources.split_folders import Clip

# What lies beside videos and is evidently none: counted, and not listed.
_COMPANIONS = frozenset(
  (
    *('.aac', '.ass', '.cfg', '.csv', '.doc', '.docx', '.flac', '.htm'),
    *('.html', '.idx', '.ini', '.json', '.jsonl', '.list', '.log', '.lst'),
    *('.m4a', '.md', '.mp3', '.nfo', '.npy', '.npz', '.ods', '.opus', '.pdf'),
    *('.pickle', '.pkl', '.py', '.rtf', '.srt', '.sub', '.tsv', '.txt'),
    *('.vtt', '.wav', '.xls', '.xlsx', '.xml', '.yaml', '.yml'),
  )
)


def classes(
  path: str, tree: videos.Tree, layout: str, clips: Sequence[Clip]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
  """Returns the names of the classes, and notes on how they are spelled.

  Folders without anything in them are classes, too; those with other files
  alone are not.

  Args:
    path: the folder.
    tree: what lies below it.
    layout: one of `split_folders.LAYOUTS`.
    clips: all of it.

  Raises:
    FileNotFoundError: if there are none.
  """
  level = 1 if layout == 'split/class' else 0
  spelled = collections.defaultdict(set)
  for clip in clips:
    if clip.label:
      spelled[clip.label].add(clip.path.split('/')[level])
  full = {'/'.join(file.split('/')[: level + 1]) for file in tree.others}
  apart = []
  for folder in _class_folders(tree, level):
    name = folder.split('/')[level]
    label = split_folders.label(name)
    if folder not in full:
      spelled[label].add(name)
    elif label not in spelled:
      apart.append(names.shown(folder))
  if not spelled:
    raise FileNotFoundError(_no_class(path, tree))
  notes = [*_spelled_differently(spelled), *_taken_for(path, layout, clips)]
  if apart:
    notes.append(
      f'no classes, for there is no video in them: {oversights.some(apart)}'
    )
  return tuple(names.ordered(spelled)), tuple(notes)


def _class_folders(tree: videos.Tree, level: int) -> Iterator[str]:
  for folder in tree.folders:
    parts = folder.split('/')
    if not folder or len(parts) != level + 1:
      continue
    # Of the classes, one that is called like a split has clips, or is none.
    if bool(level) == (splits.role(parts[0]) in split_folders.ROLES):
      yield folder


def _no_class(path: str, tree: videos.Tree) -> str:
  what = f'{names.shown(path)}: no class folders in it'
  if not tree.clips:
    return what
  return (
    f'{what}: {len(tree.clips)} clips lie in no class folder, as '
    f'{names.shown(min(tree.clips))} does. Put each into the folder of its '
    'class, or list them in a csv path,label, which `vidpetl import` makes of '
    'lists'
  )


def _spelled_differently(spelled: dict[str, set[str]]) -> Iterator[str]:
  for label, found in sorted(spelled.items()):
    if len(found) > 1:
      yield (
        f'the class {label!r} has folders of {len(found)} spellings that look '
        'alike (Unicode, blanks); they are one class'
      )
  by_case = collections.defaultdict(list)
  for label in sorted(spelled):
    by_case[label.casefold()].append(label)
  for found in by_case.values():
    if len(found) > 1:
      yield (
        f'the classes {" and ".join(map(repr, found))} differ by case alone; '
        'give their folders one name if they are one class'
      )


def _taken_for(path: str, layout: str, clips: Sequence[Clip]) -> Iterator[str]:
  """Says which folders are the classes, where others might be."""
  level = split_folders.depth(layout)
  deep = {
    names.shown(clip.path.split('/')[level])
    for clip in clips
    if clip.path.count('/') > level
  }
  if deep:
    where = f'directly in {names.shown(path)}'
    if layout == 'split/class':
      where = 'in those of the splits'
    yield (
      f'the classes are the folders {where}; folders further in '
      f'({oversights.some(sorted(deep))}) are none'
    )
  if layout != 'class':
    return
  called = {
    c.label for c in clips if splits.role(c.label) in split_folders.ROLES
  }
  if called:
    yield f'taken for a class, not for a split: {oversights.some(called)}'


def overlooked(
  path: str,
  tree: videos.Tree,
  clips: Sequence[Clip],
  classes: Iterable[str],
  lists: Sequence[str],
) -> Iterator[str]:
  """Says what may be wrong with the splits, and counts what is left out.

  Args:
    path: the folder.
    tree: what lies below it.
    clips: all of it.
    classes: their names.
    lists: that were read.

  Raises:
    ValueError: if links of two classes lead to one file.
  """
  rows = _rows(path, tree, clips)
  oversights.require_one_label(rows)
  yield from oversights.notes(rows, classes)
  without = [names.shown(clip.path) for clip in clips if clip.reason]
  if without:
    yield (
      f'{len(without)} clips are in no split, and are left out: '
      f'{oversights.some(without)}'
    )
  if tree.again:
    again = oversights.some(map(names.shown, tree.again))
    yield f'links to folders that are read already are left out: {again}'
  if tree.flow:
    yield (
      f'{tree.flow} images or folders of optical flow (flow_…) beside frames '
      'are left alone'
    )
  yield from _companions(
    file for file in tree.others if os.path.join(path, file) not in lists
  )


def _rows(
  path: str, tree: videos.Tree, clips: Sequence[Clip]
) -> list[oversights.Row]:
  root = os.path.realpath(path)

  def file(clip: str) -> str:
    whole = os.path.join(root, clip)
    return os.path.realpath(whole) if clip in tree.links else whole

  return [
    oversights.Row(
      file=file(clip.path),
      labels=(clip.label,) if clip.label else (),
      split=clip.split,
      where=names.shown(clip.path),
    )
    for clip in clips
    if not clip.reason
  ]


def _suffix(file: str) -> str:
  return os.path.splitext(file)[1].lower()


def _companions(files: Iterable[str]) -> Iterator[str]:
  counts = collections.Counter(map(_suffix, files))
  found = sorted(_COMPANIONS & counts.keys())
  if found:
    yield (
      'files that are no videos are left alone: '
      + ', '.join(f'{counts[suffix]} {suffix}' for suffix in found)
    )


def lost(
  path: str, tree: videos.Tree, clips: Sequence[Clip]
) -> Iterator[tuple[str, examples.Dropped]]:
  """Yields the clips that are in no split, and the files that are no clips."""
  found = [(clip.path, clip.reason) for clip in clips if clip.reason]
  found += [(folder, 'read under another name') for folder in tree.again]
  for file in tree.others:
    if _suffix(file) not in _COMPANIONS:
      reason = f'its suffix {names.shown(_suffix(file))!r} is none of a video'
      if frames.is_image(file):
        reason = 'an image, and no frame in a folder of numbered ones'
      found.append((file, reason))
  for below, reason in found:
    whole = os.path.join(path, below)
    row = examples.Dropped(names.shown(below), names.shown(whole), reason)
    yield '', row
