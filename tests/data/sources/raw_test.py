import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from vidpetl.data import sources
from vidpetl.data.annotations import text


def _write(root, files):
  """Writes text files; a content of None is an empty video."""
  for name, content in files.items():
    path = pathlib.Path(root) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content or '')
  return str(root)


def _open(dataset, root, split, **options):
  return sources.open_source(
    {
      'source': 'raw',
      'dataset': dataset,
      'raw': str(root),
      'split': split,
      **options,
    }
  )


_HEADER = 'label,youtube_id,time_start,time_end,split\n'
_KINETICS = {
  'annotations/train.csv': _HEADER
  + 'waving,a,0,10,train\nclimbing,b,5,15,train\nwaving,c,0,10,train\n',
  'annotations/val.csv': _HEADER + 'archery,d,0,10,val\n',
  'train/a_000000_000010.mp4': None,
  'train/waving/c_000000_000010.mkv': None,
  'val/d_000000_000010.mp4': None,
}


def test_kinetics(tmp_path):
  source = _open('kinetics400', _write(tmp_path, _KINETICS), 'train')
  assert dict(source.info.classes) == {0: 'archery', 1: 'climbing', 2: 'waving'}
  assert source.info.num_classes == 3 and source.info.fps == 25
  assert [source[i].id for i in range(len(source))] == [
    'a_000000_000010',
    'c_000000_000010',
  ]
  assert [source[i].label for i in range(len(source))] == [2, 2]
  assert source.video(1) == str(tmp_path / 'train/waving/c_000000_000010.mkv')
  (missing,) = source.info.dropped
  assert missing.id == 'b_000005_000015' and 'not found' in missing.reason


def test_hmdb51(tmp_path):
  folder = 'testTrainMulti_7030_splits'
  files = {
    f'{folder}/wave_test_split1.txt': 'a.avi 1\nb.avi 2\n',
    f'{folder}/clap_test_split1.txt': 'a.avi 2\nb.avi 1\nc.avi 1\n',
    'hmdb51_org/wave/a.avi': None,
    'hmdb51_org/clap/b.avi': None,
    'hmdb51_org/clap/a.avi': None,
  }
  source = _open('hmdb51_1', _write(tmp_path, files), 'train')
  assert dict(source.info.classes) == {0: 'clap', 1: 'wave'}
  found = [(source[i].id, source[i].label) for i in range(len(source))]
  assert found == [('clap/b.avi', 0), ('wave/a.avi', 1)]
  assert source.video(1) == str(tmp_path / 'hmdb51_org/wave/a.avi')
  assert [d.id for d in source.info.dropped] == ['clap/c.avi']
  (tmp_path / 'copy/clap').mkdir(parents=True)
  (tmp_path / 'copy/clap/b.avi').write_text('')
  with pytest.raises(ValueError, match='keep one of them'):
    _open('hmdb51_1', tmp_path, 'train')


def test_ucf101(tmp_path):
  files = {
    'ucfTrainTestlist/classInd.txt': '1 Archery\n2 Punch\n',
    'ucfTrainTestlist/trainlist03.txt': 'Punch/a.avi 2\nArchery/b.avi 1\n',
    'ucfTrainTestlist/testlist03.txt': 'Punch/c.avi\n',
    'UCF-101/Punch/a.avi': None,
    'UCF-101/Punch/c.avi': None,
    'UCF-101/Archery/b.avi': None,
  }
  root = _write(tmp_path, files)
  train, val = (_open('ucf101_3', root, split) for split in ('train', 'val'))
  assert [train[i].label for i in range(2)] == [1, 0]
  assert (val[0].id, val[0].label) == ('Punch/c.avi', 1)
  assert val.video(0) == str(tmp_path / 'UCF-101/Punch/c.avi')
  with pytest.raises(FileNotFoundError, match="UCF101's"):
    _open('ucf101_1', root, 'train')


def test_moments_in_time(tmp_path):
  files = {
    'moments_categories.txt': 'walking,1\nadult+male+singing,0\n',
    'trainingSet.csv': 'walking/x.mp4,walking,3,1\nwalking/y.mp4,walking,3,1\n',
    'validationSet.csv': 'adult+male+singing/x.mp4,adult+male+singing,1,0\n',
    'training/walking/y.mp4': None,
    'validation/adult+male+singing/x.mp4': None,
  }
  source = _open('moments_in_time', _write(tmp_path, files), 'train')
  assert (len(source), source[0].label) == (1, 1)
  assert source[0].id == 'walking/y.mp4'
  assert [d.id for d in source.info.dropped] == ['walking/x.mp4']
  assert _open('moments_in_time', tmp_path, 'val')[0].label == 0


@pytest.mark.parametrize(
  'pattern', ['labels/{}.json', 'something-something-v2-{}.json']
)
def test_something_something_v2(tmp_path, pattern):
  entry = lambda i, name: {'id': str(i), 'template': name}
  files = {
    pattern.format('labels'): json.dumps({'Tipping something': '1', 'Ho': '0'}),
    pattern.format('train'): json.dumps(
      [entry(1, 'Tipping [something]'), entry(2, 'Ho')]
    ),
    pattern.format('validation'): json.dumps([entry(3, 'Ho')]),
    '20bn-something-something-v2/1.webm': None,
    '20bn-something-something-v2/3.webm': None,
  }
  source = _open('something_something_v2', _write(tmp_path, files), 'train')
  assert (source[0].id, source[0].label, len(source)) == ('1', 1, 1)
  assert [d.id for d in source.info.dropped] == ['2']


_AVA = {
  'annotations/ava_train_v2.2.csv': 'a,0902,0.1,0.1,0.5,0.9,12,1\n'
  'a,0903,0.1,0.1,0.5,0.9,80,1\nb,0902,0.1,0.1,0.5,0.9,2,1\n'
  'b,0903,0.1,0.1,0.5,0.9,2,1\na,0904,0.1,0.1,0.5,0.9,80,1\n',
  'annotations/ava_val_v2.2.csv': 'c,0902,0.1,0.1,0.5,0.9,12,1\n',
  'annotations/ava_train_excluded_timestamps_v2.2.csv': 'a,0903\n',
  'annotations/ava_val_excluded_timestamps_v2.2.csv': 'c,0903\n',
  'annotations/ava_action_list_v2.2_for_activitynet_2019.pbtxt': (
    'item {\n  name: "stand"\n  id: 12\n}\n'
  ),
  'person_boxes/ava_train_predicted_boxes.csv': (
    'a,0902,0.1,0.1,0.5,0.9,12,0.9\na,0902,0.6,0.1,0.9,0.8,-1,0.7\n'
    'a,0999,0.6,0.1,0.9,0.8,-1,0.7\n'
  ),
  'person_boxes/ava_val_predicted_boxes.csv': (
    'c,902,0.1,0.1,0.5,0.89,,0.9\nc,0903,0.1,0.1,0.5,0.8,,0.7\n'
  ),
}


@pytest.fixture(scope='module')
def ava(write_video, tmp_path_factory):
  root = tmp_path_factory.mktemp('ava')
  _write(root, _AVA)
  (root / 'videos').mkdir()
  for name in ('a.mp4', 'c.mkv'):
    write_video(root / 'videos' / name, frames=75)  # 5 s
  return root


def test_ava_training(ava):
  source = _open('ava', ava, 'train')
  assert [source[i].id for i in range(len(source))] == ['a,0902', 'a,0904']
  frame = source[0]
  assert (frame.time, frame.timestamp, frame.video_id) == (2.0, '0902', 'a')
  assert np.flatnonzero(frame.actions).tolist() == [11]
  assert frame.detected_actions.sum(axis=1).tolist() == [1, 0]
  np.testing.assert_allclose(frame.scores, [0.9, 0.7])
  assert source.info.num_classes == 80
  assert dict(source.info.classes) == {11: 'stand'}
  reasons = {d.id: d.reason for d in source.info.dropped}
  assert 'excluded' in reasons['a,0903'] and '2 keyframes' in reasons['b']
  assert len(reasons) == 2


def test_ava_evaluation(ava):
  source = _open('ava', ava, 'val')
  first, second = source[0], source[1]
  assert (first.id, second.id, len(source)) == ('c,0902', 'c,0903', 2)
  assert first.detected_actions[0, 11] and not first.excluded
  assert second.excluded and not second.annotated and not len(second.boxes)


def test_ava_without_detections_says_so(ava):
  source = _open('ava', ava, 'val', detections='none')
  assert source.info.name == 'ava (ground-truth boxes)'
  assert len(source) == 1
  np.testing.assert_array_equal(source[0].detections, source[0].boxes)


def test_ava_asks_for_missing_person_boxes(ava, tmp_path):
  with pytest.raises(FileNotFoundError, match=r"else\.csv.*'none'"):
    _open('ava', ava, 'val', detections=str(tmp_path / 'else.csv'))


def test_ava_refuses_a_start_that_cannot_be(ava):
  with pytest.raises(ValueError, match='set video_start'):
    _open('ava', ava, 'train', video_start=0.0)
  with pytest.raises(ValueError, match='set video_start'):
    _open('ava', ava, 'train', video_start=950.0)


def test_ava_refuses_two_files_of_one_name(ava, tmp_path):
  _write(tmp_path, _AVA | {'x/a.mp4': None, 'y/a.mkv': None})
  with pytest.raises(ValueError, match=r"x/a\.mp4 and y/a\.mkv .* 'a'"):
    _open('ava', tmp_path, 'train')


def test_ava_kinetics_takes_times_from_clip_names(write_video, tmp_path):
  _write(tmp_path, _AVA)
  _write(
    tmp_path,
    {
      'annotations/kinetics_train_v1.0.csv': (
        'k,12.5,0.1,0.1,0.5,0.9,12\nk,31.25\nmissing,3,0,0,1,1,1\n'
      ),
      'person_boxes/kinetics_train_predicted_boxes.csv': (
        'k,12.500,0.1,0.1,0.5,0.9,,0.9\n'
      ),
    },
  )
  for name in ('a', 'k_000010_000020', 'k_000030_000040'):
    write_video(tmp_path / f'{name}.mp4', frames=75)
  source = _open('ava_kinetics', tmp_path, 'train')
  frames = [source[i] for i in range(len(source))]
  assert [(f.id, f.time) for f in frames] == [
    ('a,0902', 2.0),
    ('a,0904', 4.0),
    ('k,12.5', 2.5),
    ('k,31.25', 1.25),
  ]
  assert frames[2].detected_actions[0, 11]
  assert frames[3].annotated and not len(frames[3].boxes)
  assert source.video(3) == str(tmp_path / 'k_000030_000040.mp4')
  assert {'b', 'missing'} < {d.id for d in source.info.dropped}


def test_labels_do_not_depend_on_which_videos_are_there(tmp_path):
  source = _open('kinetics400', _write(tmp_path, _KINETICS), 'train')
  labels = {source[i].id: source[i].label for i in range(len(source))}
  (tmp_path / 'train/a_000000_000010.mp4').unlink()
  source = _open('kinetics400', tmp_path, 'train')
  assert source.info.num_classes == 3
  assert {source[0].id: source[0].label}.items() <= labels.items()


def test_a_folder_without_any_video_is_an_error_that_says_where(tmp_path):
  _write(tmp_path, _KINETICS)
  for path in (tmp_path / 'train').rglob('*.m*'):
    path.unlink()
  with pytest.raises(FileNotFoundError, match=r'none of the 3 .*/train'):
    _open('kinetics400', tmp_path, 'train')


@pytest.mark.parametrize(
  'change, message',
  [
    ({'dataset': 'kinetics'}, "dataset='kinetics'; there are: ava"),
    ({'split': 'test'}, "split 'test' is none of 'train', 'val'"),
    ({'dataset': 'hmdb51'}, "'hmdb51' has splits of its own: hmdb51_1, hmdb51"),
    ({'dataset': 'food101'}, "'food101' is TFDS's own; source='tfds_images'"),
    ({'rate': 3}, "dataset 'kinetics400' has no field rate; its fields are"),
    ({'source': 'raws'}, "source='raws'; there are: ava_csv, folder"),
    ({'source': 'videos'}, "source='videos'; there are: ava_csv, folder"),
  ],
)
def test_wrong_arguments_are_named(tmp_path, change, message):
  config = {'source': 'raw', 'dataset': 'kinetics400', 'split': 'train'}
  config['raw'] = _write(tmp_path, _KINETICS)
  with pytest.raises(ValueError, match=message):
    sources.open_source(config | change)


def test_missing_arguments_are_named():
  with pytest.raises(ValueError, match="source 'raw' needs raw, split; its"):
    sources.open_source({'source': 'raw', 'dataset': 'ava'})


@pytest.mark.parametrize(
  'source',
  [
    {'source': 'raw', 'dataset': 'ava', 'raw': ''},
    {'source': 'folder', 'path': ''},
  ],
)
def test_an_empty_text_is_not_the_current_folder(source):
  with pytest.raises(FileNotFoundError, match='no such folder'):
    sources.open_source({**source, 'split': 'train'})


def test_missing_files_are_named(tmp_path):
  with pytest.raises(FileNotFoundError, match='no such folder'):
    _open('ava', tmp_path / 'no', 'train')
  with pytest.raises(FileNotFoundError, match=r'annotations/train\.csv'):
    _open('kinetics400', tmp_path, 'train')


def test_an_error_in_an_annotation_file_comes_through(tmp_path):
  files = dict(_KINETICS)
  files['annotations/val.csv'] += 'archery,d,x,10,val\n'
  with pytest.raises(text.AnnotationError, match=r'val\.csv:3: time_start'):
    _open('kinetics400', _write(tmp_path, files), 'train')


def test_fingerprints_tell_annotations_apart(tmp_path):
  root = _write(tmp_path, _KINETICS)
  first = _open('kinetics400', root, 'train').info.fingerprint
  assert first == _open('kinetics400', root, 'train').info.fingerprint
  csv = tmp_path / 'annotations/train.csv'
  csv.write_text(csv.read_text().replace('waving,c', 'climbing,c'))
  assert first != _open('kinetics400', root, 'train').info.fingerprint


def test_a_repeated_clip_gets_an_id_of_its_own(tmp_path):
  files = dict(_KINETICS)
  files['annotations/train.csv'] += 'climbing,a,0,10,train\n'
  source = _open('kinetics400', _write(tmp_path, files), 'train')
  found = {source[i].id: source[i].label for i in range(len(source))}
  assert found['a_000000_000010'] == 2 and found['a_000000_000010#2'] == 1


def test_raw_sources_need_no_tensorflow():
  code = (
    'import sys; import vidpetl.data.sources.raw, vidpetl.data.sources.folder, '
    'vidpetl.data.sources.manifest, vidpetl.data.sources.ava_csv; '
    "assert not {'tensorflow', 'jax'} & set(sys.modules)"
  )
  subprocess.run([sys.executable, '-c', code], check=True)
