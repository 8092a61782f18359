"""What spreadsheets hold beside the cells of one table."""

import datetime

import openpyxl
import pytest
import spreadsheets

from vidpetl import mistakes
from vidpetl.data import sources
from vidpetl.data.annotations import text

_ROWS = (('video', 'score'), ('a.mp4', 8.5), ('b.mp4', 7))


@pytest.fixture
def book(tmp_path):
  for name in ('a.mp4', 'b.mp4'):
    (tmp_path / name).touch()
  book = openpyxl.Workbook()
  for row in _ROWS:
    book.active.append(row)
  return book


def _open(book, tmp_path):
  book.save(tmp_path / 'scores.xlsx')
  return sources.open_source(
    {'source': 'performances', 'path': str(tmp_path / 'scores.xlsx')}
  )


def test_a_hidden_sheet_is_not_the_first(book, tmp_path):
  lists = book.create_sheet('lists', 0)
  lists.append(['Vault'])
  lists.sheet_state = 'hidden'
  book.active = 1
  assert len(_open(book, tmp_path)) == 2


def test_sheets_that_are_not_read_are_named(book, tmp_path):
  book.create_sheet('Final').append(['video', 'score'])
  with pytest.warns(mistakes.Note, match='first alone .* and not Final'):
    assert len(_open(book, tmp_path)) == 2


def test_minutes_that_a_sheet_takes_for_hours_are_noted(book, tmp_path):
  book.active['C1'] = 'start'
  book.active['C2'] = datetime.time(1, 15)
  book.active['C3'] = datetime.time(0, 1, 15)
  with pytest.warns(mistakes.Note, match='xlsx:2: .* 01:15:00 hours'):
    source = _open(book, tmp_path)
  assert source[1].start == 75


def test_a_damaged_sheet_is_named(tmp_path):
  rows = [['video', 'score'], ['a.mp4', 1]]
  path = spreadsheets.ods(tmp_path / 'scores.ods', rows)
  data = path.read_bytes()
  # How long the first name in the zip is. Calamine calls it no error of sheets.
  path.write_bytes(data[:26] + b'\xfe\x80' + data[28:])
  with pytest.raises(text.AnnotationError, match=r'scores\.ods: no spreads'):
    sources.open_source({'source': 'performances', 'path': str(path)})
