import datetime

import numpy as np
import openpyxl
import pytest
import spreadsheets

from vidpetl import mistakes
from vidpetl.data import sources
from vidpetl.data.annotations import text


def _open(tmp_path, content, **options):
  path = tmp_path / 'mine.csv'
  path.write_text(content)
  for name in ('a.mp4', 'b.mp4'):
    (tmp_path / name).touch()
  (tmp_path / 'frames').mkdir(exist_ok=True)
  return sources.open_source(
    {'source': 'performances', 'path': str(path), **options}
  )


_ALL = (
  'video,score,start,end,split,id,difficulty,action,judge_1,judge_2,steps\n'
  'a.mp4,72.5,1,4,train,,2.5,107B,7,7.5,2;3.5\n'
  'frames,60,,,train,mine,,,6,5,\n'
  'b.mp4,10,,,val,,1.5,5132D,1,2,0;9\n'
)


def test_columns(tmp_path):
  source = _open(tmp_path, _ALL, split='train', fps=30)
  first, second = source[0], source[1]
  assert (first.id, first.score) == ('a.mp4@1', 72.5)
  assert (first.start, first.end, first.steps) == (1, 4, (2, 3.5))
  assert (first.difficulty, first.action) == (2.5, '107B')
  assert (second.id, second.start, second.end) == ('mine', 0, None)
  assert np.isnan([second.difficulty, *second.steps]).all()
  assert (second.judge_scores, second.action) == ((6, 5), '')
  assert source.video(1) == str(tmp_path / 'frames')
  info = source.info
  assert (info.name, info.kind, info.num_classes) == ('mine', 'quality', 0)
  assert info.fps == 30
  shapes = {name: column.shape for name, column in info.table.items()}
  assert shapes == {
    'scores': (2,),
    'judge_scores': (2, 2),
    'difficulties': (2,),
    'actions': (2,),
    'steps': (2, 2),
    'ids': (2,),
  }
  assert len(_open(tmp_path, _ALL)) == 3  # 'all'


def test_two_columns_are_enough(tmp_path):
  source = _open(tmp_path, 'video,score\na.mp4,-3\n')
  assert source[0].score == -3 and source[0].judge_scores == ()
  assert source.info.table['steps'].shape == (1, 0)


def test_missing_videos_are_listed(tmp_path):
  content = 'video,score\nno.mp4,1\na.mp4,2\nno.mp4,3\n'
  source = _open(tmp_path, content)
  assert (len(source), source[0].score) == (1, 2)
  assert [d.id for d in source.info.dropped] == ['no.mp4', 'no.mp4#2']
  assert 'mine.csv:4' in source.info.dropped[1].reason


@pytest.mark.parametrize(
  'content, message',
  [
    ('video,score\na.mp4,high\n', ":2: score is 'high'"),
    ('video,score\na.mp4,nan\n', ":2: score is 'nan'"),
    ('video,score\na.mp4,\n', ":2: score is ''"),
    ('video,score\na.mp4,1\n,2\n', ':3: no video'),
    ('video\na.mp4\n', ':1: no column score'),
    ('video,score\n', ': no rows'),
    ('video,score,spilt\na.mp4,1,3\n', r":1: unknown columns \['spilt'\]"),
    ('video,score,judge_2\na.mp4,1,3\n', r":1: unknown columns \['judge_2'\]"),
    ('video,score,judge_1\na.mp4,1,good\n', ":2: judge_1 is 'good'"),
    ('video,score,start\na.mp4,1,1:75\n', ":2: start is '1:75'"),
    ('video,score,difficulty\na.mp4,1,0\n', ':2: difficulty is 0'),
    ('video,score,start,end\na.mp4,1,3,2\n', ':2: start 3, end 2'),
    ('video,score,steps\na.mp4,1,3;2\n', ':2: steps are 3;2'),
    ('video,score,end,steps\na.mp4,1,3,2;4\n', ':2: steps are 2;4'),
    ('video,score,steps\na.mp4,1,2;soon\n', ":2: steps is 'soon'"),
    ('video,score,steps\na.mp4,1,2\nb.mp4,1,2;3\n', ':2: 1 steps; expected 2'),
  ],
)
def test_a_bad_csv_is_named(tmp_path, content, message):
  with pytest.raises(text.AnnotationError, match=r'mine\.csv' + message):
    _open(tmp_path, content)


def test_a_split_that_is_not_there(tmp_path):
  with pytest.raises(ValueError, match=r"there are \['train', 'val'\]"):
    _open(tmp_path, _ALL, split='test')


def test_no_video_at_all(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'none of the 1 .* no\.mp4'):
    _open(tmp_path, 'video,score\nno.mp4,1\n')


# A coach's sheet: 12 films of two elements, a judge who was not always there.
_SCORES = (5.38, 6.02, 6.7, 7.0, 7.25, 7.3, 7.75, 8.0, 8.1, 8.25, 8.4, 8.5)


def _sheet():
  rows = [('Video', 'Action', 'Judge 1', 'Judge 2', 'Total', 'Start', 'Verein')]
  for i, score in enumerate(_SCORES):
    second = None if i == 4 else score + 0.1
    start = datetime.time(0, 1, 15) if i == 0 else None
    action = ('Kür', 'Flug')[i % 2]
    rows.append(
      (f'K\u00fcr {i}.mp4', action, score, second, score, start, 'TV')
    )
  return rows


def _as_text(cell):
  if isinstance(cell, float):
    return str(cell).replace('.', ',')
  return '-' if cell is None else str(cell)


def _csv(path, encoding):
  lines = [';'.join(map(_as_text, row)) for row in _sheet()]
  path.write_bytes('\r\n'.join(lines).encode(encoding))


def _xlsx(path):
  book = openpyxl.Workbook()
  for row in _sheet():
    book.active.append(row)
  book.save(path)


_WRITERS = {
  'cp1252.csv': lambda path: _csv(path, 'cp1252'),
  'utf8.csv': lambda path: _csv(path, 'utf-8-sig'),
  'utf16.txt': lambda path: _csv(path, 'utf-16'),
  'sheet.xlsx': _xlsx,
  'sheet.ods': lambda path: spreadsheets.ods(path, _sheet()),
}


def _coach(tmp_path, name, **options):
  _WRITERS[name](tmp_path / name)
  for i in range(len(_SCORES)):
    (tmp_path / f'K\u00fcr {i}.mp4').touch()
  fields = {'source': 'performances', 'path': str(tmp_path / name)}
  return sources.open_source(fields | options)


@pytest.mark.parametrize('name', _WRITERS)
@pytest.mark.filterwarnings('ignore::vidpetl.mistakes.Note')
def test_a_judges_sheet_is_read_in_any_form(tmp_path, name):
  source = _coach(tmp_path, name)
  table = source.info.table
  np.testing.assert_allclose(table['scores'], _SCORES)
  np.testing.assert_allclose(table['judge_scores'][:, 0], _SCORES)
  assert np.flatnonzero(np.isnan(table['judge_scores'][:, 1])).tolist() == [4]
  assert list(table['actions'][:2]) == ['Kür', 'Flug']
  assert (source[0].start, source[1].start) == (75, 0)
  assert source.video(3) == str(tmp_path / 'Kür 3.mp4')


def test_what_was_found_of_a_sheet_is_said(tmp_path):
  with pytest.warns(mistakes.Note) as said:
    _coach(tmp_path, 'cp1252.csv')
  said = ' '.join(str(warning.message) for warning in said)
  assert 'cp1252.csv:2: not UTF-8' in said
  assert "';' stands between its columns" in said
  assert 'columns that are not used: verein' in said


@pytest.mark.filterwarnings('ignore::vidpetl.mistakes.Note')
def test_a_sheet_without_split_is_split_by_a_share_of_each_action(tmp_path):
  train, val = (
    _coach(tmp_path, 'sheet.xlsx', split=split) for split in ('train', 'val')
  )
  assert (len(train), len(val)) == (10, 2)
  assert set(val.info.table['actions']) == {'Kür', 'Flug'}
  ids = [{source[i].id for i in range(len(source))} for source in (train, val)]
  assert not ids[0] & ids[1]
  (note,) = val.info.notes
  assert 'no column split: 2 of 12 performances are for validation' in note
  val = _coach(tmp_path, 'sheet.xlsx', split='val', val_fraction=0.5)
  assert len(val) == 6


def test_performances_of_one_film_are_split_too(tmp_path):
  rows = ''.join(f'a.mp4,{i},{i}\n' for i in range(10))
  source = _open(tmp_path, 'video,score,start\n' + rows, split='val')
  assert len(source) == 2


def test_actions_that_occur_once_are_split_as_one(tmp_path):
  names = [f'{i}.mp4' for i in range(10)]
  for name in names:
    (tmp_path / name).touch()
  rows = ''.join(f'{name},1,{name}\n' for name in names)
  source = _open(tmp_path, 'video,score,action\n' + rows, split='val')
  assert len(source) == 2


def test_splits_are_spelled_in_any_way_and_test_stands_for_val(tmp_path):
  content = 'video,score,split\na.mp4,1, Train \nb.mp4,2,Testing\na.mp4,3,\n'
  source = _open(tmp_path, content, split='train')
  assert len(source) == 1
  assert [
    note.partition(' (')[0].partition(': ')[2] for note in source.info.notes
  ] == [
    '1 rows are in no split, and are left out',
    'the rows of test are taken for it',
  ]
  assert _open(tmp_path, content, split='val')[0].score == 2


@pytest.mark.parametrize(
  'header',
  ['path,total', ' File , Score ', 'FILENAME,final score', 'clip,Total-Score'],
)
def test_columns_have_other_names(tmp_path, header):
  assert _open(tmp_path, f'{header}\na.mp4,7\n')[0].score == 7


@pytest.mark.parametrize(
  'header', ['Judge 1,judge-2', 'J1,j2', 'Judge1,JUDGE_02']
)
def test_judges_have_other_names(tmp_path, header):
  source = _open(tmp_path, f'video,score,{header}\na.mp4,1,6.5,n/a\n')
  np.testing.assert_array_equal(source[0].judge_scores, [6.5, np.nan])


def test_times_are_clocks_and_commas_are_points(tmp_path):
  content = (
    'video;score;start;end;steps\na.mp4;7,5;0:01:15;1:20,5;"1:16;77,5"\n'
  )
  with pytest.warns(mistakes.Note, match="';' stands between"):
    (only,) = [_open(tmp_path, content)[0]]
  assert (only.score, only.start, only.end) == (7.5, 75, 80.5)
  assert only.steps == (76, 77.5)
