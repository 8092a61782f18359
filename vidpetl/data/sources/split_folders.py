"""Which folders are splits and which are classes, by their names."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence

from vidpetl.data import names, splits
from vidpetl.data.sources import oversights, videos

LAYOUTS = ('split/class', 'class/split', 'class')
ROLES = frozenset({'train', 'val', 'test'})
_SPELLED = 'val, valid, validation, dev or test'


@dataclasses.dataclass(frozen=True)
class Clip:
  """A clip and what its folders say.

  Attributes:
    path: relative to the folder, with '/'.
    label: name of its class.
    split: 'train', 'val', another, or '' for none.
    reason: why it is in none.
  """

  path: str
  label: str = ''
  split: str = ''
  reason: str = ''


def recognise(path: str, tree: videos.Tree, has_classes: bool) -> str:
  """Returns which layout the names of the folders are of."""
  tops = {folder.split('/')[0] for folder in tree.folders if folder}
  roles = {splits.role(top) for top in tops} & ROLES
  if 'train' in roles and len(roles) > 1:
    return 'split/class'
  if not has_classes:
    return 'class'
  if roles:
    _require_classes_beside(path, tree, tops)
    return 'class'
  second = [clip.split('/')[1] for clip in tree.clips if clip.count('/') > 1]
  second = [splits.role(name) for name in second]
  roles = set(second) & ROLES
  within = sum(role in ROLES for role in second)
  if 'train' in roles and len(roles) > 1 and 2 * within >= len(tree.clips):
    return 'class/split'
  if roles and within == len(tree.clips):
    raise ValueError(
      f'{names.shown(path)}: the folders of its classes have a folder '
      f'{roles.pop()!r} each, and none of the other splits: name them train '
      f"and {_SPELLED}, or give layout='class'"
    )
  return 'class'


def _require_classes_beside(
  path: str, tree: videos.Tree, tops: Iterable[str]
) -> None:
  """Refuses split folders of which training or validation is missing.

  A class may be called 'train': there are videos in it, and other classes. An
  empty folder is none.
  """
  called = sorted(top for top in tops if splits.role(top) in ROLES)
  rest = [clip for clip in tree.clips if clip.split('/')[0] not in called]
  direct = [clip for clip in tree.clips if clip.count('/') == 1]
  is_class = any(clip.split('/')[0] in called for clip in direct)
  is_empty = len(rest) == len(tree.clips)
  if rest and (is_class or is_empty):
    return
  missing = f'one of validation ({_SPELLED})'
  if 'train' not in map(splits.role, called):
    missing = 'a folder train'
  raise ValueError(
    f'{names.shown(path)} has a folder {called[0]!r}, and lacks {missing}. Add '
    f'it; or give {names.shown(os.path.join(path, called[0]))}, of which a '
    "share is taken for validation; or give layout='class', if it is a class"
  )


def require_classes(path: str, layout: str, clips: Sequence[Clip]) -> None:
  """Refuses one class with folders in it, which may be the classes.

  Args:
    path: the folder.
    layout: as it was recognised.
    clips: in it.

  Raises:
    ValueError: saying which folder to give.
  """
  taken = [clip for clip in clips if clip.label]
  level = depth(layout)
  if len({clip.label for clip in taken}) != 1:
    return
  if any(clip.path.count('/') <= level for clip in taken):
    return
  inner = sorted({names.shown(c.path.split('/')[level]) for c in taken})
  first = taken[0].path.split('/')
  cure = f'give {names.shown(os.path.join(path, first[0]))}'
  if layout == 'split/class':
    cure = f'move them up, out of {names.shown("/".join(first[:level]))}'
  raise ValueError(
    f'{names.shown(path)} holds one class, {taken[0].label}, with folders in '
    f'it ({oversights.some(inner)}): if they are the classes, {cure}; if it is '
    f'the only class, give layout={layout!r}'
  )


def depth(layout: str) -> int:
  """Returns how many folders of a clip's path say its class and split."""
  return layout.count('/') + 1


def place(path: str, layout: str, has_classes: bool) -> Clip:
  """Returns a clip by the folders that it lies in."""
  folders = path.split('/')[:-1]
  split = ''
  if layout != 'class':
    level = 0 if layout == 'split/class' else 1
    if len(folders) <= level:
      return Clip(path, reason='lies in no split folder')
    split = splits.role(folders.pop(level))
    if level and split not in ROLES:
      return Clip(path, reason='lies in no split folder')
  if not has_classes:
    return Clip(path, split=split)
  if not folders:
    return Clip(path, reason='lies in no class folder')
  return Clip(path, label(folders[0]), split)


def label(folder: str) -> str:
  """Returns the name of a class, which can be printed."""
  return names.clean(names.shown(folder))
