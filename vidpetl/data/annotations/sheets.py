"""Cells of spreadsheets, and what stands between the cells of a csv."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import Any

from etils import epy

with epy.lazy_imports():
  import python_calamine

SUFFIXES = ('.xlsx', '.xlsm', '.xlsb', '.xls', '.ods')
# What such files begin with, whatever they are called: zip, and OLE.
_BEGINNINGS = (b'PK\x03\x04', b'\xd0\xcf\x11\xe0')
DELIMITERS = (',', ';', '\t', '|')
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
# A first line by which Excel is told the delimiter.
DECLARATION = re.compile(r'sep=(.)$')


def is_sheet(path: str) -> bool:
  """Returns whether a file is a spreadsheet, by its first bytes."""
  with open(path, 'rb') as file:
    return file.read(4) in _BEGINNINGS


def rows(path: str) -> Iterator[tuple[int, list[str]]]:
  """Yields the rows of a spreadsheet's first sheet that are not empty.

  Args:
    path: of an xlsx, xlsm, xlsb, xls or ods file.

  Yields:
    Its number, from 1, and its cells as texts.

  Raises:
    ValueError: if it cannot be read.
  """
  try:
    book = python_calamine.CalamineWorkbook.from_path(path)
    cells = book.get_sheet_by_index(0).to_python(skip_empty_area=False)
  except (python_calamine.CalamineError, IndexError) as error:
    raise ValueError(f'no spreadsheet that can be read ({error})') from None
  for line, row in enumerate(cells, 1):
    row = [_text(cell) for cell in row]
    if any(row):
      yield line, row


def _text(cell: Any) -> str:
  """Returns a cell as a person would have typed it."""
  if isinstance(cell, float) and cell.is_integer():
    return str(int(cell))  # Sheets know no other numbers than floats.
  if isinstance(cell, datetime.timedelta):
    return repr(cell.total_seconds())
  if isinstance(cell, datetime.time | datetime.date | datetime.datetime):
    return cell.isoformat()
  return str(cell).strip()


def delimiter(line: str) -> str:
  """Returns what stands between the columns of a csv: , ; | or a tab.

  Args:
    line: its first; what is quoted in it does not count.
  """
  plain = _QUOTED.sub('', line)
  return max(DELIMITERS, key=plain.count)
