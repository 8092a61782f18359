"""Clips of a folder that are frames, or whose names are no UTF-8."""

import os

from vidpetl.data import sources


def _make(root, *names):
  for name in names:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
  return str(root)


def _frames(root, *folders, suffix='jpg'):
  return _make(
    root, *(f'{f}/img_{i:05d}.{suffix}' for f in folders for i in (1, 2, 3))
  )


def _open(path, split, **options):
  return sources.open_source(
    {'source': 'folder', 'path': str(path), 'split': split, **options}
  )


def _ids(source):
  return [source[i].id for i in range(len(source))]


def _labels(source):
  names = source.info.classes
  return {source[i].id: names[source[i].label] for i in range(len(source))}


def _said(source):
  return '\n'.join(source.info.notes)


def test_a_folder_of_frames_is_a_clip(tmp_path):
  path = _frames(tmp_path, 'train/a/x', 'train/b/y', 'val/a/z', 'val/b/deep/w')
  train, val = _open(path, 'train'), _open(path, 'val', fps=12.5)
  assert _labels(train) == {'train/a/x': 'a', 'train/b/y': 'b'}
  assert val.video(1) == str(tmp_path / 'val/b/deep/w')
  assert 'it is taken for 25 a second; give fps=' in _said(train)
  assert val.info.fps == 12.5 and 'a second' not in _said(val)


def test_frames_beside_their_video_are_left_out(tmp_path):
  _frames(tmp_path, 'run/a')
  source = _open(_make(tmp_path, 'run/a.mp4', 'run/b.mp4'), 'all')
  assert _ids(source) == ['run/a.mp4', 'run/b.mp4']
  assert [d.id for d in source.info.dropped] == ['run/a']


def test_names_that_are_no_utf8_are_read_like_others(tmp_path):
  name = os.fsdecode(b'caf\xe9.mp4')
  folder = os.fsdecode(b'th\xe9')
  path = _make(tmp_path, f'train/{folder}/{name}', f'val/{folder}/{name}')
  train = _open(path, 'train')
  assert _labels(train) == {'train/th\\xe9/caf\\xe9.mp4': 'th\\xe9'}
  assert os.path.isfile(train.video(0))


def test_ids_name_the_file_also_if_splits_share_names(tmp_path):
  names = [
    f'{s}/{c}/{i}.mp4' for s in ('train', 'val') for c in 'ab' for i in '01'
  ]
  path = _make(tmp_path, *names)
  assert _ids(_open(path, 'train')) + _ids(_open(path, 'val')) == names
