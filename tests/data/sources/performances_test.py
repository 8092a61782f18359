import numpy as np
import pytest

from vidpetl.data import sources
from vidpetl.data.annotations import text


def _open(tmp_path, content, **options):
  path = tmp_path / 'mine.csv'
  path.write_text(content)
  for name in ('a.mp4', 'b.mp4'):
    (tmp_path / name).touch()
  (tmp_path / 'frames').mkdir(exist_ok=True)
  return sources.open_source(
    {'source': 'performances', 'path': str(path), **options}
  )


_ALL = (
  'video,score,start,end,split,id,difficulty,action,judge_1,judge_2,steps\n'
  'a.mp4,72.5,1,4,train,,2.5,107B,7,7.5,2;3.5\n'
  'frames,60,,,train,mine,,,6,5,\n'
  'b.mp4,10,,,val,,1.5,5132D,1,2,0;9\n'
)


def test_columns(tmp_path):
  source = _open(tmp_path, _ALL, split='train', fps=30)
  first, second = source[0], source[1]
  assert (first.id, first.score) == ('a.mp4@1', 72.5)
  assert (first.start, first.end, first.steps) == (1, 4, (2, 3.5))
  assert (first.difficulty, first.action) == (2.5, '107B')
  assert (second.id, second.start, second.end) == ('mine', 0, None)
  assert np.isnan([second.difficulty, *second.steps]).all()
  assert (second.judge_scores, second.action) == ((6, 5), '')
  assert source.video(1) == str(tmp_path / 'frames')
  info = source.info
  assert (info.name, info.kind, info.num_classes) == ('mine', 'quality', 0)
  assert info.fps == 30
  shapes = {name: column.shape for name, column in info.table.items()}
  assert shapes == {
    'scores': (2,),
    'judge_scores': (2, 2),
    'difficulties': (2,),
    'actions': (2,),
    'steps': (2, 2),
    'ids': (2,),
  }
  assert len(_open(tmp_path, _ALL)) == 3  # 'all'


def test_two_columns_are_enough(tmp_path):
  source = _open(tmp_path, 'video,score\na.mp4,-3\n')
  assert source[0].score == -3 and source[0].judge_scores == ()
  assert source.info.table['steps'].shape == (1, 0)


def test_missing_videos_are_listed(tmp_path):
  content = 'video,score\nno.mp4,1\na.mp4,2\nno.mp4,3\n'
  source = _open(tmp_path, content)
  assert (len(source), source[0].score) == (1, 2)
  assert [d.id for d in source.info.dropped] == ['no.mp4', 'no.mp4#2']
  assert 'mine.csv:4' in source.info.dropped[1].reason


@pytest.mark.parametrize(
  'content, message',
  [
    ('video,score\na.mp4,high\n', ":2: score is 'high'"),
    ('video,score\na.mp4,nan\n', ":2: score is 'nan'"),
    ('video,score\na.mp4,\n', ":2: score is ''"),
    ('video,score\na.mp4,1\n,2\n', ':3: no video'),
    ('video\na.mp4\n', ':1: no column score'),
    ('video,score\n', ': no rows'),
    ('video,score,fps\na.mp4,1,3\n', r":1: unknown columns \['fps'\]"),
    ('video,score,judge_2\na.mp4,1,3\n', r":1: unknown columns \['judge_2'\]"),
    ('video,score,judge_1\na.mp4,1,\n', ":2: judge_1 is ''"),
    ('video,score,difficulty\na.mp4,1,0\n', ':2: difficulty is 0'),
    ('video,score,start,end\na.mp4,1,3,2\n', ':2: start 3, end 2'),
    ('video,score,steps\na.mp4,1,3;2\n', ':2: steps are 3;2'),
    ('video,score,end,steps\na.mp4,1,3,2;4\n', ':2: steps are 2;4'),
    ('video,score,steps\na.mp4,1,2;soon\n', ":2: steps is 'soon'"),
    ('video,score,steps\na.mp4,1,2\nb.mp4,1,2;3\n', ':2: 1 steps; expected 2'),
  ],
)
def test_a_bad_csv_is_named(tmp_path, content, message):
  with pytest.raises(text.AnnotationError, match=r'mine\.csv' + message):
    _open(tmp_path, content)


def test_a_split_that_is_not_there(tmp_path):
  with pytest.raises(ValueError, match=r"there are \['train', 'val'\]"):
    _open(tmp_path, _ALL, split='test')


def test_no_video_at_all(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'none of the 1 .* no\.mp4'):
    _open(tmp_path, 'video,score\nno.mp4,1\n')
