"""A folder of class folders: my_videos/<class>/*.mp4."""

from __future__ import annotations

import hashlib
import os

from etils import epath

from vidpetl.data import examples, kinds
from vidpetl.data.annotations.strings import Strings
from vidpetl.data.sources import videos

KIND = 'classification'


def open(
  path: str,
  split: str,
  val_fraction: float = 0.2,
  name: str | None = None,
  kind: str = 'classification',
) -> examples.Source:
  """Opens the videos of a folder, labelled by the folders they lie in.

  If there are folders `<path>/train` and `<path>/val`, they hold the class
  folders and `split` names one of them (or a third such folder, e.g. 'test').
  Otherwise `<path>` holds the class folders and a video's *file name* decides
  its split: it is in 'val' if the first eight bytes of the name's SHA-256, as a
  fraction of their range, lie below `val_fraction`. So adding or removing
  videos moves no other video, on any machine. A hash tears parts of one
  recording apart: give such data train/ and val/ folders of your making.

  Classes are the sorted names of the class folders (over all splits), also of
  empty ones. Of kind 'unlabelled' there are no classes, and videos lie anywhere
  below the folder.

  Args:
    path: folder.
    split: 'train' or 'val'; any folder's name if there are split folders.
    val_fraction: share of the videos in 'val', where there are none.
    name: of the dataset; the folder's name by default.
    kind: of annotation, a module of `vidpetl.data.kinds`.

  Returns:
    The source, in the order of file names. Files that are no videos by their
    suffix are listed in `info.dropped`.

  Raises:
    FileNotFoundError: if there is no folder, class or video.
    ValueError: for an unknown split, or files outside of a class folder.
  """
  if not path or not epath.Path(path).is_dir():  # '' would be '.'
    raise FileNotFoundError(f'{path}: no such folder')
  splits = [f for f in _folders(path) if f in ('train', 'val', split)]
  divided = {'train', 'val'} <= set(splits)
  if split not in (splits if divided else ('train', 'val')):
    raise ValueError(
      f"split={split!r} of {path}: there is no such folder beside 'train' and "
      f"'val'"
      if divided
      else f"split={split!r} of {path} is not 'train' or 'val'"
    )
  shown = kinds.load(kind, 'source folder: kind')
  classes = []
  if shown.has_classes:
    classes = _classes(path, splits if divided else [''])
  root = os.path.join(path, split) if divided else path
  paths, dropped = _files(root, classes)
  if not divided:
    paths = [p for p in paths if _in_val(p, val_fraction) == (split == 'val')]
  if not paths:
    raise FileNotFoundError(
      f'{root}: no video of the split {split!r} in '
      + (f'the class folders {", ".join(classes[:5])}…' if classes else 'it')
      + f'; suffixes are {" ".join(videos.SUFFIXES)}'
    )
  index = {c: i for i, c in enumerate(classes)}
  files = Strings(os.path.join(root, p) for p in paths)
  info = examples.Info(
    # Not `resolve`, which would name what a link leads to.
    name=name or os.path.basename(os.path.abspath(path)),
    split=split,
    kind=kind,
    num_classes=len(classes),
    classes=dict(enumerate(classes)),
    dropped=tuple(dropped),
  )
  labels = [[index[p.split('/')[0]]] if classes else [] for p in paths]
  return shown.labelled(info, Strings(paths), labels, files.__getitem__)


def _folders(path: epath.PathLike) -> list[str]:
  # It knows folders from files without asking for the status of each.
  with os.scandir(path) as entries:
    return sorted(
      e.name for e in entries if e.is_dir() and not e.name.startswith('.')
    )


def _classes(path: str, parts: list[str]) -> list[str]:
  names = {c for part in parts for c in _folders(epath.Path(path) / part)}
  if not names:
    raise FileNotFoundError(f'{path}: no class folders in it')
  return sorted(names)


def _files(root: str, classes: list[str]):
  """Returns the videos below `root`, relative to it, and the other files."""
  paths, dropped = [], []
  for path in videos.walk(root):
    if not videos.is_video(path):
      reason = f'its suffix is none of {" ".join(videos.SUFFIXES)}'
      dropped.append(examples.Dropped(path, os.path.join(root, path), reason))
    elif classes and '/' not in path:
      raise ValueError(
        f'{os.path.join(root, path)} lies in no class folder; the classes are '
        + ', '.join(classes[:5])
      )
    else:
      paths.append(path)
  return sorted(paths), dropped


def _in_val(path: str, fraction: float) -> bool:
  digest = hashlib.sha256(os.path.basename(path).encode()).digest()
  return int.from_bytes(digest[:8], 'big') < fraction * 2**64
