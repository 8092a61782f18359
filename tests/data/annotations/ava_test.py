import pickle

import numpy as np
import pytest

from vidpetl import mistakes
from vidpetl.data.annotations import ava, text


def _write(tmp_path, content, name='file.csv'):
  path = tmp_path / name
  path.write_text(content)
  return str(path)


def _actions(table):
  bits = np.unpackbits(table.actions, axis=1)
  return [list(np.flatnonzero(row) + 1) for row in bits]


def test_rows_of_one_box_are_merged_by_their_text(tmp_path):
  path = _write(
    tmp_path,
    'a,0902,0.1,0.2,0.5,0.9,12,0\n'
    'a,0902,0.1,0.2,0.5,0.9,80,0\n'
    'a,0902,0.10,0.2,0.5,0.9,3,1\n'  # another person at the same place
    'b,0902,0.1,0.2,0.5,0.9,12,0\n',
  )
  truth = ava.read_ground_truth(path, 80)
  assert _actions(truth) == [[12, 80], [3], [12]]
  assert truth.keyframe.tolist() == [0, 0, 1]
  assert truth.keys == [('a', 902_000_000), ('b', 902_000_000)]
  np.testing.assert_array_equal(
    truth.box, np.float32([[0.1, 0.2, 0.5, 0.9]] * 3)
  )
  assert truth.labelled.all() and (truth.score == 1).all()


def test_ava_kinetics_has_seven_columns_decimals_and_empty_keyframes(tmp_path):
  path = _write(tmp_path, 'a,12.25,0.1,0.2,0.5,0.9,12\na,13.5\nb,7,0,0,1,1,1\n')
  truth = ava.read_ground_truth(path, 80)
  assert sorted(truth.keys) == [
    ('a', 12_250_000),
    ('a', 13_500_000),
    ('b', 7_000_000),
  ]
  assert len(truth) == 2
  boxed = {truth.timestamps[k] for k in truth.keyframe}
  assert boxed == {'12.25', '7'}


_GOOD = 'a,0902,0.1,0.2,0.5,0.9,12,0\n'


@pytest.mark.parametrize(
  'line, message',
  [
    ('a,0903,0.1,0.2,0.5,0.9', ':2: 6 columns; expected video_id,seconds'),
    ('a,0903,0.1,x,0.5,0.9,12,0', ":2: y1 is 'x'; expected a number"),
    ('a,0903,0.1,nan,0.5,0.9,12,0', ":2: y1 is 'nan'; expected a number"),
    ('a,soon,0.1,0.2,0.5,0.9,12,0', ":2: seconds is 'soon'"),
    ('a,0903,0.1,0.2,1.5,0.9,12,0', ':2: box .* leaves'),
    ('a,0903,0.5,0.2,0.5,0.9,12,0', ':2: box .* has no area'),
    ('a,0903,0.1,0.2,0.5,0.9,81,0', r":2: action id '81'; .* 1\.\.80"),
    ('a,0903,0.1,0.2,0.5,0.9,,0', ':2: no action id'),
    ('a,0903,0.1,0.2,0.5,0.9,-1,0', ':2: no action id'),
  ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
  path = _write(tmp_path, _GOOD + line + '\n')
  with pytest.raises(text.AnnotationError, match=r'file\.csv' + message):
    ava.read_ground_truth(path, 80)


_OUT = 'a,0903,0.1,0.2,1.0000001,0.9,12,0\nb,0903,-0.0004,0.2,0.5,0.9,3,0\n'


def test_what_sticks_out_by_rounding_is_cut_and_counted(tmp_path):
  path = _write(tmp_path, _GOOD + _OUT)
  said = r'file\.csv: 2 boxes left the frame by up to 0\.0004 .*: line 2\)'
  with pytest.warns(mistakes.Note, match=said):
    truth = ava.read_ground_truth(path, 80)
  expected = [[0.1, 0.2, 0.5, 0.9], [0.1, 0.2, 1, 0.9], [0, 0.2, 0.5, 0.9]]
  np.testing.assert_array_equal(truth.box, np.float32(expected))
  said = (
    r':2: box 0\.1,0\.2,1\.0000001,0\.9 leaves \[0, 1\] by 1\.0000000\d+e-07'
  )
  with pytest.raises(text.AnnotationError, match=said):
    ava.read_ground_truth(path, 80, outside='error')


_MARGIN = 'a,0902,0.1,-0.08,0.5,1.05,,0.9\n'


def test_a_detectors_margin_is_cut_if_that_is_asked_for(tmp_path):
  path = _write(tmp_path, _MARGIN)
  said = (
    r":1: box 0\.1,-0\.08,0\.5,1\.05 leaves \[0, 1\] by 0\.08; .*boxes='clip'"
  )
  with pytest.raises(text.AnnotationError, match=said):
    ava.read_persons(path, 80)
  said = r'file\.csv: 1 box left the frame by up to 0\.08 of it'
  with pytest.warns(mistakes.Note, match=said):
    persons = ava.read_persons(path, 80, outside='clip')
  np.testing.assert_array_equal(persons.box, np.float32([[0.1, 0, 0.5, 1]]))


def test_more_than_a_margin_is_named_in_full(tmp_path):
  path = _write(tmp_path, 'a,0902,0.1,0.2,0.5,1.1234567891,,0.9\n')
  said = r':1: box 0\.1,0\.2,0\.5,1\.1234567891 leaves'
  with pytest.raises(text.AnnotationError, match=said):
    ava.read_persons(path, 80, 'drop', 'clip')


def test_what_has_no_area_within_the_frame_has_none(tmp_path):
  path = _write(tmp_path, _MARGIN + 'b,0902,1.01,0.2,1.05,0.9,,0.8\n')
  said = r':2: box 1\.01,.* has no area in the frame'
  with pytest.raises(text.AnnotationError, match=said):
    ava.read_persons(path, 80, outside='clip')
  with pytest.warns(mistakes.Note, match='2 boxes'):
    assert len(ava.read_persons(path, 80, 'drop', 'clip')) == 1


def test_boxes_of_a_pickle_are_cut(tmp_path):
  path = tmp_path / 'boxes.pkl'
  path.write_bytes(pickle.dumps({'a,0902': np.array([[0, 0, 1.05, 1, 0.9]])}))
  said = r"pkl\['a,0902'\]: box 0\.0,0\.0,1\.05,1\.0 leaves"
  with pytest.raises(text.AnnotationError, match=said):
    ava.read_persons(str(path), 80)
  with pytest.warns(mistakes.Note, match="the first: 'a,0902'"):
    persons = ava.read_persons(str(path), 80, outside='clip')
  np.testing.assert_array_equal(persons.box, [[0, 0, 1, 1]])


def test_an_unknown_rule_for_boxes_is_named(tmp_path):
  path = _write(tmp_path, _GOOD)
  with pytest.raises(ValueError, match="boxes 'cut' is none of 'error'"):
    ava.read_ground_truth(path, 80, outside='cut')


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
def test_a_byte_order_mark_is_no_part_of_a_video(tmp_path, encoding):
  path = tmp_path / 'file.csv'
  path.write_bytes(_GOOD.encode(encoding))
  assert ava.read_ground_truth(str(path), 80).keys == [('a', 902_000_000)]
  path.write_bytes('a,0902\n'.encode(encoding))
  assert ava.read_excluded(str(path)) == {('a', 902_000_000)}


def test_an_id_outside_of_the_label_map_is_named(tmp_path):
  path = _write(tmp_path, _GOOD)
  with pytest.raises(text.AnnotationError, match=r"id '12'; .*\[3, 14\]"):
    ava.read_ground_truth(path, 80, {3, 14})


def test_persons_with_labels_with_none_and_without(tmp_path):
  path = _write(
    tmp_path,
    'a,0902,0.1,0.2,0.5,0.9,12,0.97\n'
    'a,0902,0.1,0.2,0.5,0.9,80,0.97\n'
    'a,902,0.2,0.2,0.5,0.9,-1,0.74\n'
    'a,0902,0.3,0.2,0.5,0.9,,0.99\n',
  )
  persons = ava.read_persons(path, 80)
  assert _actions(persons) == [[12, 80], [], []]
  assert persons.labelled.tolist() == [True, True, False]
  np.testing.assert_allclose(persons.score, [0.97, 0.74, 0.99])
  assert len(persons.keys) == 1


def test_ground_truth_is_no_person_file(tmp_path):
  path = _write(tmp_path, 'a,0902,0.1,0.2,0.5,0.9,12,17\n')
  with pytest.raises(text.AnnotationError, match=':1: score 17'):
    ava.read_persons(path, 80)


def test_boxes_without_area_can_be_dropped(tmp_path):
  path = _write(
    tmp_path, 'a,0902,0.1,0.2,0.1,0.9,,0.5\na,0902,0.1,0.2,0.5,0.9,,0.6\n'
  )
  with pytest.raises(text.AnnotationError, match='has no area'):
    ava.read_persons(path, 80)
  assert ava.read_persons(path, 80, 'drop').score.tolist() == [np.float32(0.6)]


def _proposals():
  return {
    'a,0902': np.array([[0.1, 0.2, 0.5, 0.9, 0.97], [0, 0, 1, 1, 0.5]]),
    'b,0903': np.zeros((0, 5)),
  }


def _check_proposals(path):
  persons = ava.read_persons(str(path), 80)
  assert persons.keys == [('a', 902_000_000), ('b', 903_000_000)]
  np.testing.assert_allclose(persons.score, [0.97, 0.5])
  assert not persons.labelled.any()


@pytest.mark.parametrize('protocol', range(6))
def test_proposals_of_any_pickle_protocol(tmp_path, protocol):
  path = tmp_path / 'boxes.pkl'
  path.write_bytes(pickle.dumps(_proposals(), protocol=protocol))
  _check_proposals(path)


def test_proposals_of_numpy_1(tmp_path):
  data = pickle.dumps(_proposals(), protocol=2)
  assert b'cnumpy._core.' in data
  path = tmp_path / 'boxes.pkl'
  path.write_bytes(data.replace(b'cnumpy._core.', b'cnumpy.core.'))
  _check_proposals(path)


class _Malice:
  def __init__(self, target):
    self.target = target

  def __reduce__(self):
    return open, (self.target, 'w')


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path):
  target = tmp_path / 'owned'
  path = tmp_path / 'boxes.pkl'
  path.write_bytes(pickle.dumps({'a,0902': _Malice(str(target))}))
  with pytest.raises(text.AnnotationError, match=r'it asks for \w+\.open'):
    ava.read_persons(str(path), 80)
  assert not target.exists()


@pytest.mark.parametrize(
  'content, message',
  [
    ([1, 2], 'a list; expected a dict'),
    ({'a': np.zeros((1, 5))}, "'a' -> float64"),
    ({'a,0902': np.zeros((1, 4))}, r'float64 \[1, 4\]'),
    ({'a,0902': np.full((1, 5), 2.0)}, r"pkl\['a,0902'\]: box .* leaves"),
  ],
)
def test_a_pickle_of_another_shape_is_named(tmp_path, content, message):
  path = tmp_path / 'boxes.pkl'
  path.write_bytes(pickle.dumps(content))
  with pytest.raises(text.AnnotationError, match=message):
    ava.read_persons(str(path), 80)


def test_excluded_timestamps(tmp_path):
  path = _write(tmp_path, 'a,0902\nb,1011\n')
  expected = {('a', 902_000_000), ('b', 1_011_000_000)}
  assert ava.read_excluded(path) == expected
  path = _write(tmp_path, 'a,0902\nb\n')
  with pytest.raises(text.AnnotationError, match=':2: 1 columns'):
    ava.read_excluded(path)
  with pytest.warns(mistakes.Note, match='is empty: no keyframe is excluded'):
    assert not ava.read_excluded(_write(tmp_path, ''))


@pytest.mark.parametrize(
  'header',
  [
    'video,seconds,x1,y1,x2,y2,action,person',
    'Video_ID,Timestamp,xmin,ymin,xmax,ymax,label,track',
  ],
)
def test_a_header_is_no_keyframe(tmp_path, header):
  row = 'a,1,0.1,0.2,0.5,0.9,12,0\n'
  truth = ava.read_ground_truth(_write(tmp_path, f'{header}\n{row}'), 80)
  assert truth.timestamps == ['1'] and len(truth) == 1


@pytest.mark.parametrize(
  'header',
  [
    'video,time,x,y,w,h,action,person',
    'video,time,x1,x2,y1,y2,action,person',
    'video,time,x1,y1,x2,y2,person,action',
  ],
)
def test_a_header_of_other_columns_is_refused(tmp_path, header):
  path = _write(tmp_path, f'{header}\na,1,0.1,0.2,0.5,0.9,12,0\n')
  with pytest.raises(text.AnnotationError, match=r'csv:1: .*in this order'):
    ava.read_ground_truth(path, 80)


def test_seconds_may_be_clocks(tmp_path):
  path = _write(
    tmp_path,
    'a,1:02,0,0,1,1,1,0\na,62.0,0,0,1,1,2,0\na,0:00:03.25,0,0,1,1,1,0\n',
  )
  truth = ava.read_ground_truth(path, 80)
  assert truth.timestamps == ['62', '3.25']
  path = _write(tmp_path, 'a,1:02\n')
  assert ava.read_excluded(path) == {('a', 62_000_000)}
