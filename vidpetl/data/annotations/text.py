"""Lines of annotation files, with errors that name file and line."""

from __future__ import annotations

import codecs
import csv
import functools
import json
import os
from collections.abc import Iterator, Sequence
from typing import TextIO

import numpy as np
from etils import epath, epy

from vidpetl import mistakes
from vidpetl.data import names

with epy.lazy_imports():
  import openpyxl


# Byte order marks; that of UTF-32 begins as that of UTF-16 does.
_MARKS = (
  (codecs.BOM_UTF8, 'utf-8-sig'),
  (codecs.BOM_UTF32_LE, 'utf-32'),
  (codecs.BOM_UTF32_BE, 'utf-32'),
  (codecs.BOM_UTF16_LE, 'utf-16'),
  (codecs.BOM_UTF16_BE, 'utf-16'),
)
_GUESS = 'cp1252'  # Latin-1 as Windows writes it


class AnnotationError(ValueError):
  """An annotation file does not hold what its format promises."""


def fail(
  path: epath.PathLike, line: int | None, problem: str, expected: str
) -> AnnotationError:
  """Returns the error for `path:line`; the caller raises it."""
  where = path if line is None else f'{path}:{line}'
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
def _encoding(path: str, size: int, changed: int) -> str:
  """Returns how a file is encoded; says so where that had to be guessed.

  Args:
    path: of the file.
    size: of it, and
    changed: when it did, so that an answer is not kept for longer.
  """
  del size, changed
  decoder = codecs.getincrementaldecoder('utf-8')()
  with open(path, 'rb') as file:
    start = file.read(4)
    for mark, encoding in _MARKS:
      if start.startswith(mark):
        return encoding
    try:
      while start:
        decoder.decode(start)
        start = file.read(1 << 20)
      decoder.decode(b'', final=True)
    except UnicodeDecodeError:
      mistakes.note(
        f'{path}: neither UTF-8 nor UTF-16; read as Latin-1 (Windows-1252). '
        'Save it as UTF-8 if letters come out wrong.'
      )
      return _GUESS
  return 'utf-8'


def encoding(path: epath.PathLike) -> str:
  """Returns the encoding of a text file: by its byte order mark, else UTF-8.

  A file that is no UTF-8 is taken for Windows-1252, and the user is told.
  """
  status = os.stat(path)
  return _encoding(os.fspath(path), status.st_size, status.st_mtime_ns)


def open_text(path: epath.PathLike) -> TextIO:
  """Opens a text file for reading, whatever its encoding.

  Every text file of a user is opened here. Ends of lines are left to the
  reader, as the csv module wants them.
  """
  guessed = encoding(path)
  # Five bytes mean nothing in Windows-1252.
  errors = 'replace' if guessed == _GUESS else 'strict'
  return open(path, newline='', encoding=guessed, errors=errors)


def read(path: epath.PathLike) -> str:
  """Returns what a text file says, with '\n' at the end of lines."""
  with open_text(path) as file:
    return '\n'.join(file.read().splitlines()) + '\n'


def lines(path: epath.PathLike) -> Iterator[tuple[int, str]]:
  """Yields (number from 1, line) of lines that are not blank, cleaned."""
  for number, line in enumerate(read(path).splitlines(), 1):
    if line := names.clean(line):
      yield number, line


def read_rows(
  path: str, widths: Sequence[int], expected: str, size: int = 65536
) -> Iterator[tuple[list[int], list[list[str]]]]:
  """Reads a csv in blocks, so that a million lines never lie in memory.

  Args:
    path: of the csv; blank lines are allowed.
    widths: admissible numbers of columns.
    expected: the format in words, for errors.
    size: rows per block.

  Yields:
    Line numbers (from 1) and the rows of a block.

  Raises:
    AnnotationError: at the first row with another number of columns.
  """
  lines, rows = [], []
  with open(path, newline='', encoding='utf-8-sig') as file:
    reader = csv.reader(file)
    for row in reader:
      if not row:
        continue
      if len(row) not in widths:
        raise fail(path, reader.line_num, f'{len(row)} columns', expected)
      lines.append(reader.line_num)
      rows.append(row)
      if len(rows) == size:
        yield lines, rows
        lines, rows = [], []
  if rows:
    yield lines, rows


def read_table(
  path: str, required: Sequence[str], optional: Sequence[str] | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
  """Reads a table with a header.

  Args:
    path: of a csv, tsv or xlsx file.
    required: columns that must be there.
    optional: further columns that may be; None admits any.

  Yields:
    Line number and the row as a dict.

  Raises:
    AnnotationError: for missing or unknown columns, and for rows of another
      length than the header's.
  """
  expected = f'a header with the columns {",".join(required)}'
  if optional:
    expected += f' and possibly {",".join(optional)}'
  lines = _lines(path)
  _, header = next(lines, (1, []))
  header = [name.strip() for name in header]
  missing = [name for name in required if name not in header]
  if missing:
    raise fail(path, 1, f'no column {", ".join(missing)}', expected)
  allowed = None if optional is None else {*required, *optional}
  unknown = [n for n in header if allowed is not None and n not in allowed]
  if unknown or len(set(header)) < len(header):
    problem = f'unknown columns {unknown}' if unknown else 'repeated columns'
    raise fail(path, 1, problem, expected)
  for line, row in lines:
    if len(row) != len(header):
      problem = f'{len(row)} columns'
      raise fail(path, line, problem, f'{len(header)} as in the header')
    yield line, dict(zip(header, row))


def first_row(path: str) -> list[str]:
  """Returns the first row of a table, which may be its header."""
  _, row = next(_lines(path), (1, []))
  return [cell.strip() for cell in row]


def _lines(path: str) -> Iterator[tuple[int, list[str]]]:
  """Yields line numbers and the cells of lines that are not empty.

  A `.xlsx` file's first sheet is read, a `.tsv` file has tabs between cells.
  """
  if path.endswith('.xlsx'):
    yield from _sheet(path)
    return
  delimiter = '\t' if path.endswith('.tsv') else ','
  with open(path, newline='', encoding='utf-8-sig') as file:
    reader = csv.reader(file, delimiter=delimiter)
    for row in reader:
      if row:
        yield reader.line_num, row


def _sheet(path: str) -> Iterator[tuple[int, list[str]]]:
  book = openpyxl.load_workbook(path, read_only=True, data_only=True)
  rows = book.worksheets[0].iter_rows(values_only=True)
  width = 0
  for line, row in enumerate(rows, 1):
    cells = ['' if cell is None else str(cell) for cell in row]
    # Sheets may be wider than what is written in them.
    width = width or len(_trimmed(cells))
    if any(cells):
      yield line, cells[:width] + [''] * (width - len(cells))


def _trimmed(cells: list[str]) -> list[str]:
  """Returns cells without empty ones at the end."""
  while cells and not cells[-1]:
    cells = cells[:-1]
  return cells


def number(text: str, path: str, line: int | None, name: str) -> float:
  """Parses a finite decimal.

  Raises:
    AnnotationError: naming the field `name`.
  """
  try:
    value = float(text)
  except ValueError:
    value = float('nan')
  if not np.isfinite(value):
    raise fail(path, line, f'{name} is {text!r}', 'a number')
  return value


def floats(
  rows: Sequence[Sequence[str]],
  columns: Sequence[int],
  names: Sequence[str],
  path: str,
  lines: Sequence[int],
) -> np.ndarray:
  """Parses several columns at once.

  Returns:
    float64 [rows, columns].

  Raises:
    AnnotationError: at the first field that is no finite number.
  """
  try:
    values = [[float(row[c]) for row in rows] for c in columns]
    result = np.array(values, np.float64).reshape(len(columns), -1).T
    if np.isfinite(result).all():
      return result
  except ValueError:
    pass  # found again below, with its line
  for line, row in zip(lines, rows):
    for column, name in zip(columns, names):
      number(row[column], path, line, name)
  raise AssertionError(f'{path}: a number is none, but which?')


def read_json(path: str, kind: type, expected: str):
  """Reads a json file whose top level is a `kind`.

  Raises:
    AnnotationError: if it is not json, or of another kind.
  """
  with open(path, encoding='utf-8') as file:
    try:
      value = json.load(file)
    except json.JSONDecodeError as error:
      raise fail(
        path, error.lineno, f'not json ({error.msg})', expected
      ) from None
  if not isinstance(value, kind):
    raise fail(path, None, f'a json {type(value).__name__}', expected)
  return value
