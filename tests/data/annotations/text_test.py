import codecs
import csv
import io
import math

import openpyxl
import pytest
import spreadsheets

from vidpetl import mistakes
from vidpetl.data.annotations import text

_ROWS = [['name', 'score'], ['Straße', '1'], ['Kür', '2.5']]
_TABLE = [(2, {'name': 'Straße', 'score': '1'})]
_TABLE.append((3, {'name': 'Kür', 'score': '2.5'}))


def _csv(delimiter=',', rows=_ROWS):
  file = io.StringIO()
  csv.writer(file, delimiter=delimiter).writerows(rows)
  return file.getvalue()


def _table(tmp_path, content, name='mine.csv'):
  path = tmp_path / name
  path.write_bytes(content)
  return list(text.read_table(str(path), ('name', 'score')))


_MARKED = [
  _csv().encode('utf-8-sig'),
  _csv().encode('utf-16'),
  codecs.BOM_UTF16_BE + _csv().encode('utf-16-be'),
  _csv().encode('utf-32'),
  codecs.BOM_UTF32_BE + _csv().encode('utf-32-be'),
]


@pytest.mark.parametrize('content', _MARKED)
def test_a_byte_order_mark_tells_the_encoding(tmp_path, content):
  assert _table(tmp_path, content) == _TABLE


@pytest.mark.parametrize(
  'encoding', ['utf-8', 'utf-16-le', 'utf-16-be', 'utf-32-le', 'utf-32-be']
)
def test_zero_bytes_tell_the_encoding(tmp_path, encoding):
  assert _table(tmp_path, _csv().encode(encoding)) == _TABLE


def test_latin_1_is_read_and_named(tmp_path):
  with pytest.warns(mistakes.Note, match=r'mine\.csv:2: not UTF-8; .*Latin-1'):
    assert _table(tmp_path, _csv().encode('cp1252')) == _TABLE


@pytest.mark.parametrize(
  'content, message',
  [
    (_csv().encode('utf-16')[:-1], r':3: bytes that are no UTF-16'),
    (b'\xef\xbb\xbfname,score\na\xff,2\n', ':2: bytes that are no UTF-8'),
    (b'name,score\n\0\1\2\xff', ': no text, but bytes'),
    (b'PK\x03\x04 broken', ': no spreadsheet that can be read'),
  ],
)
def test_bytes_that_are_no_text_are_named(tmp_path, content, message):
  with pytest.raises(text.AnnotationError, match=r'mine\.csv' + message):
    _table(tmp_path, content)


@pytest.mark.parametrize('ends', ['\n', '\r\n', '\r', '\n\n'])
def test_lines_end_in_any_way(tmp_path, ends):
  path = tmp_path / 'list.txt'
  path.write_text(ends.join(['one', ' cafe\u0301 ', '']), newline='')
  expected = ['one', 'café']
  assert [line for _, line in text.lines(path)] == expected
  assert len(_table(tmp_path, ends.join(['name,score', 'a,1']).encode())) == 1


@pytest.mark.parametrize('delimiter', [';', '|'])
def test_the_delimiter_is_found_and_said(tmp_path, delimiter):
  with pytest.warns(mistakes.Note, match=r"mine\.csv: '.' stands between"):
    assert _table(tmp_path, _csv(delimiter).encode()) == _TABLE


@pytest.mark.parametrize('name', ['mine.csv', 'mine.tsv', 'mine.txt'])
def test_tabs_are_found(tmp_path, name):
  assert _table(tmp_path, _csv('\t').encode('utf-16'), name) == _TABLE


def test_a_declared_delimiter_is_taken(tmp_path):
  with pytest.warns(mistakes.Note):
    rows = _table(tmp_path, b'sep=;\r\nname;score\r\na,b,c;1\r\n')
  assert rows == [(3, {'name': 'a,b,c', 'score': '1'})]


def test_names_are_clean_and_files_are_as_they_are_written(tmp_path):
  path = tmp_path / 'mine.csv'
  path.write_text(' Path , label,split\n cafe\u0301.mp4 , cafe\u0301,train \n')
  ((line, row),) = text.read_table(path, ('path', 'label'))
  assert line == 2
  assert row == {'path': 'cafe\u0301.mp4', 'label': 'café', 'split': 'train'}


def test_rows_without_header_are_clean(tmp_path):
  path = tmp_path / 'mine.csv'
  path.write_text('\ufefffilm_a , 1.5\n\n cafe\u0301,2\n')
  assert list(text.rows(path)) == [(1, ['film_a', '1.5']), (3, ['café', '2'])]


def test_rows_without_header_have_any_delimiter(tmp_path):
  path = tmp_path / 'mine.csv'
  path.write_text('film;902;0,1\n')
  assert list(text.rows(path, (3,))) == [(1, ['film', '902', '0,1'])]


def test_empty_columns_and_rows_at_the_end_are_none(tmp_path):
  content = b'name,score,,\na,1,,\n,,,\n'
  assert _table(tmp_path, content) == [(2, {'name': 'a', 'score': '1'})]


_SHEET = [('Name', 'Score'), ('Straße', 1), (None, None), ('Kür', 2.5)]
_CELLS = [(2, {'name': 'Straße', 'score': '1'})]
_CELLS.append((4, {'name': 'Kür', 'score': '2.5'}))


def test_a_sheet_of_excel(tmp_path):
  book = openpyxl.Workbook()
  for row in _SHEET:
    book.active.append(row)
  book.save(tmp_path / 'mine.xlsx')
  path = tmp_path / 'mine.xlsx'
  assert list(text.read_table(path, ('name', 'score'))) == _CELLS
  path = path.rename(tmp_path / 'mine.csv')  # By content.
  assert list(text.read_table(path, ('name', 'score'))) == _CELLS


def test_a_sheet_of_libreoffice(tmp_path):
  path = spreadsheets.ods(tmp_path / 'mine.ods', _SHEET)
  assert list(text.read_table(path, ('name', 'score'))) == _CELLS


@pytest.mark.parametrize(
  'field, value',
  [('12.5', 12.5), ('12,5', 12.5), ('-0,25', -0.25), (' 7 ', 7.0),
   ('1.234,5', 1234.5), ('1,234.5', 1234.5), (',5', 0.5)],
)  # fmt: skip
def test_a_number_may_have_a_comma(field, value):
  assert text.number(field, 'x.csv', 1, 'score') == value


@pytest.mark.parametrize('field', ['', 'nan', 'inf', '1,2,3', '1;2', 'high'])
def test_what_is_no_number_is_named(field):
  with pytest.raises(text.AnnotationError, match=r'x\.csv:1: score is'):
    text.number(field, 'x.csv', 1, 'score')


@pytest.mark.parametrize(
  'field, value',
  [('75', 75), ('75,5', 75.5), ('1:15', 75), ('01:15.25', 75.25),
   ('0:01:15,5', 75.5), ('1:00:00', 3600), ('90:00', 5400)],
)  # fmt: skip
def test_a_time_is_seconds_or_a_clock(field, value):
  assert math.isclose(text.seconds(field, 'x.csv', 1, 'start'), value)


@pytest.mark.parametrize('field', ['1:75', '1:60:00', '1:2:3:4', ':5', 'soon'])
def test_what_is_no_time_is_named(field):
  with pytest.raises(text.AnnotationError, match=r'x\.csv:1: start is .*mm:ss'):
    text.seconds(field, 'x.csv', 1, 'start')


def test_json_is_clean_and_its_line_is_named(tmp_path):
  path = tmp_path / 'mine.json'
  path.write_bytes('{"cafe\u0301": [" a "]}'.encode('utf-8-sig'))
  assert text.read_json(path, dict, 'a dict') == {'café': ['a']}
  path.write_text('[\n1,\n')
  with pytest.raises(text.AnnotationError, match=r'mine\.json:3: not json'):
    text.read_json(path, list, 'a list')
