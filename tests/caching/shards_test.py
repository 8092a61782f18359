"""Files of a cache: whole or not there, and named where they are damaged."""

import numpy as np
import pytest
from etils import epath

from vidpetl.caching import key, shards

LAYOUT = {'x': ((2, 3), np.dtype(np.float32)), 'y': ((), np.dtype(np.int32))}


def entry(i):
  return bytes([i] * key.SIZE)


def clip(i):
  return {'x': np.full((2, 3), i, np.float32), 'y': np.int32(i)}


def names(*numbers):
  return np.stack([np.frombuffer(entry(i), np.uint8) for i in numbers])


def write(path, numbers, fail=False):
  path.mkdir(exist_ok=True)
  with shards.Writer(path, shards.Form(LAYOUT)) as writer:
    for i in numbers:
      writer.add(entry(i), clip(i))
    if fail:
      raise KeyboardInterrupt


def last(path, suffix):
  return max(path.glob(f'*{suffix}'))


@pytest.fixture
def path(tmp_path):
  return epath.Path(tmp_path) / 'folder'


@pytest.mark.parametrize('held', [0, 1 << 20])
def test_clips_come_back_in_any_order_over_shards(path, held, monkeypatch):
  monkeypatch.setattr(shards, '_HELD', held)
  write(path, [1, 2, 3])
  write(path, [4])
  folder = shards.Folder(path, LAYOUT)
  rows = folder.find(names(4, 9, 2, 2))
  assert rows.tolist() == [3, -1, 1, 1]
  found = folder.read(rows[[0, 2, 3]])
  np.testing.assert_array_equal(found['x'][:, 0, 0], [4, 2, 2])
  np.testing.assert_array_equal(found['y'], [4, 2, 2])


def test_what_was_written_when_it_ended_is_kept(path):
  with pytest.raises(KeyboardInterrupt):
    write(path, [1, 2], fail=True)
  assert len(shards.Folder(path, LAYOUT)) == 2


def test_a_killed_process_leaves_whole_shards_alone(path, monkeypatch):
  monkeypatch.setattr(shards, '_CLIPS', 2)
  path.mkdir()
  writer = shards.Writer(path, shards.Form(LAYOUT))
  for i in range(5):
    writer.add(entry(i), clip(i))
  del writer  # Nothing is closed.
  folder = shards.Folder(path, LAYOUT)
  assert folder.find(names(0, 3, 4)).tolist() == [0, 3, -1]


def spoil(file, place):
  data = bytearray(file.read_bytes())
  data[place] ^= 1
  file.write_bytes(data)


def value_of(number, file):
  return file.read_bytes().index(np.full(6, number, np.float32).tobytes())


@pytest.mark.parametrize('method', ['write', 'close'])
def test_a_full_disk_is_told_and_leaves_whole_shards(path, monkeypatch, method):
  class Full:
    def __init__(self, *unused):
      epath.Path(unused[0]).write_bytes(b'part of it')

    def write(self, record):
      if method == 'write':
        raise RuntimeError('No space left on device')

    def close(self):
      raise RuntimeError('No space left on device')

  write(path, [1, 2])
  before = sorted(path.iterdir())
  monkeypatch.setattr(shards.array_record_module, 'ArrayRecordWriter', Full)
  with pytest.raises(OSError, match='No space left on device'):
    write(path, [3])
  assert sorted(path.iterdir()) == before


def test_a_damaged_clip_is_named_with_what_to_do(path, monkeypatch):
  write(path, [1])
  write(path, [5, 6])
  shard, listed = last(path, '.array_record'), last(path, '.entries')
  spoil(shard, value_of(5, shard))
  monkeypatch.setattr(shards, '_HELD', 0)
  folder = shards.Folder(path, LAYOUT)
  assert folder.read(folder.find(names(1)))['y'] == 1
  with pytest.raises(shards.DamagedError, match=f'{shard} is.*Remove {listed}'):
    folder.read(folder.find(names(1, 5)))


@pytest.mark.parametrize('damage', ['entries', 'missing', 'cut'])
def test_a_damaged_shard_is_named_with_what_to_do(path, damage):
  write(path, [1])
  write(path, [5])
  shard, listed = last(path, '.array_record'), last(path, '.entries')
  if damage == 'entries':
    spoil(listed, 3)
  elif damage == 'missing':
    shard.unlink()
  else:
    shard.write_bytes(shard.read_bytes()[:100])
  with pytest.raises(shards.DamagedError, match=f'Remove {listed}'):
    shards.Folder(path, LAYOUT)


def test_a_folder_for_something_else_is_refused(path):
  shards.begin(path, {'trunk': 'a'})
  shards.begin(path, {'trunk': 'a'})
  with pytest.raises(shards.DamagedError, match=f'remove {path}'):
    shards.begin(path, {'trunk': 'b'})
