"""Lists beside class folders that say which clip is in which split.

    train.txt, val.txt, test.txt, trainlist01.txt, my_train_split.csv, ...

A line is the path of a clip, from its class folder or a folder above, with or
without suffix; what follows behind a blank, a comma or a tab (a label, a
number of frames) is compared with the folder if it names a class.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from vidpetl.data import examples, names, splits
from vidpetl.data.annotations import text
from vidpetl.data.sources import oversights, videos

_SUFFIXES = ('.txt', '.csv', '.tsv', '.lst', '.list')
_ROLE = re.compile(
  r'(?<![a-z])(train|training|val|valid|validation|dev|test|testing)'
  r'(?:list|set|split|files|videos)?(?![a-z])'
)
# First fields of headers.
_HEADERS = {'path', 'video', 'videos', 'file', 'filename', 'name', 'id', 'clip'}
_FIELDS = 3  # at most, behind a path


@dataclasses.dataclass
class Lists:
  """What lists say.

  Attributes:
    splits: clip -> the splits whose lists have it, with file and line.
    files: of the lists that were read.
    unknown: lines that name no clip, by split.
    notes: what a user should know of them.
  """

  splits: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
  files: list[str] = dataclasses.field(default_factory=list)
  unknown: list[tuple[str, examples.Dropped]] = dataclasses.field(
    default_factory=list
  )
  notes: list[str] = dataclasses.field(default_factory=list)


def role(path: str) -> str | None:
  """Returns the split that a list is for, by its name; None if it is none."""
  stem, suffix = os.path.splitext(os.path.basename(path))
  found = {splits.role(name) for name in _ROLE.findall(stem.lower())}
  return found.pop() if len(found) == 1 and suffix in _SUFFIXES else None


def beside(folder: str, files: Iterable[str]) -> list[str]:
  """Returns the paths of the files directly in a folder that may be lists."""
  return [os.path.join(folder, f) for f in files if '/' not in f and role(f)]


def read(
  files: Sequence[str], labels: Mapping[str, str], *, guessed: bool
) -> Lists:
  """Reads the lists of several splits.

  Args:
    files: paths of the lists.
    labels: clip, relative to the folder of the classes, -> its class.
    guessed: whether the files were found by their names; one that names hardly
      a clip is none then.

  Raises:
    FileNotFoundError: for a missing list.
    ValueError: for several lists of one split, a name that tells no split, a
      list that says another class than the folder.
  """
  lists = Lists()
  index = _index(labels)
  of_role: dict[str, str] = {}
  for file in files:
    split = role(file)
    if split is None:
      raise ValueError(
        f'lists: {file} is called after no split; names are train.txt, '
        'val.txt, trainlist01.txt and the like'
      )
    text.require(file, 'a list of clips')
    found = list(_clips(file, index, labels))
    known = sum(clip is not None for _, _, clip in found)
    if (guessed and 2 * known < len(found)) or not found:
      lists.notes.append(
        f'{file} is no list of these clips ({known} of its {len(found)} lines '
        'name one), and is not read'
      )
      continue
    if split in of_role:
      raise ValueError(
        f'{of_role[split]} and {file} both list {split}: name one list of '
        f'each split by lists={os.path.basename(file)},…'
      )
    of_role[split] = file
    lists.files.append(file)
    _add(lists, split, file, found)
  return lists


def _add(lists: Lists, split: str, file: str, found) -> None:
  for number, line, clip in found:
    where = f'{file}:{number}'
    if clip is None:
      reason = f'{where} names no clip that is there'
      lists.unknown.append((split, examples.Dropped(line, file, reason)))
    else:
      lists.splits.setdefault(clip, {}).setdefault(split, where)


def _clips(
  file: str, index: Mapping[str, str | None], labels: Mapping[str, str]
) -> Iterator[tuple[int, str, str | None]]:
  """Yields the number of each line, its text, and the clip that it names."""
  classes = set(labels.values())
  for number, line in text.lines(file):
    for name, fields in _readings(line):
      clip = _find(index, name)
      if clip is None:
        continue
      said = names.clean(fields[0]) if fields else ''
      if said in classes and said != labels[clip]:
        raise ValueError(
          f'{file}:{number}: the label {said!r} of {names.shown(clip)}, which '
          f'lies in the folder {labels[clip]!r}; keep one of them'
        )
      yield number, line, clip
      break
    else:
      if number > 1 or _first_field(line) not in _HEADERS:
        yield number, line, None


def _readings(line: str) -> list[tuple[str, list[str]]]:
  """Returns how a line may be read: a path, and the fields behind it.

  Names have blanks and commas in them, so that the longest path is the first.
  """
  found = [(line, [])]
  for between in (',', '\t', ';', ' '):
    name, fields = line, []
    while between in name and len(fields) < _FIELDS:
      name, _, field = name.rpartition(between)
      fields = [field, *fields]
      found.append((name, fields))
  unquoted = [
    (name.strip().strip('"'), [field.strip().strip('"') for field in fields])
    for name, fields in found
  ]
  return sorted([*found, *unquoted], key=lambda reading: -len(reading[0]))


def _first_field(line: str) -> str:
  return re.split(r'[,;\t ]', line)[0].strip('"').lower()


def _index(clips: Iterable[str]) -> dict[str, str | None]:
  """Returns how lists may call clips -> the clip; None if it is not clear."""
  clips = list(clips)
  index: dict[str, str | None] = {}
  # The more of its path a list says, the more it counts.
  for key in (videos.stem, str):
    found: dict[str, str | None] = {}
    for clip in clips:
      name = key(names.clean(videos.without_suffix(clip)))
      found[name] = None if name in found else clip
    index |= found
  return index | {names.clean(clip): clip for clip in clips}


def _find(index: Mapping[str, str | None], name: str) -> str | None:
  """Returns the clip of a path that may begin above the folder of classes."""
  path = names.clean(name.replace('\\', '/')).removeprefix('./')
  parts = path.split('/')
  # The file's name alone is enough where a list has nothing else.
  for first in range(max(1, len(parts) - 1)):
    below = '/'.join(parts[first:])
    for key in (below, videos.without_suffix(below)):
      if clip := index.get(key):
        return clip
  return None


def unlisted(lists: Lists) -> str:
  """Returns why a clip that no list has is in no split."""
  return f'in none of the lists {oversights.some(lists.files)}'
