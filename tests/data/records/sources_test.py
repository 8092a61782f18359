"""Records of every kind of source say and show what the source does."""

import csv
import json
import pickle

import numpy as np
import pytest
from PIL import Image

from vidpetl.data import frames, sources
from vidpetl.data.records import builder, recipe, records

_SAME = lambda height, width: (height, width)
_SECONDS = 40 / 15


def _rows(path, *rows):
  with open(path, 'w', newline='') as file:
    csv.writer(file).writerows(rows)
  return str(path)


@pytest.fixture(scope='module')
def folder(write_video, tmp_path_factory):
  """Class folders with two videos each, and the annotations of them."""
  root = tmp_path_factory.mktemp('videos')
  for name in ('a/1', 'a/2', 'b/3', 'b/4'):
    (root / name).parent.mkdir(exist_ok=True)
    write_video(root / f'{name}.mp4', frames=40, gop=250)
  for i in range(40):
    (root / 'frames').mkdir(exist_ok=True)
    picture = Image.new('RGB', (64, 48), (6 * i, 40, 80))
    picture.save(root / 'frames' / f'{i:03d}.jpg')
  return root


def _folder(root):
  return {'source': 'folder', 'path': str(root), 'val_fraction': 0.7}


def _manifest(root):
  rows = [
    ('path', 'label', 'start', 'end', 'split'),
    ('a/1.mp4', 'jump', '', '', 'train'),
    ('a/2.mp4', 'run', '0.8', '1.6', 'train'),
    ('b/3.mp4', 'jump', '1', '', 'val'),
  ]
  path = _rows(root / 'clips.csv', *rows)
  return {'source': 'manifest', 'path': path, 'classes': ('run', 'jump')}


def _several_labels(root):
  rows = [
    ('path', 'label', 'start', 'split'),
    ('a/1.mp4', 'jump|run', '', 'train'),
    ('a/2.mp4', '', '0.8', 'train'),
    ('b/3.mp4', 'sit', '1', 'val'),
  ]
  path = _rows(root / 'homes.csv', *rows)
  return {'source': 'manifest', 'path': path, 'kind': 'multilabel'}


def _no_labels(root):
  return {**_manifest(root), 'kind': 'unlabelled', 'classes': ()}


def _performances(root):
  rows = [
    'video,score,start,end,split,difficulty,action,steps,judge_1,judge_2',
    'a/1.mp4,41.5,0.8,1.6,train,3.2,107B,1.0;1.2,6.5,7',
    'frames,33.1,0.4,1.2,train,,,,4,5.5',
    'b/3.mp4,12,,,val,1.6,305C,0.5;0.9,1,2',
  ]
  path = _rows(root / 'scores.csv', *(row.split(',') for row in rows))
  return {'source': 'performances', 'path': path}


def _ava_csv(root):
  rows = [('1', '1.2', 0.1, 0.2, 0.5, 0.9, 3, 1), ('3', '0.4')]
  _rows(root / 'people_train.csv', *rows)
  _rows(root / 'people_val.csv', ('4', '0.9', 0.1, 0.3, 0.5, 0.9, 5, 1))
  return {
    'source': 'ava_csv',
    'videos': str(root),
    'annotations': str(root / 'people_{split}.csv'),
    'num_classes': 5,
  }


def _start(example, window):
  """Returns where an example's record begins on its file's clock."""
  if window is None:
    return example.start
  return max(0.0, example.time - window)


@pytest.mark.parametrize(
  'make, kind',
  [
    (_folder, 'classification'),
    (_manifest, 'classification'),
    (_several_labels, 'multilabel'),
    (_no_labels, 'unlabelled'),
    (_performances, 'quality'),
    (_ava_csv, 'localisation'),
  ],
)
def test_records_say_and_show_what_the_source_does(
  folder, tmp_path, make, kind
):
  (tmp_path / 'raw').mkdir()
  root = folder
  if make is _folder:  # without the frames, which lie in no class folder
    root = tmp_path / 'raw'
    for name in ('a', 'b'):
      (root / name).symlink_to(folder / name)
  source = make(root)
  made = recipe.make(source, name='my_clips', preset='ultrafast')
  assert made.kind == kind
  builder.VideoBuilder(
    recipe=made, data_dir=str(tmp_path)
  ).download_and_prepare()
  for split in ('train', 'val'):
    before = made.open(split)
    after = records.open(str(tmp_path), 'my_clips', split)
    assert len(after) == len(before) > 0
    for name in ('name', 'kind', 'num_classes', 'classes', 'fps', 'dropped'):
      assert getattr(after.info, name) == getattr(before.info, name), name
    for i in range(len(before)):
      _check_annotation(before[i], after[i], made.window)
      _check_video(before, after, i, made.window)
    again = records.open(str(tmp_path), 'my_clips', split)
    assert again.info == after.info and again.info.fingerprint


def _check_annotation(before, after, window):
  start = _start(before, window)
  expected = vars(before) | {'start': 0.0, 'end': None}
  for name, value in vars(after).items():
    truth = expected[name]
    if name in ('steps', 'time'):
      truth = np.asarray(truth) - start
    if name == 'action' or isinstance(truth, str):
      assert value == truth, name
    elif truth is None:
      assert value is None
    else:
      np.testing.assert_allclose(value, truth, rtol=1e-6, err_msg=name)


def _check_video(before, after, i, window):
  example, start = before[i], _start(before[i], window)
  end = getattr(example, 'end', None)
  if end is None:
    end = _SECONDS - 0.05 if window is None else start + 0.5
  times = np.arange(start, end - 1e-3, 0.04)
  with (
    frames.open_video(before.video(i), fps=before.info.fps) as truth,
    frames.open_video(after.video(i)) as video,
  ):
    expected = truth.read(np.minimum(times, truth.duration - 0.1), _SAME)
    keep = times < truth.duration - 0.1
    shown = video.read(times - start, _SAME)
  error = np.abs(shown.astype(int) - expected)[keep].mean(axis=(1, 2, 3))
  assert error.max() < 8


def test_a_quality_set_of_frames_is_read_from_records(tmp_path):
  """MTL-AQA as MUSDL lays it out: a folder of frames for each dive."""
  dive = {'start_frame': 30, 'end_frame': 45, 'difficulty': 2.0}
  dive |= {'final_score': 40.0, 'judge_scores': np.full(7, 6.5)}
  dive |= {'dive_number': '107B'}
  for name, content in {
    'augmented_final_annotations_dict': {(1, i): dive for i in (1, 2, 3)},
    'train_split_0': [(1, 1), (1, 2)],
    'test_split_0': [(1, 3)],
  }.items():
    path = tmp_path / 'raw/info' / f'{name}.pkl'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))
  for i in (1, 2, 3):
    path = tmp_path / f'raw/frames/01_{i:02d}'
    path.mkdir(parents=True)
    for k in range(12):
      picture = Image.new('RGB', (96, 72), (20 * k, 60 * i, 30))
      picture.save(path / f'{k:05d}.png')
  (tmp_path / 'raw/frames/01_02/00007.png').write_bytes(b'damaged')
  source = {'source': 'raw', 'dataset': 'mtl_aqa', 'raw': str(tmp_path / 'raw')}
  builder.VideoBuilder(
    recipe=recipe.make(source, short_side=48), data_dir=str(tmp_path)
  ).download_and_prepare()
  before = sources.open_source({**source, 'split': 'train'})
  after = records.open(str(tmp_path), 'mtl_aqa', 'train')
  assert len(after) == 1 and after[0] == before[0]
  ((dropped),) = after.info.dropped
  assert dropped.id == '01_02' and '01_02' in dropped.path
  with frames.open_video(after.video(0)) as video:
    shown = video.read(np.arange(12) / 25, _SAME)
  assert shown.shape == (12, 48, 64, 3)
  expected = np.stack([20 * np.arange(12), np.full(12, 60), np.full(12, 30)], 1)
  np.testing.assert_allclose(shown.mean(axis=(1, 2)), expected, atol=6)
  metadata = tmp_path / 'mtl_aqa/1.0.0/metadata.json'
  assert json.loads(metadata.read_text())['kind'] == 'quality'


def test_records_of_performances_find_partners_and_refuse_boxes(
  folder, tmp_path
):
  made = recipe.make(_performances(folder), name='mine', preset='ultrafast')
  builder.VideoBuilder(
    recipe=made, data_dir=str(tmp_path)
  ).download_and_prepare()
  source = records.open(str(tmp_path), 'mine', 'train')
  assert source.partners(0, 'any').tolist() == [1]
  assert source.info.table['steps'].shape == (2, 2)
  with pytest.raises(ValueError, match='mine has no boxes'):
    records.open(str(tmp_path), 'mine', 'train', detections='none')


def test_splits_of_the_same_examples_are_refused(folder, tmp_path):
  source = _ava_csv(folder)
  source['annotations'] = source['annotations'].replace('{split}', 'train')
  made = recipe.make(source, name='mine')
  with pytest.raises(ValueError, match=r"'train' and 'val' hold the same .*\{"):
    made.open_all()
  assert recipe.make(source, name='mine', splits=['train']).open_all()
