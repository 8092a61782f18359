"""Lists of videos with numbers behind the path, as code bases write them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from vidpetl.data.annotations import text
from vidpetl.data.importers import classes, contract
from vidpetl.data.importers.contract import Clip
from vidpetl.data.importers.files import File

_SEPARATOR = re.compile(r'\s*,\s*|\s+')
_NUMBERS = re.compile(r'^(.*?)((?:(?:\s*,\s*|\s+)-?\d+)+)$')
# In front of whole numbers, of a line that has boxes.
_ROW_OF_NUMBERS = re.compile(r'(?:^|[\s,])-?\d*\.\d+$')
# Beside TSM's lists, and in mmaction2's tools.
NAMES = ('category.txt', 'classes.txt', 'classind.txt', 'labels.txt')


def fields(line: str) -> tuple[str, list[int]]:
  """Returns the path of a line, which may have blanks, and the numbers.

  Args:
    line: parts that blanks or commas separate.

  Returns:
    The path in no quotes, and whole numbers; none if the line has none.
  """
  match = _NUMBERS.match(line)
  if match is None:
    return line.strip('" '), []
  numbers = [part for part in _SEPARATOR.split(match[2]) if part]
  return match[1].strip('" ,'), [int(part) for part in numbers]


def looks_like(file: File, fits: Callable[[str, list[int]], bool]) -> bool:
  """Returns whether the first line is one of a list's.

  Args:
    file: of one line for each video.
    fits: whether a path and the numbers behind it are of the format.
  """
  path, numbers = fields(file.first_line)
  if not path or not numbers or _ROW_OF_NUMBERS.search(path):
    return False
  # Something-Something calls folders '78687'.
  return (len(numbers) == 2 or not path.isdigit()) and fits(path, numbers)


def read(
  files: Sequence[File],
  reading: contract.Reading,
  labels: Callable[[str, list[int]], list[int]],
  expected: str,
) -> None:
  """Reads lists.

  Args:
    files: lists, and files of names.
    reading: that they are read into.
    labels: from a path and the numbers behind it to the numbers of classes;
      raises ValueError if they are not of the format.
    expected: what a line is, for errors.

  Raises:
    AnnotationError: with file and line.
  """
  rows = list(_rows(files, labels, expected))
  used = {number for *_, found in rows for number in found}
  names = _names(files, used, reading)
  for where, path, split, found in rows:
    unknown = [number for number in found if names(number) is None]
    for number in unknown:
      why = 'a label that the file of names does not have'
      reading.leave_out(where, f'class {number} of {path}', why)
    labels_of = tuple(
      names(number) for number in found if number not in unknown
    )
    if labels_of or not unknown:
      reading.clips.append(Clip(where, path, labels_of, split))


def _rows(
  files: Sequence[File], labels, expected: str
) -> Iterator[tuple[str, str, str, list[int]]]:
  for file in files:
    if file.path.name.lower() in NAMES:
      continue
    for line, content in file.lines():
      path, numbers = fields(content)
      try:
        found = labels(path, numbers)
      except ValueError as error:
        raise text.fail(file.path, line, str(error), expected) from None
      yield f'{file.path}:{line}', path, file.split, found


def _names(
  files: Sequence[File], used: set[int], reading: contract.Reading
) -> Callable[[int], str | None]:
  """Returns what names a class by its number; None is that of no name."""
  beside = next((f.path for f in files if f.path.name.lower() in NAMES), None)
  path = reading.options.names or beside
  if not path:
    width = len(str(max(used, default=0)))
    reading.note('No names of classes (--names): they are numbers.')
    return lambda number: f'{number:0{width}d}'
  names, said = classes.counted(classes.read(path), used, first=0)
  reading.note(f'Names of classes are those of {path}.')
  if said:
    reading.note(said)
  reading.declare('label', (names[number] for number in sorted(names)))
  return names.get


def format_of(
  title: str,
  suffixes: tuple[str, ...],
  labels: Callable[[str, list[int]], list[int]],
  fits: Callable[[str, list[int]], bool],
  expected: str,
) -> contract.Format:
  """Returns a format of lists; see `read` and `looks_like`."""
  return contract.Format(
    title=title,
    reads='clips',
    suffixes=suffixes,
    recognises=lambda file: looks_like(file, fits),
    read=lambda files, reading: read(files, reading, labels, expected),
    aids=NAMES,
  )
