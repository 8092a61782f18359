"""What a run does with folders of frames, and with names that are no UTF-8."""

import csv
import os

import numpy as np
from listed import SEED, spec
from PIL import Image

from vidpetl.data import clips, frames, quarantine, sources
from vidpetl.data.records import builder, recipe, records


def _frames(folder, count=20):
  folder.mkdir(parents=True)
  for i in range(count):
    picture = Image.new('RGB', (64, 48), (10 * i, 40, 80))
    picture.save(folder / f'img_{i + 1:05d}.png')


def _folder(root, split='train', **options):
  return sources.open_source(
    {'source': 'folder', 'path': str(root), 'split': split, **options}
  )


def test_a_clip_of_frames_is_cut_at_their_rate(tmp_path):
  for name in ('train/a/x', 'val/a/y'):
    _frames(tmp_path / name)
  source = _folder(tmp_path, fps=10.0)
  clip = clips.load(source, 0, spec('classification', frames=4, stride=2), SEED)
  shown = clip['video'][:, 0, 0, 0] / 10
  np.testing.assert_allclose(np.diff(shown), 2)


def test_records_of_folders_of_frames(tmp_path):
  for name in ('train/a/x', 'train/b/y', 'val/a/z', 'val/b/w'):
    _frames(tmp_path / 'raw' / name)
  found = recipe.make(
    {'source': 'folder', 'path': str(tmp_path / 'raw'), 'fps': 10.0},
    name='mine',
  )
  out = tmp_path / 'out'
  builder.VideoBuilder(recipe=found, data_dir=str(out)).download_and_prepare()
  source = records.open(path=str(out), dataset='mine', split='train')
  assert [source[i].id for i in range(len(source))] == [
    'train/a/x',
    'train/b/y',
  ]
  with frames.open_video(source.video(0)) as video:
    assert (video.frames, video.duration) == (20, 2.0)


def test_a_damaged_file_whose_name_is_no_utf8_is_listed(tmp_path, write_video):
  for split in ('train', 'val'):
    folder = tmp_path / split / 'a'
    folder.mkdir(parents=True)
    (folder / os.fsdecode(b'caf\xe9.mp4')).write_bytes(b'<html>')
    write_video(folder / os.fsdecode(b'\xe9.mp4'), frames=5)
  listed = quarantine.Quarantine()
  for split in ('train', 'val'):
    source = _folder(tmp_path, split)
    for i in (1, 0):
      clips.load(source, i, spec('classification'), SEED, listed)
  listed.write(tmp_path / 'undecodable.csv')
  with open(tmp_path / 'undecodable.csv', newline='') as file:
    rows = list(csv.DictReader(file))
  assert [row['path'] for row in rows] == [
    f'{tmp_path}/{split}/a/caf\\xe9.mp4' for split in ('train', 'val')
  ]
