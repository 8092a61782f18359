"""Annotation files of performances, in their real formats."""

import os
import pathlib
import pickle
import re

import numpy as np
import pytest

from vidpetl import mistakes
from vidpetl.data.annotations import pickled, text
from vidpetl.data.datasets import finediving, jigsaws, mtl_aqa, pd4t


@pytest.fixture
def write(tmp_path):
  def function(value, protocol=4, name='file.pkl'):
    path = tmp_path / name
    if isinstance(value, str):
      path.write_text(value)
    else:
      path.write_bytes(pickle.dumps(value, protocol=protocol))
    return str(path)

  return function


def _refuses(read, path, message):
  with pytest.raises(text.AnnotationError, match=message):
    read(path)


class _Harmful:
  def __init__(self, path):
    self._path = path

  def __reduce__(self):
    return os.system, (f'touch {self._path}',)


@pytest.mark.parametrize(
  'read', [mtl_aqa.read, finediving.read, jigsaws.read_labels]
)
def test_a_pickle_that_would_run_code_is_refused(write, tmp_path, read):
  trace = tmp_path / 'trace'
  path = write({(1, 1): _Harmful(trace)})
  with open(path, 'rb') as file:
    pickle.load(file)
  assert trace.exists()  # It does run, if one lets it.
  trace.unlink()
  _refuses(read, path, r'file\.pkl: refused to unpickle .*system')
  assert not trace.exists()


def _dive(**changes):
  dive = {
    'primary_view': 0,
    'start_frame': np.int64(120),
    'end_frame': 223,
    'position': 1,
    'difficulty': np.float64(3.2),
    'armstand': 0,
    'rotation_type': 3,
    'ss_no': 5,
    'tw_no': 0,
    'final_score': 76.8,
    'judge_scores': np.array([8, 8, 8, 8, 8.5, 7.5, 9]),
    'dive_number': '307C',
  }
  return dive | changes


@pytest.mark.parametrize('protocol', [0, 2, 3, 4])
def test_mtl_aqa(write, protocol):
  dives = mtl_aqa.read(write({(1, 7): _dive(), (13, 20): _dive()}, protocol))
  assert list(dives) == [(1, 7), (13, 20)]
  assert dives[1, 7] == mtl_aqa.Dive(
    120, 223, 76.8, (8, 8, 8, 8, 8.5, 7.5, 9), 3.2, '307C'
  )


def test_mtl_aqa_without_judges_and_dive_numbers(write):
  dive = _dive()
  del dive['judge_scores'], dive['dive_number']
  found = mtl_aqa.read(write({(1, 7): dive}))[1, 7]
  assert (found.judge_scores, found.number) == ((), '')


_JUDGED = [8, 8, 8, 45.0, 8.5, 7.5, 9]


@pytest.mark.parametrize(
  'changes, message',
  [
    ({'final_score': np.nan}, r'\(4, 49\): final_score is nan'),
    ({'final_score': -1.0}, r'\(4, 49\): final_score is -1\.0; .* 0 or more'),
    ({'difficulty': np.inf}, r'\(4, 49\): difficulty is inf'),
    ({'difficulty': 0}, r'\(4, 49\): difficulty is 0'),
    ({'final_score': '76,8'}, r"\(4, 49\): final_score is '76,8'"),
    ({'final_score': True}, r'\(4, 49\): final_score is True'),
    ({'judge_scores': ['8', 'x']}, r"judge_scores\[1\] is 'x'"),
    ({'judge_scores': [-1.0]}, r'judge_scores\[0\] is -1\.0; .* 0 or more'),
    ({'judge_scores': [8.0]}, r'\(4, 49\): 1 judge_scores; expected 7'),
    ({'judge_scores': None}, r'judge_scores\[0\] is None'),
    ({'dive_number': ''}, r"\(4, 49\): dive_number ''"),
    ({'end_frame': 100}, r'start_frame 120, end_frame 100'),
  ],
)
def test_a_bad_dive_is_named(write, changes, message):
  path = write({(1, 7): _dive(), (4, 49): _dive(**changes)})
  _refuses(mtl_aqa.read, path, r'file\.pkl: .*' + message)


@pytest.mark.parametrize(
  'key, changes',
  [
    ((4, 50), {}),  # Its tenth gives the final score.
    ((4, 49), {'final_score': 60.0}),  # MUSDL's slip, whatever it gives.
  ],
)
def test_a_score_that_is_ten_times_too_high_is_mended_and_said(
  write, key, changes
):
  path = write({(1, 7): _dive(), key: _dive(judge_scores=_JUDGED, **changes)})
  with pytest.warns(mistakes.Note) as noted:
    dives = mtl_aqa.read(path)
  assert [str(note.message) for note in noted] == [
    f'{path}: {key}: judge_scores[3] is 45; read as 4.5, a tenth.'
  ]
  assert dives[key].judge_scores == (8, 8, 8, 4.5, 8.5, 7.5, 9)
  assert dives[1, 7].judge_scores[3] == 8


@pytest.mark.parametrize(
  'changes, fields',
  [
    # Its tenth does not give the final score.
    ({'final_score': 60.0}, r'judge_scores\[3\] is 45;'),
    ({'difficulty': 3.3}, r'judge_scores\[3\] is 45;'),
    # No judge gives 4.25, 10.5 or 12.
    ({'judge_scores': [8, 8, 8, 42.5, 8.5, 7.5, 9]}, r'\[3\] is 42\.5;'),
    ({'judge_scores': [8, 8, 8, 105, 8.5, 7.5, 7]}, r'\[3\] is 105;'),
    ({'judge_scores': [8, 8, 8, 12, 8.5, 7.5, 7]}, r'\[3\] is 12;'),
    # Of six judges, none are in the middle.
    ({'judge_scores': [8, 8, 8, 45.0, 8.5, 7.5]}, r'judge_scores\[3\] is 45;'),
    (
      {'judge_scores': [80, 8, 8, 45.0, 8, 7.5, 12]},
      r'\[0\] is 80, .*\[3\] is',
    ),
  ],
)
def test_any_other_score_that_is_too_high_is_refused(write, changes, fields):
  dive = _dive(**{'judge_scores': _JUDGED} | changes)
  message = rf'file\.pkl: \(4, 50\): .*{fields}.* expected 0 to 10.*, or take'
  _refuses(mtl_aqa.read, write({(4, 50): dive}), message)


@pytest.mark.parametrize(
  'judged',
  [
    np.array(['8.0', '8', '8', '8', '8.5', '7.5', '9']),
    np.array([b'8.0', b'8', b'8', b'8', b'8.5', b'7.5', b'9']),
    np.array([8, 8.0, '8', b'8', np.float32(8.5), 7.5, 9], object),
    [np.float64(8), 8, 8, 8, 8.5, 7.5, 9],
  ],
  ids=['texts', 'bytes', 'objects', 'list'],
)
@pytest.mark.parametrize('protocol', [2, 4])
def test_scores_may_be_texts_or_objects(write, judged, protocol):
  path = write({(1, 7): _dive(judge_scores=judged)}, protocol)
  assert mtl_aqa.read(path)[1, 7].judge_scores == (8, 8, 8, 8, 8.5, 7.5, 9)


def test_names_may_be_bytes(write):
  record = {k.encode(): v for k, v in _dive(dive_number=b'307C').items()}
  assert mtl_aqa.read(write({(1, 7): record}))[1, 7].number == '307C'
  assert jigsaws.read_labels(write({b'a': [3, 2, 1, 2, 2, 3]})) == {
    'a': (3, 2, 1, 2, 2, 3)
  }


# Of Python 2, protocol 2, with numpy 1.x: {'Suturing_B001': array([3, 2])}.
_PYTHON_2 = (
  b'\x80\x02}q\x00U\rSuturing_B001q\x01cnumpy.core.multiarray\n_reconstruct\n'
  b'q\x02cnumpy\nndarray\nq\x03K\x00\x85U\x01b\x87Rq\x04(K\x01K\x06\x85cnumpy\n'
  b'dtype\nq\x05U\x02i8K\x00K\x01\x87Rq\x06(K\x03U\x01<NNNJ\xff\xff\xff\xffJ'
  b'\xff\xff\xff\xffK\x00tb\x89U0\x03\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00'
  b'\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00'
  b'\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00tbs.'
)


def test_pickles_of_python_2_are_read(tmp_path):
  path = tmp_path / 'label.pkl'
  path.write_bytes(_PYTHON_2)
  assert jigsaws.read_labels(str(path)) == {'Suturing_B001': (3, 2, 1, 2, 2, 3)}


@pytest.mark.parametrize('package', [b'numpy.core', b'numpy._core'])
def test_pickles_of_either_numpy_are_read(write, tmp_path, package):
  labels = {'Suturing_B001': np.array([3, 2, 1, 2, 2, 3])}
  written = pathlib.Path(write(labels, 2)).read_bytes()
  path = tmp_path / 'label.pkl'
  path.write_bytes(re.sub(rb'numpy\._?core', package, written))
  assert jigsaws.read_labels(str(path))['Suturing_B001'] == (3, 2, 1, 2, 2, 3)


def test_a_dive_that_is_none(write):
  dive = _dive()
  del dive['difficulty'], dive['end_frame']
  _refuses(mtl_aqa.read, write({(1, 7): dive}), 'no end_frame, difficulty')
  _refuses(mtl_aqa.read, write({(1, 7): 3}), r'\(1, 7\): 3')
  _refuses(mtl_aqa.read, write({'1_7': _dive()}), "the key '1_7'")
  _refuses(mtl_aqa.read, write([_dive()]), 'a pickled list')
  _refuses(mtl_aqa.read, write({}), 'nothing in it')


def test_splits(write):
  known = {(1, 7), (2, 3), (2, 4)}
  read = lambda path: pickled.read_split(path, known)
  assert read(write([(2, 3), (1, 7)], 3)) == [(2, 3), (1, 7)]
  assert read(write(((2, 3), (1, 7)))) == [(2, 3), (1, 7)]
  assert read(write(np.array([[2, 3], [1, 7]]))) == [(2, 3), (1, 7)]
  _refuses(read, write([(2, 3), (9, 9)]), r'\(9, 9\) is in no annotation')
  _refuses(read, write([(2, 3), (2, 3)]), r'\(2, 3\) is there twice')
  _refuses(read, write([[2, 3]]), r'\[2, 3\] is in no annotation')
  with pytest.raises(text.AnnotationError, match=r'b: \(2, 3\) is in a as'):
    pickled.require_apart(('a', 'b'), [(2, 3), (2, 4)], [(1, 7), (2, 3)])


def _record(**changes):
  steps = [np.int64(s) for s in (3, 3, 3, 21, 21, 35, 35, 35, 35)]
  record = dict(zip('abcde', ('5231D', np.float32(51.5), 2.1, None, steps)))
  return list((record | changes).values())


def test_finediving(write):
  key = ('FINADivingWorldCup2021_Men3m_final_r1', 0)
  found = finediving.read(write({key: tuple(_record())}))
  assert found[key] == finediving.Dive('5231D', 51.5, 2.1, (3, 5))
  two = finediving.read(write({key: _record(e=np.array([1, 1, 2]))}))
  assert two[key].transitions == (2, 2)


@pytest.mark.parametrize(
  'changes, message',
  [
    ({'a': 107}, 'dive number 107'),
    ({'b': np.nan}, 'score is nan'),
    ({'c': None}, 'difficulty is None'),
    ({'e': [3, 3, 3]}, 'all of its 3 frames are one step'),
    ({'e': None}, r'steps of shape \(\)'),
  ],
)
def test_a_bad_finediving_record_is_named(write, changes, message):
  path = write({('x', 0): _record(), ('x', 1): _record(**changes)})
  _refuses(finediving.read, path, r"file\.pkl: \('x', 1\): " + message)


def test_a_short_finediving_record(write):
  _refuses(finediving.read, write({('x', 0): _record()[:4]}), r"\('x', 0\): ")


_META = (
  'Suturing_B001\t\tN\t13\t\t3\t2\t1\t2\t2\t3\n'
  'Suturing_B002\t\tN\t17\t\t4\t2\t2\t3\t3\t3\n\n'
)


def test_jigsaws_scores(write):
  expected = {
    'Suturing_B001': (3, 2, 1, 2, 2, 3),
    'Suturing_B002': (4, 2, 2, 3, 3, 3),
  }
  assert jigsaws.read_meta(write(_META)) == expected
  pickles = {trial: list(scores) for trial, scores in expected.items()}
  assert jigsaws.read_labels(write(pickles)) == expected


@pytest.mark.parametrize(
  'content, message',
  [
    (_META.replace('\t3\t3\t3', '\t3\t3'), ':2: 8 columns'),
    (_META.replace('\t3\t3\t3', '\t3\t3\t6'), ':2: sub-scores'),
    (_META.replace('\t3\t3\t3', '\t3\t3\tx'), ":2: sub-score 6 is 'x'"),
    (_META.replace('B002', 'B001'), ':2: Suturing_B001 again'),
    (_META.replace('17', 'ab'), ":2: total score is 'ab'"),
    (_META.replace('17', '18'), ':2: total score 18, and sub-scores of 17'),
    ('\n', ': no trials'),
  ],
)
def test_a_bad_meta_file_is_named(write, content, message):
  _refuses(jigsaws.read_meta, write(content, name='m.txt'), 'm.txt' + message)


def test_bad_jigsaws_labels_are_named(write):
  for scores, message in (
    ([3, 2, 1], 'a: 3 scores'),
    ([3, 2, 1, 2, 2, 0], "'a': sub-score 6 is 0; expected a number of 1 to 5"),
    (13, 'a: 13'),
  ):
    _refuses(jigsaws.read_labels, write({'a': scores}), message)


def test_jigsaws_folds(write):
  known = 'abcde'
  read = lambda path: jigsaws.read_folds(path, 'Suturing', known)
  folds = [['a', 'b'], ['c'], ['d'], ['e']]
  assert read(write({'Suturing': folds, 'Knot_Tying': []})) == folds
  for bad, message in (
    (folds[:3], r'Suturing: folds of \[2, 1, 1\] trials'),
    ([*folds[:3], []], r'folds of \[2, 1, 1, 0\] trials'),
    ([*folds[:3], ['z']], "Suturing: 'z' has no scores"),
    ([*folds[:3], ['a']], "Suturing: 'a' is there twice"),
    ('abcd', "Suturing: 'abcd'"),
  ):
    _refuses(read, write({'Suturing': bad}), message)
  _refuses(read, write({'Knot_Tying': folds}), "no task 'Suturing'")


def test_pd4t(write):
  expected = [
    pd4t.Video('15-005087_l', '042', 3),
    pd4t.Video('14-005197', '022', 0),
  ]
  release = '15-005087_l_042,168,3\n14-005197_022,325,0\n'
  assert pd4t.read(write(release, name='train.csv')) == expected
  frames = '15-005087_l 3 168 042\n14-005197 0 325 022\n'
  assert pd4t.read(write(frames, name='train.list')) == expected


@pytest.mark.parametrize(
  'name, content, message',
  [
    ('a.csv', 'x_1,9,3\nx_2,9\n', ':2: 2 columns'),
    ('a.csv', 'x_1,9,3\nx_2,9,5\n', ':2: score is 5; expected 0 to 4'),
    ('a.csv', 'x_1,9,3\nx_2,9,nan\n', ":2: score is 'nan'"),
    ('a.csv', 'x_1,9,3\nx2,9,3\n', ":2: 'x2'"),
    ('a.csv', 'x_1,9,3\nx_1,9,3\n', ':2: x of 1 again'),
    ('a.csv', '', ': no videos'),
    ('a.list', 'x 3 9 1\nx 3 9\n', ':2: 3 columns'),
    ('a.list', 'x 3 9 1\ny 9 3 1\n', ':2: score is 9'),
  ],
)
def test_a_bad_pd4t_list_is_named(write, name, content, message):
  _refuses(pd4t.read, write(content, name=name), name + message)


def test_pd4t_subjects_stay_apart():
  train = [pd4t.Video('a', '1', 0), pd4t.Video('b', '2', 0)]
  pd4t.require_apart(('a', 'b'), train, [pd4t.Video('c', '3', 0)])
  with pytest.raises(text.AnnotationError, match='b: subjects 2 are in a'):
    pd4t.require_apart(('a', 'b'), train, [pd4t.Video('c', '2', 0)])
