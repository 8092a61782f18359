"""The datasets of performances as they lie on disk."""

import pickle

import numpy as np
import pytest

from vidpetl.data import examples, frames, sources
from vidpetl.data.annotations import text
from vidpetl.data.annotations.strings import Strings
from vidpetl.data.kinds.quality import Performances


def _write(root, files):
  """Writes pickles, texts and, for None, empty files."""
  for name, content in files.items():
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None or isinstance(content, str):
      path.write_text(content or '')
    else:
      path.write_bytes(pickle.dumps(content))


def _open(dataset, root, split='train', **options):
  return sources.open_source(
    {
      'source': 'raw',
      'dataset': dataset,
      'raw': str(root),
      'split': split,
      **options,
    }
  )


def _all(source):
  return [source[i] for i in range(len(source))]


_DIVE = {
  'start_frame': 30,
  'end_frame': 45,
  'difficulty': 2.0,
  'final_score': 40.0,
  'judge_scores': np.full(7, 6.5),
  'dive_number': '107B',
}
_MTL_AQA = {
  'info/final_annotations_dict_with_dive_number.pkl': {
    (1, 1): _DIVE,
    (1, 2): _DIVE | {'start_frame': 45, 'end_frame': 60},
    (26, 1): _DIVE | {'difficulty': 3.0},
  },
  'info/train_split_0.pkl': [(26, 1), (1, 1)],
  'info/test_split_0.pkl': [(1, 2)],
}


def test_mtl_aqa_of_videos_counts_the_frames_of_the_file(tmp_path, write_video):
  _write(tmp_path, _MTL_AQA)
  (tmp_path / 'whole_videos').mkdir()
  write_video(tmp_path / 'whole_videos/01.mp4', frames=60, fps=15)
  source = _open('mtl_aqa', tmp_path)
  (dive,) = _all(source)
  assert (dive.id, dive.start, dive.end) == ('01_01', 2.0, 3.0)
  assert dive.judge_scores == (6.5,) * 7
  assert (dive.score, dive.difficulty, dive.action) == (40, 2, '107B')
  assert source.video(0) == str(tmp_path / 'whole_videos/01.mp4')
  assert [d.id for d in source.info.dropped] == ['26_01']
  (tested,) = _all(_open('mtl_aqa', tmp_path, 'val'))
  assert (tested.id, tested.start, tested.end) == ('01_02', 3.0, 4.0)


@pytest.mark.parametrize(
  'folder',
  [
    'frames',
    'new_total_frames',
    'new_total_frames_256s',
    'whole_videos_frames',
  ],
)
def test_mtl_aqa_of_an_events_frames(tmp_path, folder):
  _write(tmp_path, _MTL_AQA | {f'{folder}/26/000001.jpg': None})
  (dive,) = _all(_open('mtl_aqa', tmp_path))
  assert (dive.id, dive.start, dive.end) == ('26_01', 30 / 25, 45 / 25)


def test_mtl_aqa_of_a_dives_frames_has_no_times(tmp_path):
  files = {'frames/01_01/1.jpg': None, 'whole_videos_frames/01/1.jpg': None}
  _write(tmp_path, _MTL_AQA | files)
  source = _open('mtl_aqa', tmp_path)
  (dive,) = _all(source)
  assert (dive.start, dive.end) == (0, None)
  assert source.video(0) == str(tmp_path / 'frames/01_01')


def test_mtl_aqa_of_a_damaged_video(tmp_path, write_video):
  _write(tmp_path, _MTL_AQA | {'whole_videos/01.mp4': 'no video'})
  write_video(tmp_path / 'whole_videos/26.mp4', frames=60, fps=15)
  (dropped,) = _open('mtl_aqa', tmp_path).info.dropped
  assert dropped.path.endswith('01.mp4') and 'Invalid data' in dropped.reason


def test_mtl_aqa_errors(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'with_dive_number.pkl: not f'):
    _open('mtl_aqa', tmp_path)
  _write(tmp_path, _MTL_AQA)
  with pytest.raises(FileNotFoundError, match=r'none of the 2 .* 26_01 and'):
    _open('mtl_aqa', tmp_path)
  with pytest.raises(
    ValueError, match="split 'test' is none of 'train', 'val'"
  ):
    _open('mtl_aqa', tmp_path, 'test')
  _write(tmp_path, {'info/test_split_0.pkl': [(1, 1)]})
  with pytest.raises(text.AnnotationError, match=r'\(1, 1\) is in .* as well'):
    _open('mtl_aqa', tmp_path)


_TRIALS = [f'Knot_Tying_B00{i}' for i in range(1, 6)]
_JIGSAWS = {
  'info/splits.pkl': {'Knot_Tying': [_TRIALS[:2], *([t] for t in _TRIALS[2:])]},
  'Knot_Tying/meta_file_Knot_Tying.txt': ''.join(
    f'{trial}\t\tN\t{15 + i}\t\t{i}\t3\t3\t3\t3\t3\n'
    for i, trial in enumerate(_TRIALS, 1)
  ),
  **{f'Knot_Tying/video/{t}_capture1.avi': None for t in _TRIALS[:4]},
  **{f'Knot_Tying/video/{t}_capture2.avi': None for t in _TRIALS},
}


def test_jigsaws(tmp_path):
  _write(tmp_path, _JIGSAWS)
  source = _open('jigsaws', tmp_path, 'val', task='knot_tying', fold=1)
  first, second = _all(source)
  assert (first.id, first.score) == ('Knot_Tying_B001', 16)
  assert second.judge_scores == (2, 3, 3, 3, 3, 3)
  assert source.video(0).endswith('video/Knot_Tying_B001_capture1.avi')
  train = _open('jigsaws', tmp_path, 'train', task='knot_tying', fold=1)
  assert [e.id for e in _all(train)] == _TRIALS[2:4]
  assert [d.id for d in train.info.dropped] == _TRIALS[4:]
  rest = _open('jigsaws', tmp_path, 'train', task='knot_tying', fold=3)
  assert [e.id for e in _all(rest)] == _TRIALS[:3]


def test_jigsaws_of_frames_and_pickled_labels(tmp_path):
  files = {
    'info/splits.pkl': _JIGSAWS['info/splits.pkl'],
    'info/label.pkl': {t: [1, 2, 3, 4, 5, 1] for t in _TRIALS},
    'frames/Knot_Tying_B003_capture1/00001.jpg': None,
  }
  _write(tmp_path, files)
  source = _open('jigsaws', tmp_path, 'val', task='knot_tying', fold=2)
  assert source[0].score == 16
  assert source.video(0) == str(tmp_path / 'frames/Knot_Tying_B003_capture1')


def test_jigsaws_options(tmp_path):
  _write(tmp_path, _JIGSAWS)
  with pytest.raises(ValueError, match='needs task, fold'):
    _open('jigsaws', tmp_path)
  with pytest.raises(
    ValueError, match="task='Knot_Tying': it must be one of 'suturing'"
  ):
    _open('jigsaws', tmp_path, task='Knot_Tying', fold=1)
  with pytest.raises(ValueError, match=r'fold=0: .* at least 1 and at most 4'):
    _open('jigsaws', tmp_path, task='knot_tying', fold=0)
  with pytest.raises(FileNotFoundError, match=r'meta_file_Suturing.txt: not'):
    _open('jigsaws', tmp_path, task='suturing', fold=1)


_STEPS = [1] * 10 + [2] * 5 + [3] * 5 + [4] * 10
_FINEDIVING = {
  'Annotations/fine-grained_annotation_aqa.pkl': {
    ('Tokyo', 0): ['5152B', 80.0, 3.2, None, _STEPS],
    ('Tokyo', 1): ['407C', 70.0, 3.4, None, np.array(_STEPS)],
  },
  'Annotations/train_split.pkl': [('Tokyo', 1)],
  'Annotations/test_split.pkl': [('Tokyo', 0)],
}


@pytest.mark.parametrize(
  'folder', ['FineDiving', 'Trimmed_Video_Frames/FINADiving_MTL_256s']
)
def test_finediving_of_frames(tmp_path, folder):
  _write(tmp_path, _FINEDIVING | {f'{folder}/Tokyo/1/00489.jpg': None})
  source = _open('finediving', tmp_path)
  (dive,) = _all(source)
  assert (dive.id, dive.action, dive.score) == ('Tokyo/1', '407C', 70)
  assert dive.steps == (10 / 25, 20 / 25)
  assert source.video(0) == str(tmp_path / folder / 'Tokyo/1')


def test_finediving_of_videos_and_pickles_at_the_top(tmp_path, write_video):
  files = {name.split('/')[1]: value for name, value in _FINEDIVING.items()}
  _write(tmp_path, files | {'FineDiving/Tokyo/x.txt': None})
  write_video(tmp_path / 'FineDiving/Tokyo/0.mp4', frames=30, fps=15)
  source = _open('finediving', tmp_path, 'val')
  assert source[0].steps == pytest.approx((10 / 15, 20 / 15))


_PD4T = {
  'Annotations/Leg agility/train.csv': '15-1_l_042,9,3\n15-1_r_042,9,2\n',
  'Annotations/Leg agility/test.csv': '14-7_r_001,9,0\n',
  'Videos/Leg agility/042/15-1_r.mp4': None,
  'Videos/Leg agility/001/14-7_r.mp4': None,
  'Videos/Gait/001/14-7_r.mp4': None,
}


def test_pd4t(tmp_path):
  _write(tmp_path, _PD4T)
  source = _open('pd4t', tmp_path, task='leg_agility')
  assert [(e.id, e.score) for e in _all(source)] == [('042/15-1_r', 2)]
  assert [d.id for d in source.info.dropped] == ['042/15-1_l']
  tested = _open('pd4t', tmp_path, 'val', task='leg_agility')
  assert tested.video(0) == str(tmp_path / 'Videos/Leg agility/001/14-7_r.mp4')


def test_pd4t_of_frames(tmp_path):
  files = {
    'Annotations/Gait/train.list': '15-1 3 2 042\n',
    'Annotations/Gait/test.list': '15-2 1 2 001\n',
    'Frames/Gait/042/15-1/img_00001.jpg': None,
  }
  _write(tmp_path, files)
  source = _open('pd4t', tmp_path, task='gait')
  assert (source[0].id, source[0].score) == ('042/15-1', 3)
  assert source.video(0) == str(tmp_path / 'Frames/Gait/042/15-1')


def test_pd4t_subjects_in_both_lists(tmp_path):
  _write(tmp_path, _PD4T)
  path = 'Annotations/Leg agility/test.csv'
  _write(tmp_path, {path: '14-7_r_001,9,0\n15-1_r_042,9,2\n'})
  with pytest.raises(
    text.AnnotationError, match=r'subjects 042 are in .*train'
  ):
    _open('pd4t', tmp_path, task='leg_agility')
  options = {'task': 'leg_agility', 'shared_subjects': True}
  assert len(_open('pd4t', tmp_path, 'val', **options)) == 2


def test_a_folder_goes_before_a_video_and_opens_as_one(tmp_path, write_video):
  _write(tmp_path, _FINEDIVING | {'FineDiving/Tokyo/1/00489.jpg': None})
  write_video(tmp_path / 'FineDiving/Tokyo/1.mp4', frames=3)
  source = _open('finediving', tmp_path)
  with frames.open_video(source.video(0), fps=source.info.fps) as video:
    assert (video.frames, video.fps) == (1, 25)


def test_two_videos_of_one_name(tmp_path):
  files = {f'FineDiving/Tokyo/1.{suffix}': None for suffix in ('avi', 'mp4')}
  _write(tmp_path, _FINEDIVING | files)
  with pytest.raises(ValueError, match=r"1\.avi and .*1\.mp4 are both .* '1'"):
    _open('finediving', tmp_path)


def _performances(**changes):
  given = {
    'info': examples.Info('mine', 'train', 'quality', 0, {}),
    'ids': Strings('abcd'),
    'video': 'abcd'.__getitem__,
    'scores': [1, 2, 3, 4],
    'difficulties': [3.2, 3.2, np.nan, 1.5],
    'actions': ['x', 'y', '', 'x'],
  }
  return Performances(**given | changes)


def test_partners():
  source = _performances()
  assert source.partners(1, 'any').tolist() == [0, 2, 3]
  assert source.partners(0, 'difficulty').tolist() == [1]
  assert source.partners(0, 'action').tolist() == [3]


def test_who_is_like_no_other_is_compared_with_himself():
  source = _performances()
  assert source.partners(3, 'difficulty').tolist() == [3]
  assert source.partners(1, 'action').tolist() == [1]


def test_who_has_no_partner_is_named():
  source = _performances()
  for i, by, message in (
    (2, 'difficulty', 'c: its difficulty is unknown'),
    (2, 'action', 'c: its action is unknown'),
    (0, 'judge', "exemplar='judge' is none of"),
  ):
    with pytest.raises(ValueError, match=message):
      source.partners(i, by)
  lone = _performances(
    ids=Strings('a'), scores=[1], difficulties=None, actions=None
  )
  with pytest.raises(ValueError, match='a: no other performance of mine'):
    lone.partners(0, 'any')


def test_every_column_is_in_the_fingerprint():
  changes = (
    {},
    {'scores': [1, 2, 3, 5]},
    {'difficulties': [3.2, 3.1, np.nan, 1.5]},
    {'actions': ['x', 'y', 'x', '']},
    {'judge_scores': np.ones((4, 2))},
    {'steps': np.ones((4, 2))},
    {'ends': [1, 2, 3, 4]},
  )
  prints = {_performances(**change).info.fingerprint for change in changes}
  # Judges' scores and steps of the same numbers are told apart as well.
  assert len(prints) == len(changes)


def test_some_of_the_performances():
  source = _performances().take(np.array([3, 0]))
  assert [source[i].id for i in range(2)] == ['d', 'a']
  assert source.info.table['ids'].tolist() == ['d', 'a']
  assert source.partners(0, 'action').tolist() == [1]
  # The other one of its difficulty is gone.
  assert source.partners(1, 'difficulty').tolist() == [1]
