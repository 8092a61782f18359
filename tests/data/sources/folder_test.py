"""A folder of one's own videos: every clip is in one split, or is named."""

import os
import unicodedata

import pytest
from own_folders import ids_of, labels_of, make, notes, open_folder

# Folders that are splits.


def test_split_folders(tmp_path):
  path = make(
    tmp_path,
    *('train/run/a.mp4', 'train/jump/b.webm', 'val/run/c.avi'),
    *('val/swim/deep/d.MP4', 'test/run/e.mp4'),
  )
  train, val, test = (open_folder(path, s) for s in ('train', 'val', 'test'))
  for source in (train, val, test):
    assert dict(source.info.classes) == {0: 'jump', 1: 'run', 2: 'swim'}
  assert ids_of(train) == ['train/jump/b.webm', 'train/run/a.mp4']
  assert [val[i].label for i in range(2)] == [1, 2]
  assert val.video(1) == str(tmp_path / 'val/swim/deep/d.MP4')
  assert ids_of(test) == ['test/run/e.mp4']


def test_class_folders_that_are_numbers_are_in_their_order(tmp_path):
  names = [
    f'{split}/{i}/a.mp4' for split in ('train', 'val') for i in range(12)
  ]
  make(tmp_path, *names)
  source = open_folder(tmp_path, 'train')
  assert list(source.info.classes.values()) == [str(i) for i in range(12)]


def test_a_third_split_is_named_and_counted(tmp_path):
  path = make(
    tmp_path,
    *('train/run/a.mp4', 'val/run/b.mp4', 'test/run/c.mp4', 'more/run/d.mp4'),
  )
  for split in ('train', 'val'):
    said = notes(open_folder(path, split))
    assert "1 clips of the split 'test' are neither trained nor" in said
    assert 'test/run/c.mp4' in said and "split 'more'" in said
  assert ids_of(open_folder(path, 'more')) == ['more/run/d.mp4']
  assert len(open_folder(path, 'all')) == 4


@pytest.mark.parametrize(
  'train, val',
  [
    ('train', 'test'),
    ('training', 'validation'),
    ('Train', 'Valid'),
    ('TRAIN ', 'dev'),
  ],
)
@pytest.mark.parametrize('below', [False, True])
def test_split_folders_are_spelled_in_any_way(tmp_path, train, val, below):
  names = [
    f'{c}/{s}/{s}_{c}_{i}.mp4' if below else f'{s}/{c}/{s}_{c}_{i}.mp4'
    for s in (train, val)
    for c in ('jump', 'run')
    for i in range(4)
  ]
  path = make(tmp_path, *names)
  for split, folder in (('train', train), ('val', val)):
    source = open_folder(path, split)
    assert dict(source.info.classes) == {0: 'jump', 1: 'run'}
    assert sorted(ids_of(source)) == sorted(
      n for n in names if f'{folder}/' in n
    )
    assert all(label in name for name, label in labels_of(source).items())


def test_test_is_taken_for_a_missing_val_and_that_is_said(tmp_path):
  path = make(tmp_path, 'train/run/a.mp4', 'test/run/b.mp4')
  source = open_folder(path, 'val')
  assert (
    ids_of(source) == ids_of(open_folder(path, 'test')) == ['test/run/b.mp4']
  )
  assert 'no split is called val: the 1 clips of test are taken' in notes(
    source
  )


@pytest.mark.parametrize('only', ['train', 'val', 'test'])
def test_one_split_folder_alone_is_refused(tmp_path, only):
  path = make(tmp_path, f'{only}/run/a.mp4', f'{only}/jump/b.mp4')
  missing = 'a folder train' if only != 'train' else r'validation \(val, valid'
  with pytest.raises(
    ValueError, match=f'folder {only!r}, and lacks .*{missing}'
  ):
    open_folder(path, 'train')
  assert open_folder(path, 'train', layout='class').info.num_classes == 1


def test_one_split_below_every_class_is_refused(tmp_path):
  path = make(tmp_path, 'run/train/a.mp4', 'jump/train/b.mp4')
  with pytest.raises(ValueError, match="have a folder 'train' each, and none"):
    open_folder(path, 'train')


def test_a_class_may_be_called_train(tmp_path):
  names = [f'{c}/{i}.mp4' for c in ('bus', 'car', 'train') for i in range(3)]
  source = open_folder(make(tmp_path, *names), 'train')
  assert dict(source.info.classes) == {0: 'bus', 1: 'car', 2: 'train'}
  assert 'taken for a class, not for a split: train' in notes(source)


def test_an_empty_folder_called_like_a_split_is_nothing(tmp_path):
  path = make(tmp_path, *(f'{c}/{i}.mp4' for c in 'ab' for i in range(3)))
  (tmp_path / 'test').mkdir()
  assert dict(open_folder(path, 'train').info.classes) == {0: 'a', 1: 'b'}


# Splits by a share.


def test_a_share_of_each_class_is_val(tmp_path):
  names = [f'{c}/{c}{i}.mp4' for c in ('run', 'jump') for i in range(50)]
  path = make(tmp_path, *names)
  train, val = (
    labels_of(open_folder(path, split)) for split in ('train', 'val')
  )
  assert sorted([*train, *val]) == sorted(names)
  for label in ('run', 'jump'):
    assert list(val.values()).count(label) == 10
  assert len(open_folder(path, 'val', val_fraction=0.5)) == 50
  assert ids_of(open_folder(path, 'all')) == sorted(names)


def test_a_folder_for_each_video_with_one_name_for_all(tmp_path):
  names = [f'{c}/{i:03d}/video.mp4' for c in 'ab' for i in range(5)]
  path = make(tmp_path, *names)
  train, val = (
    labels_of(open_folder(path, split)) for split in ('train', 'val')
  )
  assert sorted([*train, *val]) == names
  assert sorted(val.values()) == ['a', 'b']
  said = notes(open_folder(path, 'train'))
  assert 'the classes are the folders directly in' in said and '(000,' in said


def test_a_new_video_moves_at_most_one_other(tmp_path):
  path = make(tmp_path, *(f'run/{i}.mp4' for i in range(40)))
  before = set(ids_of(open_folder(path, 'val')))
  make(tmp_path, 'run/new.mp4')
  after = set(ids_of(open_folder(path, 'val')))
  assert len((before ^ after) - {'run/new.mp4'}) <= 1


def test_formats_of_one_video_stay_together(tmp_path):
  names = [f'run/{i}.{s}' for i in range(20) for s in ('mp4', 'avi')]
  val = ids_of(open_folder(make(tmp_path, *names), 'val'))
  assert len(val) == 8
  assert {i[:-4] for i in val if 'mp4' in i} == {
    i[:-4] for i in val if 'avi' in i
  }


def test_an_empty_split_is_said_to_be_empty(tmp_path):
  path = make(tmp_path, 'run/a.mp4')
  with pytest.raises(
    FileNotFoundError, match=r"no video of the split 'val'; all 1 .* train/ and"
  ):
    open_folder(path, 'val')


# Classes.


def test_one_class_in_two_forms_of_unicode(tmp_path):
  composed, decomposed = 'caf\u00e9', unicodedata.normalize('NFD', 'caf\u00e9')
  path = make(
    tmp_path,
    *(f'train/{composed}/a.mp4', f'val/{decomposed}/b.mp4'),
    *('train/tea/c.mp4', 'val/tea /d.mp4'),
  )
  train, val = open_folder(path, 'train'), open_folder(path, 'val')
  assert dict(train.info.classes) == {0: composed, 1: 'tea'}
  assert [val[i].label for i in range(2)] == [0, 1]
  assert all(os.path.isfile(val.video(i)) for i in range(2))
  assert "the class 'café' has folders of 2 spellings" in notes(train)


def test_classes_that_differ_by_case_alone_are_named(tmp_path):
  path = make(tmp_path, 'Run/a.mp4', 'run/b.mp4', 'Run/c.mp4', 'run/d.mp4')
  source = open_folder(path, 'train')
  assert source.info.num_classes == 2
  assert "the classes 'Run' and 'run' differ by case alone" in notes(source)


def test_a_class_of_one_split_is_named(tmp_path):
  path = make(
    tmp_path,
    *('train/walk/a.mp4', 'train/run/b.mp4', 'val/walk/c.mp4'),
    *('val/jump/d.mp4', 'val/jump/e.mp4'),
  )
  said = notes(open_folder(path, 'train'))
  assert 'classes without a clip in train: jump (2 in val)' in said
  assert 'classes without a clip in val: run (1 in train)' in said


def test_what_systems_leave_is_no_class_and_no_video(tmp_path):
  path = make(
    tmp_path,
    *('run/a.mp4', 'run/._a.mp4', '__MACOSX/run/a.mp4', '@eaDir/a.mp4'),
    *('run/@eaDir/b.mp4', '.git/x', 'run/Thumbs.db', 'jump/.DS_Store'),
  )
  source = open_folder(path, 'train', val_fraction=0.0)
  assert ids_of(source) == ['run/a.mp4']
  # A folder that waits for its videos is a class.
  assert dict(source.info.classes) == {0: 'jump', 1: 'run'}
  assert not source.info.dropped


def test_folders_of_folders_of_folders_are_not_classes_in_silence(tmp_path):
  path = make(tmp_path, 'videos/run/a.mp4', 'videos/jump/b.mp4')
  with pytest.raises(ValueError, match=r'one class, videos, .*\(jump, run\)'):
    open_folder(path, 'train')
  assert open_folder(tmp_path / 'videos', 'train').info.num_classes == 2
  assert open_folder(path, 'train', layout='class').info.num_classes == 1


@pytest.mark.parametrize(
  'order, cure',
  [
    ('mine/{s}/{c}', r'give .*/mine; if'),
    ('{s}/mine/{c}', r'move them up, out of train/mine; if'),
  ],
)
def test_a_folder_around_splits_or_classes_is_no_class(tmp_path, order, cure):
  places = [
    order.format(s=s, c=c) for s in ('train', 'val') for c in ('jump', 'run')
  ]
  path = make(tmp_path, *(f'{place}/a.mp4' for place in places))
  with pytest.raises(ValueError, match=f'holds one class, mine, .*{cure}'):
    open_folder(path, 'train')


def test_folders_further_in_are_said_to_be_no_classes(tmp_path):
  path = make(
    tmp_path,
    *('train/a/2023/x.mp4', 'train/b/2023/x.mp4'),
    *('val/a/2024/y.mp4', 'val/b/2024/y.mp4'),
  )
  said = notes(open_folder(path, 'train'))
  assert 'folders further in (2023, 2024) are none' in said


def test_a_folder_of_notes_is_no_class(tmp_path):
  path = make(tmp_path, 'run/a.mp4', 'jump/b.mp4', 'annotations/x.txt')
  source = open_folder(path, 'train')
  assert dict(source.info.classes) == {0: 'jump', 1: 'run'}
  assert 'no video in them: annotations' in notes(source)


# What is no clip of a split.


def test_other_files_are_counted_or_listed(tmp_path):
  path = make(
    tmp_path,
    *('run/a.mp4', 'run/notes.txt', 'run/b.bin', 'run/cover.jpg', 'x.json'),
  )
  source = open_folder(path, 'train', val_fraction=0.0)
  assert 'files that are no videos are left alone: 1 .json, 1 .txt' in notes(
    source
  )
  reasons = {d.id: d.reason for d in source.info.dropped}
  assert "'.bin' is none of a video" in reasons['run/b.bin']
  assert 'an image, and no frame' in reasons['run/cover.jpg']
  assert len(reasons) == 2


def test_a_clip_outside_of_the_classes_is_listed(tmp_path):
  path = make(tmp_path, 'run/a.mp4', 'run/b.mp4', 'stray.mp4')
  train, val = open_folder(path, 'train'), open_folder(path, 'val')
  (row,) = train.info.dropped
  assert (row.id, row.reason) == ('stray.mp4', 'lies in no class folder')
  assert row.path == str(tmp_path / 'stray.mp4')
  assert '1 clips are in no split, and are left out: stray.mp4' in notes(train)
  assert not val.info.dropped


def test_videos_in_no_class_at_all_are_refused(tmp_path):
  path = make(tmp_path, 'a.mp4', 'b.mp4')
  with pytest.raises(FileNotFoundError, match='2 clips lie in no class folder'):
    open_folder(path, 'train')


def test_a_clip_outside_of_the_split_folders_is_listed(tmp_path):
  path = make(
    tmp_path, 'run/train/a.mp4', 'run/test/b.mp4', 'run/c.mp4', 'd.mp4'
  )
  train = open_folder(path, 'train')
  reasons = {d.id: d.reason for d in train.info.dropped}
  assert reasons == dict.fromkeys(
    ('run/c.mp4', 'd.mp4'), 'lies in no split folder'
  )


def test_a_link_to_a_clip_of_the_other_split_is_named(tmp_path):
  path = make(tmp_path, 'train/run/a.mp4', 'val/run/b.mp4')
  os.symlink(tmp_path / 'train/run/a.mp4', tmp_path / 'val/run/c.mp4')
  said = notes(open_folder(path, 'val'))
  assert (
    'clips of val that are, in whole or in part, in train as well, 1 in' in said
  )
  assert 'val/run/c.mp4 (train/run/a.mp4 is in train)' in said
  (tmp_path / 'val/jump').mkdir()
  os.symlink(tmp_path / 'train/run/a.mp4', tmp_path / 'val/jump/d.mp4')
  with pytest.raises(ValueError, match=r"'run' and 'jump'|'jump' and 'run'"):
    open_folder(path, 'val')


def test_a_folder_that_is_linked_is_read_once(tmp_path):
  path = make(tmp_path, 'run/a.mp4', 'run/b.mp4')
  os.symlink(tmp_path / 'run', tmp_path / 'same')
  os.symlink(tmp_path, tmp_path / 'run/up')
  source = open_folder(path, 'all')
  assert ids_of(source) == ['run/a.mp4', 'run/b.mp4']
  assert [d.id for d in source.info.dropped] == ['run/up', 'same']
  assert 'links to folders that are read already' in notes(source)


# Errors.


def test_errors(tmp_path):
  with pytest.raises(FileNotFoundError, match='no such folder'):
    open_folder(tmp_path / 'no', 'train')
  with pytest.raises(FileNotFoundError, match='no class folders'):
    open_folder(tmp_path, 'train')
  path = make(tmp_path, 'run/a.mp4')
  with pytest.raises(ValueError, match=r"split='test' is not in .* are train"):
    open_folder(path, 'test')
  with pytest.raises(
    ValueError, match="layout='x': it must be one of 'split/c"
  ):
    open_folder(path, 'train', layout='x')
  (tmp_path / 'run/a.mp4').unlink()
  with pytest.raises(FileNotFoundError, match=r'no video in .* \.mp4'):
    open_folder(path, 'train')
