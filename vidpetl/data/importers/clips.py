"""Lists of videos, made into a manifest."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from etils import epath

from vidpetl.data import splits
from vidpetl.data.annotations import text
from vidpetl.data.importers import films, pictures
from vidpetl.data.importers.contract import Clip, Reading


def located(reading: Reading, root: str, videos: films.Videos) -> list[Clip]:
  """Returns the clips with the paths at which their videos lie.

  Args:
    reading: what a format read.
    root: folder that paths in the lists begin at; '' for the folder of the list
      or the working directory.
    videos: by which a name without a folder is found.
  """
  clips, missing = [], []
  found: dict[tuple[str, str], tuple[str, bool]] = {}
  for clip in reading.clips:
    folder = _folder(clip.where)
    if (clip.path, folder) not in found:
      found[clip.path, folder] = _locate(clip.path, folder, root, videos)
    path, there = found[clip.path, folder]
    clips.append(dataclasses.replace(clip, path=path))
    if not there:
      missing.append(path)
  if missing:
    reading.note(
      f'{len(missing)} of {len(clips)} videos are not there, e.g. '
      f'{missing[0]}: --root=FOLDER says where the paths begin.'
    )
  return clips


def _folder(where: str) -> str:
  """Returns the folder of the list that 'list.txt:12' is in."""
  return str(epath.Path(where.rpartition(':')[0]).parent)


def _locate(
  path: str, folder: str, root: str, videos: films.Videos
) -> tuple[str, bool]:
  """Returns where a video lies, and whether it does."""
  known = videos.path(pictures.film(path))
  places = [epath.Path(root) / path] if root else []
  places += [epath.Path(known)] if known else []
  if not root:
    places += [epath.Path(folder) / path, epath.Path(path)]
  for place in places:
    if place.exists():
      return str(place.absolute()), True
  return str(places[0].absolute()), False


def with_splits(
  clips: Sequence[Clip], split: str, share: float, reading: Reading
) -> list[Clip]:
  """Returns the clips with the splits that they are in.

  Args:
    clips: of which some may say a split.
    split: of all, if it is given.
    share: for validation, where there is no split; of each class, or of videos
      where several clips are of one.
    reading: to note what was done.
  """
  if split:
    return [dataclasses.replace(clip, split=split) for clip in clips]
  if all(clip.split for clip in clips):
    _say_leaks(clips, reading)
    return list(clips)
  paths = [clip.path for clip in clips]
  whole = len(set(paths)) < len(paths)
  groups = ['' if whole else clip.labels for clip in clips]
  for_val = splits.by_share(paths, groups, share)
  what = 'videos' if whole else 'each class'
  reading.note(
    f'No split is named: {share:g} of {what} is val, by a hash of the path.'
  )
  return [
    dataclasses.replace(clip, split='val' if val else 'train')
    for clip, val in zip(clips, for_val)
  ]


def _say_leaks(clips: Sequence[Clip], reading: Reading) -> None:
  """Notes videos that are in several splits."""
  places: dict[str, set[str]] = {}
  for clip in clips:
    places.setdefault(clip.path, set()).add(clip.split)
  leaks = [path for path, found in places.items() if len(found) > 1]
  if leaks:
    reading.note(
      f'{len(leaks)} videos are in several splits, e.g. {leaks[0]} in '
      f'{" and ".join(sorted(places[leaks[0]]))}.'
    )


def taken(clips: Sequence[Clip], reading: Reading) -> list[Clip]:
  """Returns the clips that have a label, each once; the others are noted.

  Raises:
    AnnotationError: for a name with a bar among several, which a bar parts.
  """
  several = any(len(clip.labels) > 1 for clip in clips)
  # A list for pretraining has no label in any row.
  labelled = any(clip.labels for clip in clips)
  found: dict[tuple, Clip] = {}
  for clip in clips:
    if several and any('|' in label for label in clip.labels):
      raise text.fail(
        clip.where, None, f'label {clip.labels}', 'names without a bar'
      )
    if labelled and not clip.labels:
      reading.leave_out(clip.where, clip.path, 'no label')
      continue
    key = (clip.path, clip.labels, clip.start, clip.end, clip.split)
    if key in found:
      reading.leave_out(clip.where, clip.path, 'the same row was there already')
    found.setdefault(key, clip)
  return list(found.values())
