"""Lists beside class folders that say which clip is in which split."""

import pytest

from vidpetl.data import sources
from vidpetl.data.sources import split_lists

_CLIPS = (
  'jump/a.mp4',
  'jump/b.avi',
  'run/c d.mp4',
  'run/e, f.mp4',
  'run/g.mp4',
)


@pytest.fixture
def folder(tmp_path):
  for name in _CLIPS:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
  return tmp_path


def _open(folder, split, **options):
  return sources.open_source(
    {'source': 'folder', 'path': str(folder), 'split': split, **options}
  )


def _ids(folder, split, **options):
  source = _open(folder, split, **options)
  return [source[i].id for i in range(len(source))]


@pytest.mark.parametrize(
  'name, role',
  [
    ('train.txt', 'train'),
    ('trainlist01.txt', 'train'),
    ('testlist03.txt', 'test'),
    ('kinetics_val_list_videos.txt', 'val'),
    ('Validation.csv', 'val'),
    ('my_training_split_1.tsv', 'train'),
    ('trainval.txt', None),
    ('train_test.txt', None),
    ('strain.txt', None),
    ('train.mp4', None),
    ('notes.txt', None),
  ],
)
def test_a_name_tells_the_split(name, role):
  assert split_lists.role(name) == role


@pytest.mark.parametrize(
  'train, val',
  [
    ('jump/a.mp4\nrun/c d.mp4\n', 'jump/b.avi\nrun/e, f.mp4\n'),
    ('jump/a 0\nrun/c d 1\n', 'jump/b 0\nrun/e, f 1\n'),
    (
      'jump/a.mp4,jump\nrun/c d.mp4,run\n',
      '"jump/b.avi",0\n"run/e, f.mp4",1\n',
    ),
    ('path,label\njump/a,jump\nrun/c d,run\n', './jump/b\n./run/e, f.mp4\n'),
    ('jump/a 120 0\nrun/c d 99 1\n', 'jump/b\t120\t0\nrun/e, f\t80\t1\n'),
    ('a\nc d\n', 'b\ne, f\n'),
    ('my videos/jump/a.mp4\nx/run/c d.mp4 1\n', 'jump\\b.avi\nrun\\e, f.mp4\n'),
  ],
)
def test_lists_split_clips_and_the_others_are_named(folder, train, val):
  (folder / 'train.txt').write_text(train)
  (folder / 'vallist.txt').write_text('\ufeff' + val, encoding='utf-8')
  assert _ids(folder, 'train') == ['jump/a.mp4', 'run/c d.mp4']
  assert _ids(folder, 'val') == ['jump/b.avi', 'run/e, f.mp4']
  source = _open(folder, 'train')
  (row,) = source.info.dropped
  assert row.id == 'run/g.mp4' and 'in none of the lists' in row.reason


def test_a_line_without_a_clip_is_listed_with_its_split(folder):
  (folder / 'train.txt').write_text('jump/a\nrun/g\njump/gone.mp4\n')
  (folder / 'val.txt').write_text('jump/b\nrun/c d\nrun/e, f\nrun/a\n')
  found = {s: _open(folder, s).info.dropped for s in ('train', 'val')}
  assert [d.id for d in found['train']] == ['jump/gone.mp4']
  # There is a jump/a, which is another clip.
  assert [d.id for d in found['val']] == ['run/a']
  assert 'val.txt:4 names no clip' in found['val'][0].reason


def test_a_clip_of_two_lists_is_in_both_and_is_said_to_be(folder):
  (folder / 'train.txt').write_text('jump/a\nrun/g\nrun/c d\n')
  (folder / 'test.txt').write_text('jump/b\nrun/c d\nrun/e, f\n')
  source = _open(folder, 'val')
  said = '\n'.join(source.info.notes)
  assert 'run/c d.mp4 (run/c d.mp4 is in train)' in said
  assert 'no split is called val: the 3 clips of test are taken' in said


def test_a_list_that_contradicts_a_folder_is_an_error(folder):
  (folder / 'train.txt').write_text('jump/a jump\nrun/g jump\n')
  (folder / 'val.txt').write_text('jump/b\n')
  with pytest.raises(ValueError, match=r"train\.txt:2: .*'jump' of run/g"):
    _open(folder, 'train')


def test_several_lists_of_a_split_are_to_be_chosen_from(folder):
  for fold, names in (('01', 'jump/a\nrun/g'), ('02', 'run/g\njump/b')):
    (folder / f'trainlist{fold}.txt').write_text(names)
    (folder / f'testlist{fold}.txt').write_text('run/c d')
  with pytest.raises(ValueError, match=r'both list .*by lists=\w+list02\.txt'):
    _open(folder, 'train')
  lists = ('trainlist02.txt', 'testlist02.txt')
  assert _ids(folder, 'train', lists=lists) == ['jump/b.avi', 'run/g.mp4']
  assert len(_open(folder, 'all', lists='none')) == len(_CLIPS)


def test_a_list_of_one_split_alone_is_refused(folder):
  (folder / 'train.txt').write_text('jump/a\nrun/g\n')
  with pytest.raises(ValueError, match=r"one split alone: .*lists='none'"):
    _open(folder, 'train')


def test_a_text_of_another_thing_is_no_list(folder):
  (folder / 'train.txt').write_text('we filmed\nby the sea\njump/a\n')
  source = _open(folder, 'train')
  said = '\n'.join(source.info.notes)
  assert 'is no list of these clips (1 of its 3 lines name one)' in said
  assert not source.info.dropped


def test_a_list_that_is_named_has_to_be_there(folder):
  with pytest.raises(FileNotFoundError, match=r'train\.txt: not found'):
    _open(folder, 'train', lists='train.txt')
  (folder / 'mine.txt').write_text('jump/a\n')
  with pytest.raises(ValueError, match=r'mine\.txt is called after no split'):
    _open(folder, 'train', lists='mine.txt')
