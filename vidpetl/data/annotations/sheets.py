"""Cells of spreadsheets, and what stands between the cells of a csv."""

from __future__ import annotations

import datetime
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from etils import epy

from vidpetl import bounds, mistakes
from vidpetl.data import names

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

  Hidden sheets do not count. The user is told of further ones.

  Args:
    path: of an xlsx, xlsm, xlsb, xls or ods file.

  Yields:
    Its number, from 1, and its cells as texts.

  Raises:
    ValueError: if it cannot be read.
  """
  _require_small(path)
  try:
    book = python_calamine.CalamineWorkbook.from_path(path)
    first, *others = [s.name for s in book.sheets_metadata if _is_shown(s)]
    cells = book.get_sheet_by_name(first).to_python(skip_empty_area=False)
  # A member whose checksum is another is an OSError of calamine's.
  except (python_calamine.CalamineError, ValueError, OSError) as error:
    raise ValueError(f'no spreadsheet that can be read ({error})') from None
  if others:
    mistakes.note(
      f'{names.shown(path)}: of its sheets, the first alone is read: {first}, '
      f'and not {", ".join(others)}'
    )
  for line, row in enumerate(cells, 1):
    if clock := next(filter(_may_be_minutes, row), None):
      mistakes.note(
        f'{names.shown(path)}:{line}: a cell holds {clock} hours, as a sheet '
        'understands what is typed as mm:ss; type 0:mm:ss'
      )
    row = [_text(cell) for cell in row]
    if any(row):
      yield line, row


def _require_small(path: str) -> None:
  """Refuses a packed sheet that would become too large."""
  if not zipfile.is_zipfile(path):
    return
  try:
    with zipfile.ZipFile(path) as archive:
      size = sum(member.file_size for member in archive.infolist())
  except (zipfile.BadZipFile, ValueError) as error:
    raise ValueError(f'no spreadsheet that can be read ({error})') from None
  bounds.require('text', size, f'{names.shown(path)} unpacks to {size:,} bytes')


def _may_be_minutes(cell: Any) -> bool:
  return isinstance(cell, datetime.time) and cell.hour > 0 == cell.second


def _is_shown(sheet: Any) -> bool:
  """Returns whether a sheet has cells, and is not hidden."""
  return (
    sheet.visible == python_calamine.SheetVisibleEnum.Visible
    and sheet.typ == python_calamine.SheetTypeEnum.WorkSheet
  )


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
