"""Files to import: what was named, and what lies in folders that were named."""

from __future__ import annotations

import csv
import functools
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

from etils import epath

from vidpetl.data import names, splits
from vidpetl.data.annotations import text

SPLITS = ('train', 'val', 'test')
# Files that may hold annotations, or say more about them.
_SUFFIXES = (
  *('.xml', '.json', '.csv', '.txt', '.list', '.yaml', '.yml', '.ini'),
  *('.names', '.pbtxt'),
)
_ARCHIVES = ('.zip', '.gz', '.tar', '.7z', '.rar', '.tgz')
_START = 1 << 16
_KEYS = 100


class File:
  """A file to import.

  Attributes:
    path: of the file.
    named: whether the user named it, rather than a folder above it.
  """

  def __init__(self, path: epath.PathLike, named: bool = True):
    self.path = epath.Path(path)
    self.named = named

  @functools.cached_property
  def start(self) -> str:
    """The first 65,536 characters."""
    with text.open_text(self.path) as file:
      return file.read(_START)

  @functools.cached_property
  def first_line(self) -> str:
    """The first line that is not blank, without blanks around it."""
    lines = (line.strip() for line in io.StringIO(self.start))
    return next(filter(None, lines), '')

  @functools.cached_property
  def outline(self) -> dict[str, frozenset[str]]:
    """Names on the top level of a json file -> names inside; {} of others.

    It is kept where the whole, of which there may be thousands with a picture
    in each, is not.
    """
    try:
      whole = self.document()
    except text.AnnotationError:
      return {}
    return {
      name: frozenset(value if isinstance(value, dict) else ())
      for name, value in itertools.islice(whole.items(), _KEYS)
    }

  def document(self) -> dict[str, Any]:
    """Returns the object that a json file holds.

    Raises:
      AnnotationError: with the line, for what is no json object.
    """
    return text.read_json(str(self.path), dict, 'a json object')

  def lines(self) -> Iterator[tuple[int, str]]:
    """Yields (number from 1, line) of lines that are not blank."""
    return text.lines(self.path)

  def rows(self, comment: str = '') -> Iterator[tuple[int, list[str]]]:
    """Yields (number of the last line from 1, cells) of a csv.

    Args:
      comment: with which lines begin that are no rows; '' is none.

    Raises:
      AnnotationError: for what is no csv.
    """
    # Spreadsheets of some countries write it so.
    semicolons = self.first_line.count(';') > self.first_line.count(',')
    with text.open_text(self.path) as file:
      lines = (
        '\n' if comment and line.startswith(comment) else line for line in file
      )
      reader = csv.reader(lines, delimiter=';' if semicolons else ',')
      try:
        for row in reader:
          if any(cell.strip() for cell in row):
            yield reader.line_num, row
      except csv.Error as error:
        raise text.fail(
          self.path, reader.line_num, f'no csv ({error})', 'cells in quotes'
        ) from None

  @functools.cached_property
  def split(self) -> str:
    """The split that its name, or that of its folder, says; or ''."""
    words = re.findall('[a-z]+', self.path.stem.casefold())
    words = [word.removesuffix('list') for word in words]
    for name in (*words, self.path.parent.name):
      if splits.role(name) in SPLITS:
        return splits.role(name)
    return ''


def find(paths: Sequence[str]) -> list[File]:
  """Returns the files that were named, and those in folders that were.

  Raises:
    FileNotFoundError: for what is neither a file nor a folder.
    ValueError: for archives.
  """
  found = []
  for path in map(epath.Path, paths):
    if path.suffix.lower() in _ARCHIVES:
      raise ValueError(f'{path}: an archive; unpack it, and name the folder')
    if path.is_dir():
      found += [File(each, named=False) for each in _below(path)]
    else:
      found.append(File(text.require(path, 'annotations to import')))
  return found


def _below(folder: epath.Path) -> Iterator[epath.Path]:
  """Yields the files below a folder that may be annotations, sorted."""
  for path in sorted(folder.iterdir(), key=lambda path: path.name):
    if names.is_litter(path.name):
      continue
    if path.is_dir():
      yield from _below(path)
    elif path.suffix.lower() in _SUFFIXES:
      yield path
