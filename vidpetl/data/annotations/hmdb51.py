"""HMDB51's split files: one per class and split, `file.avi 0|1|2`."""

from __future__ import annotations

import os

from vidpetl.data.annotations import text

ROLES = {'0': None, '1': 'train', '2': 'val'}
_EXPECTED = 'file.avi and 0 (unused), 1 (training) or 2 (test)'


def classes(folder: str, fold: int) -> list[str]:
  """Returns the classes that have a file in `folder`, sorted.

  Args:
    folder: e.g. `testTrainMulti_7030_splits`.
    fold: 1 to 3.

  Raises:
    FileNotFoundError: if there is no folder, or none of its files is of `fold`.
  """
  if not os.path.isdir(folder):
    raise FileNotFoundError(
      f"{folder}: no such folder; it should have HMDB51's split files"
    )
  end = _file_name('', fold)
  names = [f.removesuffix(end) for f in os.listdir(folder) if f.endswith(end)]
  if not names:
    raise FileNotFoundError(f'{folder}: no file is called <class>{end}')
  return sorted(names)


def read(folder: str, fold: int, name: str, split: str) -> list[str]:
  """Returns the files of a class in a split, 'train' or 'val'.

  Raises:
    text.AnnotationError: with file and line.
  """
  path = os.path.join(folder, _file_name(name, fold))
  files = []
  with open(path, encoding='utf-8') as lines:
    for number, line in enumerate(lines, 1):
      fields = line.split()
      if not fields:
        continue
      if len(fields) != 2 or fields[1] not in ROLES:
        raise text.fail(path, number, repr(line.strip()), _EXPECTED)
      if ROLES[fields[1]] == split:
        files.append(fields[0])
  return files


def _file_name(name: str, fold: int) -> str:
  return f'{name}_test_split{fold}.txt'
