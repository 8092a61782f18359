"""Lines of annotation files, with errors that name file and line.

All text files of users are opened here: whatever their encoding, and names in
them are `names.clean`ed, once.
"""

from __future__ import annotations

import csv
import functools
import itertools
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TextIO

import numpy as np
from etils import epath

from vidpetl import mistakes
from vidpetl.data import names, opening
from vidpetl.data.annotations import encodings, fields, sheets

# Columns that name files, whose Unicode form is that of the file's name.
_FILES = frozenset({'path', 'video', 'file', 'filename', 'clip'})
_SAMPLE = 20  # rows that tell what stands between columns


class AnnotationError(ValueError):
  """An annotation file does not hold what its format promises."""


def fail(
  path: epath.PathLike, line: int | None, problem: str, expected: str
) -> AnnotationError:
  """Returns the error for `path:line`; the caller raises it."""
  where = names.shown(path)
  if line is not None:
    where += f':{line}'
  return AnnotationError(f'{where}: {problem}; expected {expected}')


def require(path: epath.PathLike, what: str) -> str:
  """Returns `path` as text if it is a file.

  Readers of annotations open local files: the csv module wants `newline=''`,
  which epath does not take.

  Raises:
    FileNotFoundError: naming the path and `what` it would be.
  """
  if not epath.Path(path).is_file():
    raise FileNotFoundError(f'{path}: not found; it should be {what}')
  return os.fspath(path)


@functools.lru_cache(maxsize=256)
def _detected(path: str, size: int, changed: int) -> encodings.Encoding:
  """Returns how a file is encoded, found out once for each state of it."""
  del size, changed
  return encodings.detect(path)


def encoding(path: epath.PathLike) -> str:
  """Returns the encoding of a text file, see `encodings.detect`.

  A file that is no UTF-8 is taken for Windows-1252, and the user is told.

  Raises:
    AnnotationError: for a file that is no text.
  """
  opening.regular(path, 'text')
  status = os.stat(path)
  found = _detected(os.fspath(path), status.st_size, status.st_mtime_ns)
  if not found.name:
    raise fail(path, None, 'no text, but bytes', 'a text file in UTF-8')
  if found.wrong is not None:
    problem = f'bytes that are no {found.name.upper()}, as which it begins'
    raise fail(path, found.wrong, problem, 'a text file in one encoding')
  if found.no_utf8 is not None:
    mistakes.note(
      f'{names.shown(path)}:{found.no_utf8}: not UTF-8; the file is read as '
      'Latin-1 (Windows-1252). Save it as UTF-8 if letters come out wrong.'
    )
  return found.name


def open_text(path: epath.PathLike) -> TextIO:
  """Opens a text file for reading, whatever its encoding.

  Every text file of a user is opened here. Ends of lines are left to the
  reader, as the csv module wants them.

  Raises:
    AnnotationError: for a file that is no text.
  """
  name = encoding(path)
  # Five bytes mean nothing in Windows-1252.
  errors = 'replace' if name == encodings.WINDOWS else 'strict'
  return open(path, newline='', encoding=name, errors=errors)


def read(path: epath.PathLike) -> str:
  r"""Returns what a text file says, with '\n' at the end of lines."""
  with open_text(path) as file:
    return file.read().replace('\r\n', '\n').replace('\r', '\n')


def lines(path: epath.PathLike) -> Iterator[tuple[int, str]]:
  """Yields (number from 1, line) of lines that are not blank, cleaned."""
  for number, line in enumerate(read(path).split('\n'), 1):
    if line := names.clean(line):
      yield number, line


def read_json(path: epath.PathLike, kind: type, expected: str) -> Any:
  """Reads a json file whose top level is a `kind`; its texts are cleaned.

  Raises:
    AnnotationError: if it is not json, or of another kind.
  """
  try:
    value = _cleaned(json.loads(read(path)))
  except json.JSONDecodeError as error:
    problem = f'not json ({error.msg})'
    raise fail(path, error.lineno, problem, expected) from None
  except RecursionError:
    raise fail(path, None, 'lists nested without end', expected) from None
  if not isinstance(value, kind):
    raise fail(path, None, f'a json {type(value).__name__}', expected)
  return value


def _cleaned(value: Any) -> Any:
  if isinstance(value, str):
    return names.clean(value)
  if isinstance(value, list):
    return [_cleaned(item) for item in value]
  if isinstance(value, dict):
    return {names.clean(key): _cleaned(item) for key, item in value.items()}
  return value


def rows(
  path: epath.PathLike,
  widths: Sequence[int] = (),
  is_header: Callable[..., bool] | None = None,
) -> Iterator[tuple[int, list[str]]]:
  """Yields the rows of a csv without a header that are not blank, cleaned.

  Args:
    path: of the csv.
    widths: numbers of columns that it may have. A comma stands between them,
      or, if that makes none of these numbers in the first rows and another of
      `sheets.DELIMITERS` does, that one.
    is_header: path, line and first row -> whether it is passed over.

  Yields:
    Line number, from 1, and the fields.

  Raises:
    AnnotationError: for what is no csv.
  """
  sample = _beginning(path, _SAMPLE)
  between = ','
  for candidate in sheets.DELIMITERS:
    if all(len(r) in widths for r in csv.reader(sample, delimiter=candidate)):
      between = candidate
      break
  first = True
  for line, row in _csv(path, between):
    # Nearly all rows of a million have nothing to clean.
    all_of_it = ''.join(row)
    if ' ' in all_of_it or not (
      all_of_it.isascii() and all_of_it.isprintable()
    ):
      row = [names.clean(field) for field in row]
    if not any(row):
      continue
    if not (first and is_header and is_header(path, line, row)):
      yield line, row
    first = False


def _beginning(path: epath.PathLike, count: int) -> list[str]:
  """Returns the first lines that are not blank."""
  with open_text(path) as file:
    rows = opening.lines(path, file)
    full = (line.rstrip('\r\n') for line in rows if line.strip())
    return list(itertools.islice(full, count))


def _csv(
  path: epath.PathLike, delimiter: str
) -> Iterator[tuple[int, list[str]]]:
  with open_text(path) as file:
    reader = csv.reader(opening.lines(path, file), delimiter=delimiter)
    try:
      for row in reader:
        if any(row):
          yield reader.line_num, row
    except csv.Error as error:
      problem = f'no csv ({error})'
      raise fail(path, reader.line_num, problem, 'rows of fields') from None


def read_rows(
  path: epath.PathLike,
  widths: Sequence[int],
  expected: str,
  size: int = 65536,
  is_header: Callable[..., bool] | None = None,
) -> Iterator[tuple[list[int], list[list[str]]]]:
  """Reads a csv in blocks, so that a million lines never lie in memory.

  Args:
    path: of the csv; blank lines are allowed.
    widths: admissible numbers of columns.
    expected: the format in words, for errors.
    size: rows per block.
    is_header: as of `rows`.

  Yields:
    Line numbers (from 1) and the rows of a block.

  Raises:
    AnnotationError: at the first row with another number of columns.
  """
  found = rows(path, widths, is_header)
  while block := list(itertools.islice(found, size)):
    for line, row in block:
      if len(row) not in widths:
        raise fail(path, line, f'{len(row)} columns', expected)
    yield [line for line, _ in block], [row for _, row in block]


def read_table(
  path: epath.PathLike,
  required: Sequence[str],
  optional: Sequence[str] | None = None,
  spelled: Callable[[str], str] | None = None,
) -> Iterator[tuple[int, dict[str, str]]]:
  """Reads a table with a header.

  Args:
    path: of a csv with any delimiter, or of a spreadsheet.
    required: columns that must be there.
    optional: further columns that may be; None admits any.
    spelled: header -> column, for other spellings; None is `column`.

  Yields:
    Line number and the row as a dict: names in Unicode's composed form, but
    files as they are written.

  Raises:
    AnnotationError: for missing or unknown columns, and for rows of another
      length than the header's.
  """
  expected = f'a header with the columns {",".join(required)}'
  if optional:
    expected += f' and possibly {",".join(optional)}'
  found = _cells(path)
  first, header = next(found, (1, []))
  written = len(_trimmed(header))
  header = [(spelled or column)(name) for name in header[:written]]
  missing = [name for name in required if name not in header]
  if missing:
    there = f' (but {", ".join(header)})' if any(header) else ''
    problem = f'no column {", ".join(missing)}{there}'
    raise fail(path, first, problem, expected)
  allowed = None if optional is None else {*required, *optional}
  unknown = [n for n in header if allowed is not None and n not in allowed]
  if unknown or len(set(header)) < len(header):
    problem = f'unknown columns {unknown}' if unknown else 'repeated columns'
    raise fail(path, first, problem, expected)
  for line, row in found:
    row = _trimmed(row, written)
    if not any(map(str.strip, row)):
      continue
    if len(row) != written:
      problem = f'{len(row)} columns'
      raise fail(path, line, problem, f'{written} as in the header')
    yield line, {name: _field(name, cell) for name, cell in zip(header, row)}


def column(name: str) -> str:
  """Returns how columns are called: 'Judge 1' and 'judge-1' are 'judge_1'."""
  return re.sub(r'[\s_-]+', '_', names.clean(name)).casefold()


def _field(name: str, cell: str) -> str:
  return cell.strip() if name in _FILES else names.clean(cell)


def first_row(path: epath.PathLike) -> list[str]:
  """Returns the first row of a table, which may be its header."""
  _, row = next(_cells(path), (1, []))
  return [names.clean(cell) for cell in row]


def _cells(path: epath.PathLike) -> Iterator[tuple[int, list[str]]]:
  """Yields line numbers and the cells of rows that are not empty."""
  path = os.fspath(path)
  opening.regular(path, 'text')
  if sheets.is_sheet(path):
    try:
      yield from sheets.rows(path)
    except ValueError as error:
      expected = f'a table: csv, {", ".join(sheets.SUFFIXES)}'
      raise fail(path, None, str(error), expected) from None
    return
  first = ''.join(_beginning(path, 1))
  declared = sheets.DECLARATION.fullmatch(first)
  between = declared[1] if declared else sheets.delimiter(first)
  if between not in (',', '\t'):
    mistakes.note(
      f'{names.shown(path)}: {between!r} stands between its columns, and a '
      'comma in a number is its decimal point.'
    )
  yield from itertools.islice(_csv(path, between), int(bool(declared)), None)


def _trimmed(cells: list[str], width: int = 0) -> list[str]:
  """Returns cells without empty ones at the end, but `width` if there are."""
  while len(cells) > width and not cells[-1].strip():
    cells = cells[:-1]
  return cells


def number(
  field: str, path: epath.PathLike, line: int | None, name: str
) -> float:
  """Parses a finite decimal; a comma may be its point.

  Raises:
    AnnotationError: naming the field `name`.
  """
  value = fields.decimal(field)
  if not np.isfinite(value):
    raise fail(path, line, f'{name} is {field!r}', 'a number')
  return value


def seconds(
  field: str, path: epath.PathLike, line: int | None, name: str
) -> float:
  """Parses a time: seconds, mm:ss or hh:mm:ss, with decimals if any.

  Raises:
    AnnotationError: naming the field `name`.
  """
  value = fields.seconds(field)
  if not np.isfinite(value):
    expected = 'a number of seconds, mm:ss or hh:mm:ss'
    raise fail(path, line, f'{name} is {field!r}', expected)
  return value


def floats(
  block: Sequence[Sequence[str]],
  columns: Sequence[int],
  called: Sequence[str],
  path: epath.PathLike,
  numbers: Sequence[int],
) -> np.ndarray:
  """Parses several columns at once.

  Args:
    block: rows.
    columns: which of their fields.
    called: their names, for errors.
    path: of the file, and
    numbers: of the rows' lines.

  Returns:
    float64 [rows, columns].

  Raises:
    AnnotationError: at the first field that is no finite number.
  """
  try:
    values = [[float(row[c]) for row in block] for c in columns]
    result = np.array(values, np.float64).reshape(len(columns), -1).T
    if np.isfinite(result).all():
      return result
  except ValueError:
    pass  # One has a comma, or is no number, which is told below.
  return np.array(
    [
      [number(row[c], path, line, name) for c, name in zip(columns, called)]
      for line, row in zip(numbers, block)
    ]
  )
