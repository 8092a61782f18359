"""Clips of a folder that are frames, or whose names are no UTF-8."""

import os

from own_folders import frames, ids_of, labels_of, make, notes, open_folder


def test_a_folder_of_frames_is_a_clip(tmp_path):
  path = frames(tmp_path, 'train/a/x', 'train/b/y', 'val/a/z', 'val/b/deep/w')
  train, val = open_folder(path, 'train'), open_folder(path, 'val', fps=12.5)
  assert labels_of(train) == {'train/a/x': 'a', 'train/b/y': 'b'}
  assert val.video(1) == str(tmp_path / 'val/b/deep/w')
  assert 'it is taken for 25 a second; give fps=' in notes(train)
  assert val.info.fps == 12.5 and 'a second' not in notes(val)


def test_frames_beside_their_video_are_left_out(tmp_path):
  frames(tmp_path, 'run/a')
  source = open_folder(make(tmp_path, 'run/a.mp4', 'run/b.mp4'), 'all')
  assert ids_of(source) == ['run/a.mp4', 'run/b.mp4']
  assert [d.id for d in source.info.dropped] == ['run/a']


def test_names_that_are_no_utf8_are_read_like_others(tmp_path):
  name = os.fsdecode(b'caf\xe9.mp4')
  folder = os.fsdecode(b'th\xe9')
  path = make(tmp_path, f'train/{folder}/{name}', f'val/{folder}/{name}')
  train = open_folder(path, 'train')
  assert labels_of(train) == {'train/th\\xe9/caf\\xe9.mp4': 'th\\xe9'}
  assert os.path.isfile(train.video(0))


def test_ids_name_the_file_also_if_splits_share_names(tmp_path):
  names = [
    f'{s}/{c}/{i}.mp4' for s in ('train', 'val') for c in 'ab' for i in '01'
  ]
  path = make(tmp_path, *names)
  assert (
    ids_of(open_folder(path, 'train')) + ids_of(open_folder(path, 'val'))
    == names
  )
