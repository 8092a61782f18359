"""UCF101's lists: classInd.txt, trainlist0N.txt and testlist0N.txt."""

from __future__ import annotations

from vidpetl.data.annotations import text


def read_classes(path: str) -> list[str]:
  """Reads `classInd.txt`: lines `1 ApplyEyeMakeup`.

  Returns:
    Class names by index from 0.

  Raises:
    text.AnnotationError: unless the numbers are 1..n, once each.
  """
  expected = 'a number and a class, with the numbers 1..n once each'
  names: dict[int, str] = {}
  for line, fields in _rows(path):
    if len(fields) != 2 or not fields[0].isdigit() or int(fields[0]) in names:
      raise text.fail(path, line, repr(' '.join(fields)), expected)
    names[int(fields[0])] = fields[1]
  if sorted(names) != list(range(1, len(names) + 1)) or not names:
    raise text.fail(path, None, f'{len(names)} numbers with gaps', expected)
  return [names[i] for i in sorted(names)]


def read(path: str, classes: list[str]) -> tuple[list[str], list[int]]:
  """Reads a list: `Class/file.avi`, and in training lists the class's number.

  Returns:
    Files `Class/file.avi`, and labels from 0.

  Raises:
    text.AnnotationError: with file and line, e.g. for an unknown class.
  """
  index = {name: i for i, name in enumerate(classes)}
  expected = 'Class/file.avi, and possibly the number of the class'
  files, labels = [], []
  for line, fields in _rows(path):
    name, slash, _ = fields[0].partition('/')
    if not slash or len(fields) > 2:
      raise text.fail(path, line, repr(' '.join(fields)), expected)
    if name not in index:
      problem = f'class {name!r} is not in classInd.txt'
      raise text.fail(path, line, problem, 'one of its names')
    if len(fields) == 2 and fields[1] != str(index[name] + 1):
      problem = f'{name} has the number {fields[1]}'
      raise text.fail(path, line, problem, f'{index[name] + 1}')
    files.append(fields[0])
    labels.append(index[name])
  if not files:
    raise text.fail(path, None, 'no videos', expected)
  return files, labels


def _rows(path):
  with open(path, encoding='utf-8') as lines:
    for number, line in enumerate(lines, 1):
      if fields := line.split():
        yield number, fields
