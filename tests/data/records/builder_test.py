"""The TFDS builder by itself, and reading back what it wrote."""

import json
import os
import pathlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

from vidpetl.data import decode, sources
from vidpetl.data.records import builder, recipe, records, shards

_HEADER = 'label,youtube_id,time_start,time_end,split\n'
_SAME = lambda height, width: (height, width)


def _write(root, files):
  for name, content in files.items():
    path = pathlib.Path(root) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def _raw(dataset, raw):
  return {'source': 'raw', 'dataset': dataset, 'raw': str(raw)}


def _prepare(out, source, **options):
  made = builder.VideoBuilder(
    recipe=recipe.make(source, **options), data_dir=str(out)
  )
  made.download_and_prepare()
  return made


@pytest.fixture(scope='module')
def raw(write_video, tmp_path_factory):
  """Kinetics with every kind of broken file, and AVA with a broken film."""
  root = tmp_path_factory.mktemp('raw')
  row = lambda label, name, split: f'{label},{name},0,10,{split}\n'
  _write(
    root / 'kinetics400',
    {
      'annotations/train.csv': _HEADER
      + row('archery', 'missing', 'train')
      + row('climbing', 'good1', 'train')
      + row('waving', 'empty', 'train')
      + row('waving', 'cut', 'train')
      + row('juggling', 'good2', 'train'),
      'annotations/val.csv': _HEADER + row('climbing', 'good3', 'val'),
      'train/empty_000000_000010.mp4': '',
    },
  )
  (root / 'kinetics400/val').mkdir()
  for name in ('train/good1', 'train/good2', 'val/good3'):
    path = root / 'kinetics400' / f'{name}_000000_000010.mp4'
    write_video(path, frames=24)
  cut = root / 'kinetics400/train/cut_000000_000010.webm'
  write_video(cut, 'libvpx-vp9', frames=60)
  os.truncate(cut, os.path.getsize(cut) // 2)

  box = '0.1,0.2,0.5,0.9'
  excluded = 'annotations/ava_{}_excluded_timestamps_v2.2.csv'
  persons = 'person_boxes/ava_{}_predicted_boxes.csv'
  _write(
    root / 'ava',
    {
      'annotations/ava_train_v2.2.csv': ''.join(
        f'{film},{second},{box},{action},0\n'
        for film in ('film', 'broken')
        for second, action in (('0901', 12), ('0901', 80), ('0905', 3))
      ),
      'annotations/ava_val_v2.2.csv': f'other,0904,{box},12,0\n',
      excluded.format('train'): '',
      excluded.format('val'): 'other,0904\n',
      'annotations/ava_action_list_v2.2_for_activitynet_2019.pbtxt': (
        'item {\n  name: "stand"\n  id: 12\n}\n'
      ),
      persons.format('train'): f'film,0901,{box},,0.97\n',
      persons.format('val'): f'other,0903,{box},,0.9\n',
      'broken.mp4': 'no video',
    },
  )
  for name in ('film.mp4', 'other.mp4'):
    write_video(root / 'ava' / name, frames=105, gop=250)  # 7 s
  return root


@pytest.fixture(scope='module')
def prepared(raw, tmp_path_factory):
  """Records of both, by the builder alone."""
  out = tmp_path_factory.mktemp('records')
  for dataset in ('kinetics400', 'ava'):
    _prepare(out, _raw(dataset, raw / dataset))
  return out


def _both(raw, prepared, dataset, split):
  common = {'dataset': dataset, 'split': split}
  return (
    sources.open_source({'source': 'raw', 'raw': raw / dataset, **common}),
    sources.open_source({'source': 'records', 'path': prepared, **common}),
  )


@pytest.mark.parametrize('split', ['train', 'val'])
@pytest.mark.parametrize('dataset', ['kinetics400', 'ava'])
def test_records_say_what_the_raw_files_say(raw, prepared, dataset, split):
  before, after = _both(raw, prepared, dataset, split)
  by_id = {before[i].id: before[i] for i in range(len(before))}
  left_out = {d.id for d in after.info.dropped}
  assert {after[i].id for i in range(len(after))} == set(by_id) - left_out
  for i in range(len(after)):
    for name, value in vars(by_id[after[i].id]).items():
      if name != 'time':
        np.testing.assert_array_equal(getattr(after[i], name), value, name)
  for name in ('name', 'split', 'kind', 'num_classes', 'classes', 'fps'):
    assert getattr(after.info, name) == getattr(before.info, name), name


def test_records_show_what_the_raw_clips_show(raw, prepared, read_codes):
  before, after = _both(raw, prepared, 'kinetics400', 'train')
  paths = {before[i].id: before.video(i) for i in range(len(before))}
  times = np.arange(0, 1.6, 0.05)
  for i in range(len(after)):
    shown = decode.read_frames(after.video(i), times, _SAME)
    truth = decode.read_frames(paths[after[i].id], times, _SAME)
    np.testing.assert_array_equal(read_codes(shown), read_codes(truth))
    assert np.abs(shown.astype(int) - truth).mean() < 5


def test_records_show_what_the_raw_keyframes_show(raw, prepared, read_codes):
  before, after = _both(raw, prepared, 'ava', 'train')
  by_id = {before[i].id: i for i in range(len(before))}
  assert len(after) == 2
  for i in range(len(after)):
    j = by_id[after[i].id]
    times = np.arange(-16, 16) * 2 / 30 + 1e-4
    first, last = (-after[i].time, 7 - before[j].time - 1 / 15)
    times = times.clip(max(first, -before[j].time), last)
    shown = decode.read_frames(after.video(i), after[i].time + times, _SAME)
    truth = decode.read_frames(before.video(j), before[j].time + times, _SAME)
    np.testing.assert_array_equal(read_codes(shown), read_codes(truth))


def test_a_record_of_ava_is_a_window(prepared):
  source = sources.open_source(
    {'source': 'records', 'path': prepared, 'dataset': 'ava', 'split': 'train'}
  )
  spans = {
    source[i].id: (source[i].time, decode.probe(source.video(i)).duration)
    for i in range(len(source))
  }
  assert spans['film,0901'] == pytest.approx((1.0, 3.4), abs=0.1)
  assert spans['film,0905'] == pytest.approx((2.4, 4.4), abs=0.1)


def test_what_is_left_out_has_its_reason(prepared):
  dropped = records.open(prepared, 'kinetics400', 'train').info.dropped
  reasons = {d.id.split('_')[0]: d.reason for d in dropped}
  assert reasons.keys() == {'missing', 'empty', 'cut'}
  assert 'not found' in reasons['missing'] and 'truncated' in reasons['cut']
  assert records.open(prepared, 'kinetics400', 'val').info.dropped == ()
  dropped = records.open(prepared, 'ava', 'train').info.dropped
  assert [d.id for d in dropped] == ['broken,0901', 'broken,0905']


def test_records_say_how_small_videos_were_made(prepared):
  small = records.open(prepared, 'kinetics400', 'train').info
  assert small.short_side == 256
  assert records.open(prepared, 'ava', 'train').info.short_side is None


def test_labels_do_not_shift(prepared):
  source = records.open(prepared, 'kinetics400', 'train')
  names = [source.info.classes[source[i].label] for i in range(len(source))]
  assert names == ['climbing', 'juggling']


def test_tfds_users_see_class_names(prepared):
  folder = prepared / 'kinetics400' / '1.0.0'
  info = tfds.builder_from_directory(folder).info
  names = ['archery', 'climbing', 'juggling', 'waving']
  assert info.features['label'].names == names


def test_other_detections_can_take_the_place_of_the_recorded(
  prepared, tmp_path
):
  boxes = tmp_path / 'mine.csv'
  boxes.write_text(
    'film,905,0.1,0.2,0.5,0.88,,0.6\nfilm,0950,0.1,0.2,0.5,0.9,,0.5\n'
  )
  source = records.open(prepared, 'ava', 'train', detections=str(boxes))
  by_id = {source[i].id: source[i] for i in range(len(source))}
  assert len(by_id['film,0901'].scores) == 0
  inherited = by_id['film,0905'].detected_actions
  assert np.flatnonzero(inherited).tolist() == [2]
  assert source.info.dropped[-1].id == 'film,950'

  source = records.open(prepared, 'ava', 'train', detections='none')
  assert source.info.name == 'ava (ground-truth boxes)'
  np.testing.assert_array_equal(source[0].detections, source[0].boxes)


def test_opening_reads_no_record(prepared, monkeypatch):
  def refuse(*unused):
    raise AssertionError('read a record')

  monkeypatch.setattr(shards.Videos, 'video', refuse)
  monkeypatch.setattr(records, 'collect', refuse)
  source = records.open(prepared, 'ava', 'val')
  assert [source[i].id for i in range(len(source))]


def test_a_lost_index_is_made_up_for(prepared, monkeypatch):
  before = records.open(prepared, 'ava', 'val')
  monkeypatch.setattr(records, 'has_index', lambda *unused: False)
  assert records.open(prepared, 'ava', 'val').info == before.info


def test_missing_records_are_named(prepared, tmp_path):
  with pytest.raises(FileNotFoundError, match=r'python -m vidpetl\.prepare'):
    records.open(tmp_path, 'ava', 'train')
  with pytest.raises(ValueError, match=r"'test' .* there are: train, val"):
    records.open(prepared, 'ava', 'test')
  with pytest.raises(ValueError, match='has no boxes'):
    records.open(prepared, 'kinetics400', 'val', detections='none')


def test_a_builder_keeps_its_recipe(raw, tmp_path):
  options = {'short_side': 24, 'preset': 'ultrafast', 'splits': ('val',)}
  source = _raw('kinetics400', raw / 'kinetics400')
  made = _prepare(tmp_path, source, **options)
  source = records.open(tmp_path, 'kinetics400', 'val')
  assert decode.probe(source.video(0)).height == 24
  metadata = (pathlib.Path(made.data_dir) / 'metadata.json').read_text()
  assert json.loads(metadata)['settings']['options']['short_side'] == 24


def test_a_split_without_one_good_video_is_an_error(raw, tmp_path):
  root = tmp_path / 'raw'
  _write(
    root,
    {
      'annotations/train.csv': _HEADER + 'archery,a,0,10,train\n',
      'annotations/val.csv': _HEADER + 'archery,b,0,10,val\n',
      'train/a_000000_000010.mp4': 'no video',
      'val/b_000000_000010.mp4': 'no video',
    },
  )
  with pytest.raises(Exception, match="none of the 1 videos of 'train' can be"):
    _prepare(tmp_path / 'out', _raw('kinetics400', root))


@pytest.mark.parametrize(
  'change, message',
  [
    ({'window': 0.0}, r'window=0\.0 is not above 0'),
    ({'splits': ('val', 'val')}, 'splits='),
    ({'copy': True}, 'copy=True'),
  ],
)
def test_recipes_that_make_no_sense(change, message):
  with pytest.raises(ValueError, match=message):
    recipe.make(_raw('ava', 'raw'), **change)
