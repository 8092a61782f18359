import pytest

from vidpetl.data import sources
from vidpetl.data.annotations import text


def _open(tmp_path, content, **options):
  path = tmp_path / 'mine.csv'
  path.write_text(content)
  for name in ('a.mp4', 'b.mp4'):
    (tmp_path / name).touch()
  return sources.open_source(
    {'source': 'manifest', 'path': str(path), **options}
  )


_SPLIT = (
  'path,label,start,end,split,id\n'
  'a.mp4,run,1.5,3,train,\na.mp4,jump,,,val,\nb.mp4,swim,2,,train,mine\n'
)


def test_columns_and_splits(tmp_path):
  source = _open(tmp_path, _SPLIT, split='train')
  assert dict(source.info.classes) == {0: 'jump', 1: 'run', 2: 'swim'}
  first, second = source[0], source[1]
  assert (first.start, first.end, first.label) == (1.5, 3.0, 1)
  assert (second.start, second.end, second.id) == (2.0, None, 'mine')
  assert first.id == 'a.mp4@1.5'
  assert source.video(0) == str(tmp_path / 'a.mp4')
  assert len(_open(tmp_path, _SPLIT)) == 3  # 'all'


def test_missing_videos_are_listed_and_shift_nothing(tmp_path):
  content = 'path,label\nno.mp4,archery\na.mp4,run\nno.mp4,run\nno.mp4,run\n'
  source = _open(tmp_path, content)
  assert (len(source), source[0].label) == (1, 1)
  assert [d.id for d in source.info.dropped] == [
    'no.mp4',
    'no.mp4#2',
    'no.mp4#3',
  ]
  assert 'mine.csv:2' in source.info.dropped[0].reason


def test_given_classes_keep_their_order(tmp_path):
  content = 'path,label\na.mp4,run\n'
  source = _open(tmp_path, content, classes=('swim', 'run'))
  assert source[0].label == 1 and source.info.num_classes == 2
  with pytest.raises(text.AnnotationError, match=r"csv:2: label 'run' is not"):
    _open(tmp_path, content, classes=('swim',))


@pytest.mark.parametrize(
  'content, message',
  [
    ('path,label,fps\na.mp4,run,3\n', r":1: unknown columns \['fps'\]"),
    ('path\na.mp4\n', ':1: no column label'),
    ('path,label,label\na.mp4,x,y\n', ':1: repeated columns'),
    ('path,label\na.mp4\n', ':2: 1 columns; expected 2'),
    ('path,label\na.mp4,\n', ':2: no label'),
    ('path,label,start\na.mp4,x,soon\n', ":2: start is 'soon'"),
    ('path,label,start,end\na.mp4,x,3,2\n', ':2: start 3, end 2'),
    ('path,label,start,end\na.mp4,x,0,0\n', ':2: start 0, end 0'),
    ('path,label\n', ': no rows'),
    ('', ':1: no column path, label'),
  ],
)
def test_a_bad_manifest_is_named(tmp_path, content, message):
  with pytest.raises(text.AnnotationError, match=r'mine\.csv' + message):
    _open(tmp_path, content)


def test_a_split_that_is_not_there(tmp_path):
  with pytest.raises(ValueError, match=r"there are \['train', 'val'\]"):
    _open(tmp_path, _SPLIT, split='test')
  with pytest.raises(ValueError, match="has no column 'split'"):
    _open(tmp_path, 'path,label\na.mp4,run\n', split='train')


def test_no_video_at_all(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'none of the 1 .* no\.mp4'):
    _open(tmp_path, 'path,label\nno.mp4,run\n')


def test_labels_may_be_several_or_none(tmp_path):
  content = 'path,label\na.mp4,run | jump\nb.mp4,\n'
  source = _open(tmp_path, content, kind='multilabel')
  assert dict(source.info.classes) == {0: 'jump', 1: 'run'}
  assert [source[i].labels for i in range(2)] == [(0, 1), ()]
  source = _open(tmp_path, 'path,start\na.mp4,2\n', kind='unlabelled')
  assert (source[0].id, source[0].start) == ('a.mp4@2', 2.0)
  with pytest.raises(text.AnnotationError, match="'quality' is not for a csv"):
    _open(tmp_path, content, kind='quality')
  with pytest.raises(ValueError, match="kind='film'; there are: class"):
    _open(tmp_path, content, kind='film')
