"""Official datasets as people keep them: as frames, or with other suffixes."""

import json

import numpy as np
import pytest
from PIL import Image

from vidpetl.data import sources

_HEADER = 'label,youtube_id,time_start,time_end,split\n'
_HMDB = 'testTrainMulti_7030_splits'
# Dataset -> its files, and clips below its folder, without suffix.
_LISTS = {
  'kinetics400': (
    {
      'annotations/train.csv': f'{_HEADER}waving,a,0,10,train\n',
      'annotations/val.csv': f'{_HEADER}waving,b,0,10,val\n',
    },
    'train/waving/a_000000_000010',
  ),
  'hmdb51_1': (
    {f'{_HMDB}/wave_test_split1.txt': 'a.b.avi 1\nb.avi 2\n'},
    'hmdb51_org/wave/a.b',
  ),
  'ucf101_1': (
    {
      'ucfTrainTestlist/classInd.txt': '1 Archery\n',
      'ucfTrainTestlist/trainlist01.txt': 'Archery/v_a_g01.avi 1\n',
      'ucfTrainTestlist/testlist01.txt': 'Archery/v_b_g01.avi\n',
    },
    'rawframes/Archery/v_a_g01',
  ),
  'moments_in_time': (
    {
      'moments_categories.txt': 'walking,0\n',
      'trainingSet.csv': 'walking/x.mp4,walking,3,1\n',
      'validationSet.csv': 'walking/y.mp4,walking,3,1\n',
    },
    'training/walking/x',
  ),
  'something_something_v2': (
    {
      'labels/labels.json': json.dumps({'Holding something': '0'}),
      'labels/train.json': json.dumps(
        [{'id': '7', 'template': 'Holding [something]'}]
      ),
      'labels/validation.json': json.dumps(
        [{'id': '8', 'template': 'Holding [something]'}]
      ),
    },
    '20bn-something-something-v2/7',
  ),
  'diving48': (
    {
      'Diving48_vocab.json': json.dumps([['Back', '15som', '05Twis', 'FREE']]),
      'Diving48_V2_train.json': json.dumps([{'vid_name': 'x_00', 'label': 0}]),
      'Diving48_V2_test.json': json.dumps([{'vid_name': 'y_00', 'label': 0}]),
    },
    'rgb/x_00',
  ),
}
_RATES = {
  'kinetics400': 25,
  'hmdb51_1': 30,
  'ucf101_1': 25,
  'moments_in_time': 25,
  'something_something_v2': 12,
  'diving48': 25,
}


def _write(root, files):
  for name, content in files.items():
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(content)


def _open(dataset, root, **options):
  fields = {'source': 'raw', 'dataset': dataset, 'raw': str(root), **options}
  return sources.open_source({'split': 'train', **fields})


@pytest.mark.parametrize('dataset', _LISTS)
def test_a_clip_may_be_a_folder_of_frames(tmp_path, dataset):
  lists, clip = _LISTS[dataset]
  _write(tmp_path, {**lists, f'{clip}/img_00001.jpg': ''})
  source = _open(dataset, tmp_path)
  assert (len(source), source.video(0)) == (1, str(tmp_path / clip))
  assert not source.info.dropped
  (said,) = source.info.notes
  assert f'taken for {_RATES[dataset]} a second; give fps=' in said
  source = _open(dataset, tmp_path, fps=15)
  assert source.info.fps == 15 and not source.info.notes


@pytest.mark.parametrize('suffix', ['.mp4', '.MP4', '.mkv', '.webm'])
@pytest.mark.parametrize('dataset', _LISTS)
def test_a_clip_may_have_any_suffix(tmp_path, dataset, suffix):
  lists, clip = _LISTS[dataset]
  _write(tmp_path, {**lists, clip + suffix: '', f'{clip}._x': ''})
  source = _open(dataset, tmp_path)
  assert source.video(0) == str(tmp_path / clip) + suffix
  assert not source.info.notes


def test_hmdb51_from_a_mac(tmp_path):
  lists, clip = _LISTS['hmdb51_1']
  litter = {f'{_HMDB}/._wave_test_split1.txt': '\x00\x05\x16\x07'}
  litter['hmdb51_org/wave/._a.b.avi'] = '\x00'
  _write(tmp_path, {**lists, **litter, f'{clip}.avi': ''})
  source = _open('hmdb51_1', tmp_path)
  assert dict(source.info.classes) == {0: 'wave'}
  assert source[0].id == 'wave/a.b.avi'


def test_a_clip_with_two_labels_is_named(tmp_path):
  lists, clip = _LISTS['kinetics400']
  lists = {k: v + 'clapping,a,0,10,train\n' for k, v in lists.items()}
  _write(tmp_path, {**lists, f'{clip}.mp4': ''})
  (said,) = _open('kinetics400', tmp_path).info.notes
  assert said.startswith('1 clips have two labels: a_000000_000010 (waving, ')


_AVA = {
  'annotations/ava_train_v2.2.csv': 'a,0902,0.1,0.1,0.5,0.9,12,1\n',
  'annotations/ava_train_excluded_timestamps_v2.2.csv': '',
  'annotations/ava_action_list_v2.2_for_activitynet_2019.pbtxt': (
    'item {\n  name: "stand"\n  id: 12\n}\n'
  ),
}


@pytest.fixture
def film(tmp_path):
  """Five seconds of a film at 30 frames a second, as SlowFast extracts it."""
  (tmp_path / 'frames/a').mkdir(parents=True)
  for number in range(1, 151):
    picture = Image.new('RGB', (16, 12), (number, 0, 0))
    picture.save(tmp_path / f'frames/a/a_{number:06d}.jpg')
  return tmp_path


def test_ava_as_frames(film):
  _write(film, _AVA)
  source = _open('ava', film, detections='none')
  assert source.video(0) == str(film / 'frames/a')
  assert source[0].time == 2.0 and source.info.fps == 30
  # The length of its frames is compared with the keyframes.
  with pytest.raises(ValueError, match='set video_start'):
    _open('ava', film, detections='none', video_start=800.0)
  slow = _open('ava', film, detections='none', fps=1.0, video_start=800.0)
  assert slow.info.fps == 1 and slow[0].time == 102


def test_ones_own_keyframes_of_frames(film):
  (film / 'mine.csv').write_text('a,1.5,0.1,0.1,0.5,0.9,1\n')
  fields = {'source': 'ava_csv', 'videos': str(film / 'frames')}
  fields['annotations'] = str(film / 'mine.csv')
  source = sources.open_source({**fields, 'fps': 30.0})
  assert source.video(0) == str(film / 'frames/a')
  assert source.info.fps == 30 and not source.info.notes
  np.testing.assert_allclose(source[0].time, 1.5)
  assert 'taken for 25 a second' in sources.open_source(fields).info.notes[0]
