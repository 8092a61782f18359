import annotated
import pytest

from vidpetl.data.annotations import text


def _clips(name, folder, content, file='train_list.txt', **options):
  path = folder / file
  path.write_text(content, encoding='utf-8')
  found = annotated.reading(name, path, **options)
  return [(clip.path, clip.labels, clip.split) for clip in found.clips]


@pytest.mark.parametrize(
  'name, line, path, labels',
  [
    ('mmaction2', 'a/x.mp4 3', 'a/x.mp4', '3'),
    ('mmaction2', 'a/my clip 2.mp4 3 1', 'a/my clip 2.mp4', '31'),
    ('mmaction2', 'a/x 120 3', 'a/x', '3'),
    ('mmaction2', 'a/x 120 3 1', 'a/x', '31'),
    ('slowfast', '/d/x.mp4 3', '/d/x.mp4', '3'),
    ('slowfast', '/d/x y.mp4,3', '/d/x y.mp4', '3'),
    ('slowfast', '"/d/x, y.mp4",3', '/d/x, y.mp4', '3'),
    ('videomae', 'x.mp4 3', 'x.mp4', '3'),
    ('videomae', 'x 120 3', 'x', '3'),
    ('videomae', 'x 1 120 3', 'x', '3'),
    ('videomae', 'x.mp4 0 -1', 'x.mp4', ''),
    ('tsm', '78687 45 3', '78687', '3'),
  ],
)
def test_a_line_has_a_path_and_labels(name, line, path, labels, tmp_path):
  file = 'train.csv' if name in ('slowfast', 'videomae') else 'train.txt'
  found = _clips(name, tmp_path, f'{line}\n\n', file)
  assert found == [(path, tuple(labels), 'train')]


@pytest.mark.parametrize(
  'file, split',
  [
    ('kinetics400_train_list_videos.txt', 'train'),
    ('hmdb51_val_split_1_rawframes.txt', 'val'),
    ('testlist01.txt', 'test'),
    ('validation.txt', 'val'),
    ('all.txt', ''),
  ],
)
def test_the_files_name_says_the_split(file, split, tmp_path):
  assert _clips('mmaction2', tmp_path, 'x.mp4 0', file)[0][2] == split


@pytest.mark.parametrize(
  'content', ['sit\ntalk\n', '0 sit\n1 talk\n', '1: sit\n2: talk\n']
)
def test_names_are_by_number_or_by_order(content, tmp_path):
  names = tmp_path / 'names.txt'
  names.write_text(content)
  found = _clips('slowfast', tmp_path, 'x.mp4 0', 'a.csv', names=str(names))
  assert found[0][1] == ('sit',)


def test_names_that_count_from_one_as_the_list_does_stay(tmp_path):
  names = tmp_path / 'names.txt'
  names.write_text('1 sit\n2 talk\n')
  content = 'x.mp4 1\ny.mp4 2\n'
  found = _clips('slowfast', tmp_path, content, 'a.csv', names=str(names))
  assert [labels for _, labels, _ in found] == [('sit',), ('talk',)]


def test_a_label_without_a_name_is_left_out_and_listed(tmp_path):
  path = tmp_path / 'train.txt'
  path.write_text('x.mp4 0\ny.mp4 7\n')
  (tmp_path / 'category.txt').write_text('sit\ntalk\n')
  found = annotated.reading('mmaction2', path, tmp_path / 'category.txt')
  assert [clip.labels for clip in found.clips] == [('sit',)]
  assert [one.what for one in found.left_out] == ['class 7 of y.mp4']


def test_numbers_for_names_sort_as_numbers(tmp_path):
  found = _clips('mmaction2', tmp_path, 'x.mp4 2\ny.mp4 10\n')
  assert [labels for _, labels, _ in found] == [('02',), ('10',)]


@pytest.mark.parametrize(
  'name, line',
  [
    ('mmaction2', 'x.mp4'),
    ('mmaction2', 'x.mp4 -1'),
    ('slowfast', 'x.mp4 1 2'),
    ('slowfast', 'x.mp4,sit'),
    ('videomae', 'x 1 2 3 4'),
    ('tsm', 'x 1'),
  ],
)
def test_what_is_malformed_is_named_with_its_line(name, line, tmp_path):
  good = 'x 1 2' if name == 'tsm' else 'x.mp4 1'
  with pytest.raises(text.AnnotationError, match=r'train_list\.txt:2: '):
    _clips(name, tmp_path, f'{good}\n{line}\n')
