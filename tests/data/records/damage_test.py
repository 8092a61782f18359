"""Records that were damaged are refused, by file and example, or found."""

import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
from etils import epath

from vidpetl import check, sha256sums
from vidpetl.data import decode
from vidpetl.data.records import (
  builder,
  recipe,
  records,
  shard_writer,
  shards,
  verify,
)


@pytest.fixture(scope='module')
def made(write_video, tmp_path_factory):
  """Records of two tiny videos in each split."""
  root = tmp_path_factory.mktemp('damage')
  for name in ('a/1', 'a/2', 'b/3', 'b/4'):
    (root / 'raw' / name).parent.mkdir(parents=True, exist_ok=True)
    write_video(root / f'raw/{name}.mp4', frames=10)
  source = {'source': 'folder', 'path': str(root / 'raw'), 'val_fraction': 0.5}
  builder.VideoBuilder(
    recipe=recipe.make(source, name='mine', preset='ultrafast'),
    data_dir=str(root / 'out'),
  ).download_and_prepare()
  return root / 'out'


@pytest.fixture
def out(made, tmp_path):
  return pathlib.Path(shutil.copytree(made, tmp_path / 'out'))


def _folder(out):
  return out / 'mine/1.0.0'


def _shard(out, split='train'):
  (path,) = _folder(out).glob(f'*{split}.array_record*')
  return path


def _read(out):
  """Returns all that a split says and shows."""
  source = records.open(str(out), 'mine', 'train')
  shown = [(source[i], source.video(i)) for i in range(len(source))]
  return source.info, shown


def _damage(path, at=None):
  data = bytearray(path.read_bytes())
  data[len(data) // 2 if at is None else at] ^= 4
  path.write_bytes(data)


def _in_video(path):
  """Returns a place amid the encoded videos of a shard."""
  # The rest of a block is zeros.
  return int(np.median(np.flatnonzero(np.fromfile(path, np.uint8))))


def test_features_are_written_in_one_order():
  feature = lambda value: tf.train.Feature(
    bytes_list=tf.train.BytesList(value=[value])
  )
  names = [f'name{i}' for i in range(20)]
  made = [
    tf.train.Example(
      features=tf.train.Features(feature={n: feature(n.encode()) for n in some})
    ).SerializeToString()
    for some in (names, names[::-1])
  ]
  first, second = map(shard_writer.ordered, made)
  assert first == second
  assert first.index(b'name0') < first.index(b'name19') < first.index(b'name2')


def test_nothing_damaged_is_taken_for_other_records(out):
  intact, rng = _read(out), np.random.default_rng(0)
  for path in sorted(_folder(out).iterdir()):
    data, refused = path.read_bytes(), 0
    for kind in (*['flip'] * 5, 'cut', 'gone'):
      at = int(rng.integers(len(data)))
      if kind == 'flip':
        _damage(path, at)
      elif kind == 'cut':
        path.write_bytes(data[:at])
      else:
        path.unlink()
      try:
        assert _read(out) == intact, (path, kind, at)
      except (decode.DecodeError, ValueError, OSError) as error:
        refused += 1
        assert path.name in str(error) or 'out/mine' in str(error)
      path.write_bytes(data)
    own = 'val' not in path.name and path.name != sha256sums.FILE
    assert refused >= (5 if own and 'array_record' not in path.name else 0)
  assert _read(out) == intact


def test_a_damaged_record_is_named_with_its_shard(out):
  _damage(_shard(out), _in_video(_shard(out)))
  source = records.open(str(out), 'mine', 'train')
  with pytest.raises(decode.DecodeError) as caught:
    for i in range(len(source)):
      source.video(i)
  assert caught.value.name in (f'mine/train: {id_}' for id_ in source.ids)
  assert _shard(out).name in caught.value.reason


def test_a_shard_that_cannot_be_opened_stops(out):
  _shard(out).write_bytes(_shard(out).read_bytes()[:-100])
  source = records.open(str(out), 'mine', 'train')
  with pytest.raises(ValueError, match=_shard(out).name):
    source.video(0)


def test_what_lost_its_power_is_packed_again(out):
  assert shards.is_readable(epath.Path(_folder(out)))
  (_folder(out) / 'dataset_info.json').write_text('')
  assert not shards.is_readable(epath.Path(_folder(out)))


def test_another_video_than_was_prepared_is_refused(out):
  data = records.videos(epath.Path(_folder(out)), 'train')
  assert data.video(0)
  data._sums[0] += np.uint64(1)
  with pytest.raises(decode.DecodeError, match='not the video that was prep'):
    data.video(0)


def test_records_without_sums_are_read(out):
  intact = _read(out)
  (_folder(out) / sha256sums.FILE).unlink()
  index = _folder(out) / 'index-train.npz'
  with np.load(index) as arrays:
    older = {k: v for k, v in arrays.items() if k != 'video_sums'}
  np.savez(index, **older)
  assert _read(out) == intact
  index.write_bytes(index.read_bytes()[:-9])
  with pytest.raises(ValueError, match=r'index-train\.npz is damaged'):
    _read(out)


def test_the_command_says_what_is_damaged_and_how_to_mend_it(out, capsys):
  assert check._check_records(str(out), 1, []) == 0
  assert 'train 2 records, val 2 records\n  intact' in capsys.readouterr().out
  _damage(_shard(out), _in_video(_shard(out)))
  (_folder(out) / 'features.json').unlink()
  assert check._check_records(str(out / 'mine'), 0, []) == 1
  told = capsys.readouterr().out
  assert f'{_shard(out)} is not as it was written' in told
  assert 'features.json is missing' in told and 'mend ' in told


def test_without_sums_every_record_is_read(out):
  (_folder(out) / sha256sums.FILE).unlink()
  _damage(_shard(out), _in_video(_shard(out)))
  (folder,) = verify.find(out)
  found = verify.verify(folder)
  assert len(found.problems) == 1 and 'mine/train: ' in found.problems[0]
  assert found.counts == {'train': 2, 'val': 2} and len(found.notes) == 1


def test_a_folder_without_records_is_named(tmp_path):
  with pytest.raises(FileNotFoundError, match=f'--records={tmp_path}'):
    verify.find(tmp_path)
