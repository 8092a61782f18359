"""Jester's lists, of both editions, drawn small."""

import warnings

import pytest

from vidpetl import mistakes
from vidpetl.data import datasets, sources
from vidpetl.data.annotations import text
from vidpetl.data.datasets import jester

_OFFICIAL = {
  'jester-v1-train.csv': '9223;Swiping Left\n107090;Stop Sign\n3;No gesture\n',
  'jester-v1-validation.csv': '42920;Swiping Right\n',
  'jester-v1-labels.csv': 'Swiping Left\nSwiping Right\nStop Sign\n'
  'No gesture\n',
}
_ORDER = ['No gesture', 'Stop Sign', 'Swiping Left', 'Swiping Right']
_HEADER = 'video_id,label,frames,label_id,shape,format\n'
_SHAPE = '37,5,"(100, 176)",jpg\n'
_KAGGLE = {
  'Train.csv': f'{_HEADER}9223,Swiping Left,{_SHAPE}107090,Stop Sign,{_SHAPE}'
  f'3,No gesture,{_SHAPE}',
  'Validation.csv': f'{_HEADER}42920,Swiping Right,{_SHAPE}',
}


def _write(root, files):
  for name, content in files.items():
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())


def _open(root, split='train', **options):
  fields = {'source': 'raw', 'dataset': 'jester', 'raw': str(root)}
  return sources.open_source({**fields, 'split': split, **options})


def _check(root, folders):
  with warnings.catch_warnings():
    warnings.simplefilter('error', mistakes.Note)
    train, test = _open(root), _open(root, 'val')
  assert (
    [*train.info.classes.values()] == [*test.info.classes.values()] == _ORDER
  )
  assert [(train[i].id, train[i].label) for i in range(2)] == [
    ('9223', 2),
    ('107090', 1),
  ]
  assert [d.id for d in train.info.dropped] == ['3'] and len(train) == 2
  assert (test[0].id, test[0].label) == ('42920', 3)
  assert train.video(0) == str(root / folders[0] / '9223')
  assert test.video(0) == str(root / folders[1] / '42920')
  assert train.info.fps == 12


@pytest.mark.parametrize('lists', ['', 'annotations/', 'labels/'])
@pytest.mark.parametrize('end', ['\n', '\r\n'])
def test_official_lists(tmp_path, lists, end):
  files = {lists + k: v.replace('\n', end) for k, v in _OFFICIAL.items()}
  frames = {
    f'20bn-jester-v1/{clip}/00001.jpg': ''
    for clip in ('9223', '107090', '42920')
  }
  _write(tmp_path, files | frames)
  _check(tmp_path, ['20bn-jester-v1'] * 2)


def test_kaggles_edition_has_the_same_classes(tmp_path):
  frames = {f'Train/{clip}/00001.jpg': '' for clip in ('9223', '107090')}
  _write(tmp_path, _KAGGLE | frames | {'Validation/42920/00001.jpg': ''})
  _check(tmp_path, ['Train', 'Validation'])


def test_another_rate_of_the_frames(tmp_path):
  _write(tmp_path, _OFFICIAL | {'20bn-jester-v1/9223/00001.jpg': ''})
  assert _open(tmp_path, fps=10.0).info.fps == 10


@pytest.mark.parametrize(
  'content, message',
  [
    ('9223\n', r'a\.csv:1: 1 columns; expected id;label'),
    ('9223;\n', ':1: an empty field'),
    ('1;Stop Sign\n2;No;gesture\n', ':2: 3 columns'),
    (_HEADER + f'9223,,{_SHAPE}', ':2: an empty field'),
    ('id,label,frames\n1,,3\n', ':1: no column video_id'),
    ('', 'no clips'),
  ],
)
def test_a_row_that_is_none_is_named(tmp_path, content, message):
  _write(tmp_path, {'a.csv': content})
  with pytest.raises(text.AnnotationError, match=message):
    jester.read(str(tmp_path / 'a.csv'))


def test_an_unknown_label_is_named(tmp_path):
  _write(tmp_path, _OFFICIAL | {'jester-v1-labels.csv': 'Swiping Left\n'})
  with pytest.raises(text.AnnotationError, match=r"train\.csv: label 'No gest"):
    _open(tmp_path)


def test_gestures_have_sides():
  known = datasets.find('jester')
  assert (known.num_classes, known.fps, known.mirrored) == (27, 12, False)
