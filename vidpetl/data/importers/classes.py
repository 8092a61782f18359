"""Names of classes, as files beside the annotations list them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import yaml
from etils import epath

from vidpetl.data.annotations import labelmap, text
from vidpetl.data.importers import parsing


def read(path: epath.PathLike, first: int = 0) -> dict[int, str]:
  """Returns number -> name of the classes that a file lists.

  Args:
    path: YOLO's yaml (`names`), or a label map in any format, whose numbers
      may begin at 0.
    first: number of the first name, where names have none.

  Raises:
    AnnotationError: with file and line.
    FileNotFoundError: if there is no such file.
  """
  path = epath.Path(text.require(path, 'the names of the classes'))
  if path.suffix in ('.yaml', '.yml'):
    return _yaml(path)
  found = labelmap.read(str(path), first, lowest=0)
  return {number: parsing.one_line(name) for number, name in found.items()}


def _yaml(path: epath.Path) -> dict[int, str]:
  try:
    found = yaml.safe_load(text.read(path))
  except (yaml.YAMLError, RecursionError) as error:
    mark = getattr(error, 'problem_mark', None)
    line = mark.line + 1 if mark else None
    raise text.fail(path, line, 'no yaml', 'names: [a, b]') from None
  names = found.get('names') if isinstance(found, dict) else None
  if isinstance(names, list):
    names = dict(enumerate(names))
  if not isinstance(names, dict) or not names:
    raise text.fail(path, None, 'no names', 'names: [a, b], or 0: a, 1: b')
  return {
    parsing.whole(number, str(path), 'a number of names'): parsing.one_line(n)
    for number, n in names.items()
  }


def counted(
  names: Mapping[int, str], used: Collection[int], first: int
) -> tuple[dict[int, str], str]:
  """Returns names by the numbers that a format uses, and what was assumed.

  A file may number names from 1, as vidpetl's own label maps do, where the
  format counts from 0. If the number behind the last is used, or the first
  number never is and the last is, the format counts as the file does.

  Args:
    names: as read from a file.
    used: numbers in the annotations.
    first: number of the format's first class.
  """
  shift = min(names) - first
  if not shift or max(names) in used:
    return dict(names), ''
  shifted = {number - shift: name for number, name in names.items()}
  said = (
    f'Names are numbered from {min(names)}, and classes count from {first}: '
    f'class {first} is {names[min(names)]!r}.'
  )
  return shifted, said
