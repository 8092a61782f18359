"""Bytes of videos are told apart, wherever they lie."""

import dataclasses
import os
import shutil

import pytest

from vidpetl import sha256sums
from vidpetl.data import contents, examples, sources

INFO = examples.Info('own', 'train', 'classification', 0, {})


@dataclasses.dataclass
class Source:
  """Examples of some files."""

  paths: list
  info: examples.Info = INFO

  def __len__(self):
    return len(self.paths)

  def video(self, i):
    return self.paths[i]


def of(folder, order=slice(None)):
  paths = sorted(map(str, folder.iterdir()))
  return contents.fingerprint(Source(paths[order]))


@pytest.fixture
def folder(tmp_path):
  """Ten files of 100 kB."""
  folder = tmp_path / 'videos'
  folder.mkdir()
  for i in range(10):
    (folder / f'{i}.mp4').write_bytes(bytes([i]) * 100_000)
  return folder


def test_a_copy_is_the_same_and_what_was_encoded_otherwise_is_not(folder):
  before = of(folder)
  copy = folder.parent / 'copy'
  shutil.copytree(folder, copy, copy_function=shutil.copyfile)
  os.utime(copy / '3.mp4', (0, 0))
  assert of(copy) == before != of(copy, slice(None, None, -1))
  last = copy / '9.mp4'
  for at in (0, 50_000, 99_999):  # as many bytes as before
    changed = bytearray(last.read_bytes())
    changed[at] += 1
    last.write_bytes(changed)
    assert of(copy) != before
    changed[at] -= 1
    last.write_bytes(changed)
  assert of(copy) == before
  last.write_bytes(last.read_bytes()[:-1])
  assert of(copy) != before


def test_of_very_many_files_all_sizes_and_some_bytes_count(folder, monkeypatch):
  monkeypatch.setattr(contents, 'MANY', 3)
  read = []
  kept = contents._read
  monkeypatch.setattr(
    contents,
    '_read',
    lambda *given: read.append(given[2]) or kept(*given),
  )
  before = of(folder)
  assert sorted(read) == [0] * 7 + [3] * 3
  (folder / '1.mp4').write_bytes(b'')
  assert of(folder) != before


def test_shards_of_records_are_looked_at_in_many_places(folder):
  shard = folder / '0.mp4'
  shard.write_bytes(bytes(1_000_000))
  info = dataclasses.replace(INFO, files=(str(shard),))
  source = Source([b'encoded'], info)
  before = contents.fingerprint(source)
  changed = bytearray(1_000_000)
  changed[800_000:816_000] = b'x' * 16_000
  shard.write_bytes(changed)
  changed = contents.fingerprint(source)
  assert changed != before
  sha256sums.write(folder)
  assert contents.fingerprint(source) not in (before, changed)
  # What is in no file has nothing to compare.
  assert contents.fingerprint(Source([b'encoded'])) == ''


def test_folders_of_frames_and_what_is_no_file(folder, tmp_path):
  frames = tmp_path / 'clips' / 'a'
  frames.mkdir(parents=True)
  for i in range(5):
    (frames / f'{i}.jpg').write_bytes(b'%d' % i)
  before = of(frames.parent)
  (frames / '4.jpg').write_bytes(b'x')
  assert of(frames.parent) != before
  (frames / '4.jpg').unlink()
  assert of(frames.parent) != before
  os.mkfifo(folder / 'pipe.mp4')  # to open it would wait for ever
  (folder / 'gone.mp4').symlink_to(tmp_path / 'nothing')
  assert len(of(folder)) == 16


def test_each_source_of_bytes_says_in_which_files_they_are(world):
  images = sources.open_source(
    {
      'source': 'tfds_images',
      'data_dir': str(world['images']),
      'dataset': 'cifar100',
      'split': 'test',
    }
  )
  assert images.info.files and all(map(os.path.exists, images.info.files))
  part = images.take([0])
  assert part.info.files == images.info.files
