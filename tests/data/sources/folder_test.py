import pytest

from vidpetl.data import sources


def _make(root, *names):
  for name in names:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
  return str(root)


def _open(path, split, **options):
  return sources.open_source(
    {'source': 'folder', 'path': path, 'split': split, **options}
  )


def _ids(source):
  return [source[i].id for i in range(len(source))]


def test_split_folders(tmp_path):
  path = _make(
    tmp_path,
    *('train/run/a.mp4', 'train/jump/b.webm', 'val/run/c.avi'),
    *('val/swim/deep/d.MP4', 'test/run/e.mp4'),
  )
  train, val, test = (_open(path, s) for s in ('train', 'val', 'test'))
  for source in (train, val, test):
    assert dict(source.info.classes) == {0: 'jump', 1: 'run', 2: 'swim'}
  assert _ids(train) == ['jump/b.webm', 'run/a.mp4']
  assert [val[i].label for i in range(2)] == [1, 2]
  assert val.video(1) == str(tmp_path / 'val/swim/deep/d.MP4')
  assert _ids(test) == ['run/e.mp4']


def test_a_hash_of_the_file_name_splits(tmp_path):
  names = [f'{c}/{c}{i}.mp4' for c in ('run', 'jump') for i in range(100)]
  path = _make(tmp_path, *names)
  train, val = _ids(_open(path, 'train')), _ids(_open(path, 'val'))
  assert sorted(train + val) == sorted(names)
  assert 20 <= len(val) <= 60
  assert len(_open(path, 'val', val_fraction=0.5)) > len(val)


def test_a_video_stays_in_its_split_when_others_come_and_go(tmp_path):
  path = _make(tmp_path, *(f'run/{i}.mp4' for i in range(40)))
  before = set(_ids(_open(path, 'val')))
  _make(tmp_path, *(f'run/{i}.mp4' for i in range(40, 80)))
  after = set(_ids(_open(path, 'val')))
  assert before == {i for i in after if int(i[4:-4]) < 40}


def test_other_files_are_listed(tmp_path):
  path = _make(tmp_path, 'run/a.mp4', 'run/notes.txt', '.git/x', 'jump/.DS')
  source = _open(path, 'train', val_fraction=0.0)
  assert [d.id for d in source.info.dropped] == ['run/notes.txt']
  assert dict(source.info.classes) == {0: 'jump', 1: 'run'}


def test_errors(tmp_path):
  with pytest.raises(FileNotFoundError, match='no such folder'):
    _open(str(tmp_path / 'no'), 'train')
  with pytest.raises(FileNotFoundError, match='no class folders'):
    _open(str(tmp_path), 'train')
  path = _make(tmp_path, 'run/a.mp4')
  with pytest.raises(ValueError, match="split='test'"):
    _open(path, 'test')
  with pytest.raises(FileNotFoundError, match="no video of the split 'val'"):
    _open(path, 'val', val_fraction=0.0)
  _make(tmp_path, 'stray.mp4')
  with pytest.raises(ValueError, match=r'stray\.mp4 lies in no class folder'):
    _open(path, 'train')


def test_videos_without_classes_lie_anywhere(tmp_path):
  path = _make(tmp_path, 'a.mp4', 'deep/er/b.mp4', 'deep/c.txt')
  source = _open(path, 'train', val_fraction=0.0, kind='unlabelled')
  assert _ids(source) == ['a.mp4', 'deep/er/b.mp4']
  assert (source.info.kind, source.info.num_classes) == ('unlabelled', 0)
  assert [d.id for d in source.info.dropped] == ['deep/c.txt']
  with pytest.raises(ValueError, match="kind='quality' is not for clips"):
    _open(path, 'train', val_fraction=0.0, kind='quality')
