"""Moments in Time's category list and csv files."""

from __future__ import annotations

from vidpetl.data.annotations import text


def read_categories(path: str) -> list[str]:
  """Reads `moments_categories.txt`: lines `class,index`.

  Returns:
    Class names by index.

  Raises:
    text.AnnotationError: unless the indices are 0..n-1, once each.
  """
  expected = 'class,index with the indices 0..n-1 once each'
  names: dict[int, str] = {}
  for lines, block in text.read_rows(path, (2,), expected):
    for line, (name, index) in zip(lines, block):
      if not index.strip().isdigit() or int(index) in names:
        raise text.fail(path, line, f'index {index!r}', expected)
      names[int(index)] = name
  if sorted(names) != list(range(len(names))) or not names:
    raise text.fail(path, None, f'{len(names)} indices with gaps', expected)
  return [names[i] for i in range(len(names))]


def read(path: str, categories: list[str]) -> tuple[list[str], list[int]]:
  """Reads a split: rows `class/file.mp4,class,...`, no header.

  Args:
    path: of the csv.
    categories: class names by index.

  Returns:
    Video paths below the split's folder, and labels.

  Raises:
    text.AnnotationError: with file and line, e.g. for an unknown class.
  """
  index = {name: i for i, name in enumerate(categories)}
  expected = 'class/file.mp4,class and possibly two counts of votes'
  videos, labels = [], []
  for lines, block in text.read_rows(path, (2, 3, 4), expected):
    for line, row in zip(lines, block):
      if row[1] not in index:
        problem = f'class {row[1]!r} is not in moments_categories.txt'
        raise text.fail(path, line, problem, 'one of its names')
      videos.append(row[0])
      labels.append(index[row[1]])
  if not videos:
    raise text.fail(path, None, 'no videos', expected)
  return videos, labels
