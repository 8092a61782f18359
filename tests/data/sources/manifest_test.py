"""Tables of one's own clips."""

import os
import unicodedata

import pytest

from vidpetl.data import sources
from vidpetl.data.annotations import text


def _open(tmp_path, content, **options):
  path = tmp_path / 'mine.csv'
  path.write_text(content)
  for name in ('a.mp4', 'b.mp4'):
    (tmp_path / name).touch()
  return sources.open_source(
    {'source': 'manifest', 'path': str(path), **options}
  )


_SPLIT = (
  'path,label,start,end,split,id\n'
  'a.mp4,run,1.5,3,train,\na.mp4,jump,,,val,\nb.mp4,swim,2,,train,mine\n'
)


def test_columns_and_splits(tmp_path):
  source = _open(tmp_path, _SPLIT, split='train')
  assert dict(source.info.classes) == {0: 'jump', 1: 'run', 2: 'swim'}
  first, second = source[0], source[1]
  assert (first.start, first.end, first.label) == (1.5, 3.0, 1)
  assert (second.start, second.end, second.id) == (2.0, None, 'mine')
  assert first.id == 'a.mp4@1.5'
  assert source.video(0) == str(tmp_path / 'a.mp4')
  assert len(_open(tmp_path, _SPLIT)) == 3  # 'all'


def test_missing_videos_are_listed_and_shift_nothing(tmp_path):
  content = 'path,label\nno.mp4,run\na.mp4,swim\nno.mp4,run\nno.mp4,run\n'
  source = _open(tmp_path, content)
  assert (len(source), source[0].label) == (1, 1)
  assert [d.id for d in source.info.dropped] == [
    'no.mp4',
    'no.mp4#2',
    'no.mp4#3',
  ]
  assert 'mine.csv:2' in source.info.dropped[0].reason


@pytest.mark.parametrize('end', ['', '.0'])
def test_labels_that_are_numbers_are_in_their_order(tmp_path, end):
  """Also as pandas writes them where a column has gaps: 2.0."""
  rows = ''.join(f'a.mp4,{i}{end},{i},{i + 1}\n' for i in (10, 2, 0, 11, 1))
  source = _open(tmp_path, 'path,label,start,end\n' + rows)
  expected = [f'{i}{end}' for i in (0, 1, 2, 10, 11)]
  assert list(source.info.classes.values()) == expected
  assert source[0].label == 3


def test_given_classes_keep_their_order(tmp_path):
  content = 'path,label\na.mp4,run\n'
  source = _open(tmp_path, content, classes=('swim', 'run'))
  assert source[0].label == 1 and source.info.num_classes == 2
  with pytest.raises(text.AnnotationError, match=r"csv:2: label 'run' is not"):
    _open(tmp_path, content, classes=('swim',))


@pytest.mark.parametrize(
  'content, message',
  [
    ('path,label,fps\na.mp4,run,3\n', r":1: unknown columns \['fps'\]"),
    ('path\na.mp4\n', ':1: no column label'),
    ('path,label,label\na.mp4,x,y\n', ':1: repeated columns'),
    ('path,label\na.mp4\n', ':2: 1 columns; expected 2'),
    ('path,label\na.mp4,\n', ':2: no label'),
    ('path,label,start\na.mp4,x,soon\n', ":2: start is 'soon'"),
    ('path,label,start,end\na.mp4,x,3,2\n', ':2: start 3, end 2'),
    ('path,label,start,end\na.mp4,x,0,0\n', ':2: start 0, end 0'),
    ('path,label\n', ': no rows'),
    ('', ':1: no column path, label'),
  ],
)
def test_a_bad_manifest_is_named(tmp_path, content, message):
  with pytest.raises(text.AnnotationError, match=r'mine\.csv' + message):
    _open(tmp_path, content)


def test_a_split_that_is_not_there(tmp_path):
  with pytest.raises(ValueError, match=r"there are \['train', 'val'\]"):
    _open(tmp_path, _SPLIT, split='test')
  with pytest.raises(ValueError, match=r"there are \['train'\]"):
    _open(tmp_path, 'path,label\na.mp4,run\n', split='val')


def test_no_video_at_all(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'none of the 1 .* no\.mp4'):
    _open(tmp_path, 'path,label\nno.mp4,run\n')


def test_labels_may_be_several_or_none(tmp_path):
  content = 'path,label\na.mp4,run | jump\nb.mp4,\n'
  source = _open(tmp_path, content, kind='multilabel')
  assert dict(source.info.classes) == {0: 'jump', 1: 'run'}
  assert [source[i].labels for i in range(2)] == [(0, 1), ()]
  source = _open(tmp_path, 'path,start\na.mp4,2\n', kind='unlabelled')
  assert (source[0].id, source[0].start) == ('a.mp4@2', 2.0)
  with pytest.raises(text.AnnotationError, match="'quality' is not for a csv"):
    _open(tmp_path, content, kind='quality')
  with pytest.raises(ValueError, match="kind='film'; there are: class"):
    _open(tmp_path, content, kind='film')


def _said(source):
  return '\n'.join(source.info.notes)


def _labels(source):
  names = source.info.classes
  return [names[source[i].label] for i in range(len(source))]


def test_blanks_around_labels_are_no_part_of_them(tmp_path):
  content = 'path,label\na.mp4,walk\na.mp4, walk ,\nb.mp4,run\n'
  content = content.replace(' walk ,', ' walk ')
  source = _open(tmp_path, content)
  assert dict(source.info.classes) == {0: 'run', 1: 'walk'}
  assert _labels(source) == ['walk', 'walk', 'run']


def test_a_label_in_two_forms_of_unicode_is_one(tmp_path):
  decomposed = unicodedata.normalize('NFD', 'thé')
  source = _open(tmp_path, f'path,label\na.mp4,thé\nb.mp4,{decomposed}\n')
  assert dict(source.info.classes) == {0: 'thé'}


def test_splits_and_columns_are_spelled_in_any_way(tmp_path):
  content = (
    'Path,LABEL,Split\na.mp4,walk,train\nb.mp4,run,Training \n'
    'c.mp4,walk,TRAIN\nd.mp4,run,Validation\n'
  )
  for name in ('c.mp4', 'd.mp4'):
    (tmp_path / name).touch()
  assert len(_open(tmp_path, content, split='train')) == 3
  assert len(_open(tmp_path, content, split='val')) == 1


def test_rows_that_neither_train_nor_evaluate_are_named(tmp_path):
  content = (
    'path,label,split\na.mp4,run,train\nb.mp4,run,val\n'
    'c.mp4,run,test\nd.mp4,run,\n'
  )
  train, val = (_open(tmp_path, content, split=s) for s in ('train', 'val'))
  for source in (train, val):
    said = _said(source)
    assert "1 clips of the split 'test' are neither trained nor" in said
    assert 'mine.csv:4' in said
    assert '1 rows have no split, and are left out:' in said
  (row,) = train.info.dropped
  assert row.id == 'd.mp4' and row.reason.startswith('no split (')
  assert not val.info.dropped


def test_test_is_taken_for_a_missing_val(tmp_path):
  content = 'path,label,split\na.mp4,run,train\nb.mp4,run,test\n'
  source = _open(tmp_path, content, split='val')
  assert source[0].id == 'b.mp4'
  assert 'the 1 rows of test are taken for it' in _said(source)


def test_without_a_column_split_a_share_of_each_class_is_val(tmp_path):
  names = [f'{label}{i}.mp4' for label in ('run', 'swim') for i in range(20)]
  for name in names:
    (tmp_path / name).touch()
  # Two clips of a file are in one split.
  content = 'path,label,start,end\n' + ''.join(
    f'{name},{name[:-5].strip("1")},{start},{start + 1}\n'
    for name in names
    for start in (0, 5)
  )
  train, val = (_open(tmp_path, content, split=s) for s in ('train', 'val'))
  assert (len(train), len(val)) == (64, 16)
  assert _labels(val).count('run') == 8
  files = [{s.video(i) for i in range(len(s))} for s in (train, val)]
  assert not files[0] & files[1]
  assert len(_open(tmp_path, content, split='val', val_fraction=0.5)) == 40


def test_one_clip_with_two_labels_is_an_error(tmp_path):
  content = 'path,label,split\na.mp4,walk,train\nb.mp4,run,train\n'
  for split in ('train', 'val'):
    with pytest.raises(
      ValueError, match=r"csv:2 and .*csv:4: .* 'walk' and 'run'; .*multilabel"
    ):
      _open(tmp_path, f'{content}a.mp4,run,{split}\n')
  source = _open(tmp_path, f'{content}a.mp4,run,train\n', kind='multilabel')
  assert [source[i].labels for i in range(len(source))] == [(0, 1), (0,)]


def test_other_seconds_of_a_file_are_another_clip(tmp_path):
  content = (
    'path,label,start,end,split\na.mp4,walk,0,5,train\na.mp4,run,5,7,val\n'
    'b.mp4,walk,0,9,train\nb.mp4,run,8,,val\n'
  )
  said = _said(_open(tmp_path, content, split='train'))
  assert (
    'clips of val that are, in whole or in part, in train as well, 1 in' in said
  )
  assert 'mine.csv:5 (' in said and 'mine.csv:4 is in train)' in said


def test_a_clip_in_train_and_val_is_named(tmp_path):
  content = (
    'path,label,split\na.mp4,walk,train\nb.mp4,run,train\nb.mp4,run,val\n'
  )
  train, val = (_open(tmp_path, content, split=s) for s in ('train', 'val'))
  assert 'mine.csv:4 (' in _said(train) and 'mine.csv:3 is in train' in _said(
    train
  )
  assert (train[1].id, val[0].id) == ('b.mp4', 'b.mp4#2')


def test_a_class_of_one_split_is_named(tmp_path):
  content = (
    'path,label,split\na.mp4,walk,train\nb.mp4,run,train\n'
    'c.mp4,walk,val\nd.mp4,jump,val\n'
  )
  (tmp_path / 'c.mp4').touch()
  said = _said(_open(tmp_path, content, split='val'))
  assert 'classes without a clip in train: jump (1 in val)' in said
  assert 'classes without a clip in val: run (1 in train)' in said


def test_a_video_is_found_by_the_name_that_it_has(tmp_path):
  decomposed = unicodedata.normalize('NFD', 'thé.mp4')
  latin = os.fsdecode(b'caf\xe9.mp4')
  for name in (decomposed, latin):
    (tmp_path / name).touch()
  content = 'path,label\nthé.mp4,x\ncafé.mp4,y\nb,z\na.avi,z\n'
  source = _open(tmp_path, content)
  found = [os.path.basename(source.video(i)) for i in range(len(source))]
  assert found == [decomposed, latin, 'b.mp4', 'a.mp4']
  assert source[0].id == 'thé.mp4'


def test_paths_may_be_relative_to_another_folder(tmp_path):
  (tmp_path / 'films').mkdir()
  (tmp_path / 'films/c').touch()
  content = 'path,label\nc,x\n'
  root = str(tmp_path / 'films')
  assert _open(tmp_path, content, root=root).video(0) == f'{root}/c'


def test_a_path_may_be_a_folder_of_frames(tmp_path):
  for name in ('c/img_001.jpg', 'd/notes.txt'):
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).touch()
  content = 'path,label\nc,x\nd,x\na.mp4,y\n'
  source = _open(tmp_path, content)
  assert source.video(0) == str(tmp_path / 'c') and len(source) == 2
  assert 'it is taken for 25 a second' in _said(source)
  (row,) = source.info.dropped
  assert row.id == 'd' and 'no numbered frames in it' in row.reason
  source = _open(tmp_path, content, fps=10)
  assert source.info.fps == 10 and not source.info.notes


def test_times_may_be_of_a_clock(tmp_path):
  content = 'path,label,start,end\na.mp4,x,1:05,00:01:10.5\n'
  source = _open(tmp_path, content)
  assert (source[0].start, source[0].end) == (65.0, 70.5)


def test_one_file_in_both_splits_is_named_however_it_is_spelled(tmp_path):
  (tmp_path / 'films').mkdir()
  (tmp_path / 'films' / 'c.mp4').touch()
  content = (
    'path,label,split\nfilms\\c.mp4,run,train\nfilms/c,run,val\n'
    './films/c.mp4,run,val\nfilms//c.mp4,run,val\na.mp4,run,val\n'
  )
  (note,) = _open(tmp_path, content, split='train').info.notes
  assert '3 in all' in note


def test_a_share_keeps_the_spellings_of_a_file_together(tmp_path):
  (tmp_path / 'films').mkdir()
  paths = []
  for i in range(10):
    (tmp_path / 'films' / f'{i}.mp4').touch()
    paths += [f'films/{i}.mp4', f'films\\{i}.mp4', f'./films/{i}']
  content = 'path,label\n' + ''.join(f'{path},run\n' for path in paths)
  val = _open(tmp_path, content, split='val')
  assert len(val) == 6
  assert len({os.path.normpath(val.video(i)) for i in range(6)}) == 2
  assert not val.info.notes


@pytest.mark.parametrize('missing', ['', '-', 'n/a'])
def test_times_may_be_missing(tmp_path, missing):
  content = f'path,label,start,end\na.mp4,run,{missing},{missing}\n'
  (clip,) = [_open(tmp_path, content)[0]]
  assert (clip.id, clip.start, clip.end) == ('a.mp4', 0, None)


def test_a_bar_in_a_class_is_noted_where_it_separates_nothing(tmp_path):
  content = 'path,label\na.mp4,run|jump\nb.mp4,run|jump\n'
  (note,) = _open(tmp_path, content).info.notes
  assert 'task=multilabel: run|jump' in note
  assert not _open(tmp_path, content, kind='multilabel').info.notes
