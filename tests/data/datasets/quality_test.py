"""Annotation files of performances, in their real formats."""

import os
import pickle

import numpy as np
import pytest

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
    ({'final_score': '76.8'}, r"\(4, 49\): final_score is '76\.8'"),
    ({'judge_scores': _JUDGED}, r'judge_scores\[3\] is 45\.0; .* 0 to 10'),
    ({'judge_scores': [8.0]}, r'\(4, 49\): 1 judge_scores; expected 7'),
    ({'judge_scores': None}, r'judge_scores\[0\] is None'),
    ({'dive_number': ''}, r"\(4, 49\): dive_number ''"),
    ({'end_frame': 100}, r'start_frame 120, end_frame 100'),
  ],
)
def test_a_bad_dive_is_named(write, changes, message):
  path = write({(1, 7): _dive(), (4, 49): _dive(**changes)})
  _refuses(mtl_aqa.read, path, r'file\.pkl: .*' + message)


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
