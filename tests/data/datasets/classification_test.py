"""The annotation files of the classification datasets."""

import json

import pytest

from vidpetl.data.annotations import text
from vidpetl.data.datasets import (
  hmdb51,
  kinetics,
  moments_in_time,
  something_something_v2,
  ucf101,
)

_HEADER = 'label,youtube_id,time_start,time_end,split\n'


def _write(tmp_path, content):
  path = tmp_path / 'file'
  path.write_text(content)
  return str(path)


def test_kinetics(tmp_path):
  path = _write(
    tmp_path,
    _HEADER + 'air drumming,-a_b,3,13,train\n"clay, pottery",xyz,0,10,train\n',
  )
  clips, labels = kinetics.read(path)
  assert clips == ['-a_b_000003_000013', 'xyz_000000_000010']
  assert labels == ['air drumming', 'clay, pottery']


@pytest.mark.parametrize(
  'content, message',
  [
    ('youtube_id,time_start,time_end\n', ':1: no column label'),
    (_HEADER + 'a,b,1,2\n', ':2: 4 columns; expected 5'),
    (_HEADER + 'a,b,x,2,train\n', ":2: time_start is 'x'"),
    (_HEADER + 'a,b,3,2,train\n', ':2: time_start 3, time_end 2'),
    (_HEADER + 'a,,1,2,train\n', ':2: an empty field'),
    (_HEADER, ': no clips'),
  ],
)
def test_kinetics_errors(tmp_path, content, message):
  with pytest.raises(text.AnnotationError, match='file' + message):
    kinetics.read(_write(tmp_path, content))


def test_moments(tmp_path):
  categories = moments_in_time.read_categories(
    _write(tmp_path, 'walking,1\nadult+male+singing,0\n')
  )
  assert categories == ['adult+male+singing', 'walking']
  path = _write(tmp_path, 'walking/x.mp4,walking,3,1\nwalking/y.mp4,walking\n')
  videos, labels = moments_in_time.read(path, categories)
  assert videos == ['walking/x.mp4', 'walking/y.mp4'] and labels == [1, 1]


@pytest.mark.parametrize('content', ['a,0\nb,2\n', 'a,0\nb,0\n', 'a,x\n', ''])
def test_moments_categories_are_numbered_without_gaps(tmp_path, content):
  with pytest.raises(text.AnnotationError, match=r'0\.\.n-1'):
    moments_in_time.read_categories(_write(tmp_path, content))


def test_moments_errors(tmp_path):
  path = _write(tmp_path, 'a/x.mp4,a\na/y.mp4,b\n')
  with pytest.raises(text.AnnotationError, match=":2: class 'b' is not in"):
    moments_in_time.read(path, ['a'])
  with pytest.raises(text.AnnotationError, match=':1: 1 columns'):
    moments_in_time.read(_write(tmp_path, 'a/x.mp4\n'), ['a'])


def test_hmdb51(tmp_path):
  for name in ('wave', 'brush_hair'):
    path = tmp_path / f'{name}_test_split2.txt'
    path.write_text(f'a{name}.avi 1 \nb.avi 0\n\nc.avi 2\n')
  (tmp_path / 'wave_test_split1.txt').write_text('a.avi 3\n')
  assert hmdb51.read_classes(str(tmp_path), 2) == ['brush_hair', 'wave']
  assert hmdb51.read(str(tmp_path), 2, 'wave', 'train') == ['awave.avi']
  assert hmdb51.read(str(tmp_path), 2, 'wave', 'val') == ['c.avi']
  with pytest.raises(text.AnnotationError, match=r"split1.txt:1: 'a.avi 3'"):
    hmdb51.read(str(tmp_path), 1, 'wave', 'val')
  with pytest.raises(FileNotFoundError, match='no file is called'):
    hmdb51.read_classes(str(tmp_path), 3)


def test_what_macos_left_beside_hmdb51s_lists_is_no_list(tmp_path):
  (tmp_path / 'wave_test_split1.txt').write_text('a.avi 1\n')
  (tmp_path / '._wave_test_split1.txt').write_bytes(b'\0\5\x16\7\0\2')
  assert hmdb51.read_classes(str(tmp_path), 1) == ['wave']


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
def test_lists_of_datasets_have_any_encoding(tmp_path, encoding):
  path = tmp_path / 'wave_test_split1.txt'
  path.write_bytes('a.avi 1\r\n'.encode(encoding))
  assert hmdb51.read(str(tmp_path), 1, 'wave', 'train') == ['a.avi']
  path.write_bytes('1 Archery\r\n'.encode(encoding))
  assert ucf101.read_classes(str(path)) == ['Archery']
  path.write_bytes('Archery,0\r\n'.encode(encoding))
  assert moments_in_time.read_categories(str(path)) == ['Archery']
  path.write_bytes('{"Archery": "0"}'.encode(encoding))
  assert something_something_v2.read_labels(str(path)) == ['Archery']


def test_ucf101(tmp_path):
  path = tmp_path / 'classInd.txt'
  path.write_text('1 Archery\n2 Punch\n')
  classes = ucf101.read_classes(str(path))
  assert classes == ['Archery', 'Punch']
  train, test = tmp_path / 'train.txt', tmp_path / 'test.txt'
  train.write_text('Punch/v_g01.avi 2\r\nArchery/v_g02.avi 1\n')
  test.write_text('Archery/v_g03.avi\n')
  files = ['Punch/v_g01.avi', 'Archery/v_g02.avi']
  assert ucf101.read(str(train), classes) == (files, [1, 0])
  assert ucf101.read(str(test), classes) == (['Archery/v_g03.avi'], [0])


@pytest.mark.parametrize(
  'line, message',
  [
    ('Punch/v.avi 1', r'a.txt:1: Punch has the number 1; expected 2'),
    ('Boxing/v.avi', r"a.txt:1: class 'Boxing' is not in classInd.txt"),
    ('v.avi 1', r'a.txt:1'),
    ('', 'no videos'),
  ],
)
def test_ucf101_errors(tmp_path, line, message):
  (tmp_path / 'a.txt').write_text(line + '\n')
  with pytest.raises(text.AnnotationError, match=message):
    ucf101.read(str(tmp_path / 'a.txt'), ['Archery', 'Punch'])


def test_ucf101_classes_are_numbered_without_gaps(tmp_path):
  (tmp_path / 'a.txt').write_text('1 Archery\n3 Punch\n')
  with pytest.raises(text.AnnotationError, match='2 numbers with gaps'):
    ucf101.read_classes(str(tmp_path / 'a.txt'))


def test_something(tmp_path):
  path = _write(tmp_path, json.dumps({'Tipping something': '1', 'Ho': '0'}))
  templates = something_something_v2.read_labels(path)
  assert templates == ['Ho', 'Tipping something']
  entries = [{'id': '7', 'template': 'Tipping [something]', 'label': 'tip'}]
  path = _write(tmp_path, json.dumps(entries))
  assert something_something_v2.read(path, templates) == (['7'], [1])


@pytest.mark.parametrize(
  'content, message',
  [
    ('{', ':1: not json'),
    ('{}', 'a json dict; expected a list'),
    ('[{"id": 1}]', r'\[0\]: '),
    ('[{"id": 1, "template": "No"}]', r"\[0\]: template 'No' is not in"),
    ('[]', 'no videos'),
  ],
)
def test_something_errors(tmp_path, content, message):
  with pytest.raises(text.AnnotationError, match=message):
    something_something_v2.read(_write(tmp_path, content), ['Ho'])
