import annotated
import pytest

from vidpetl.data.annotations import text


def _write(folder, content, name='dance_12.txt', names='sit\ntalk\n'):
  if names:
    (folder / 'classes.txt').write_text(names)
  path = folder / name
  path.write_text(content)
  return path


@pytest.mark.parametrize(
  'more, track', [('', ''), (' 7', '7'), (' 0.9', ''), (' 0.9 7', '7')]
)
def test_confidence_and_track_may_stand_behind(more, track, tmp_path):
  path = _write(tmp_path, f'1 0.5 0.5 0.25 0.5{more}\n')
  (shape,) = annotated.reading('yolo', path).shapes
  assert shape.corners == (0.375, 0.25, 0.625, 0.75)
  assert (shape.label, shape.track) == ('talk', track)
  assert (shape.at.film, shape.at.frame) == ('dance', 12)


@pytest.mark.parametrize(
  'points', ['0.1 0.2 0.5 0.3 0.4 0.9', '0.1 0.2 0.5 0.2 0.5 0.9 0.1 0.9']
)
def test_polygons_and_turned_boxes_have_the_box_around(points, tmp_path):
  (shape,) = annotated.reading('yolo', _write(tmp_path, f'0 {points}')).shapes
  assert shape.corners == (0.1, 0.2, 0.5, 0.9)


def test_an_empty_file_was_looked_at(tmp_path):
  found = annotated.reading('yolo', _write(tmp_path, ''))
  assert [at.frame for at in found.moments] == [12] and not found.shapes


@pytest.mark.parametrize(
  'name, content',
  [
    ('data.yaml', 'names: [sit, talk]'),
    ('data.yaml', 'names:\n  0: sit\n  1: talk\n'),
    ('obj.names', 'sit\ntalk\n'),
    ('classes.txt', '\ufeffsit\n\ntalk \n'),
  ],
)
def test_names_lie_beside_or_above(name, content, tmp_path):
  (tmp_path / name).write_text(content, encoding='utf-8')
  labels = tmp_path / 'labels' / 'train'
  labels.mkdir(parents=True)
  path = _write(labels, '1 0.5 0.5 0.25 0.5', names='')
  found = annotated.reading('yolo', path)
  assert found.shapes[0].label == 'talk'
  assert list(found.declared['label']) == ['sit', 'talk']
  assert found.films['dance'].splits == {'train'}


def test_an_earlier_imports_labels_are_names_by_their_order(tmp_path):
  path = _write(tmp_path, '0 0.5 0.5 0.25 0.5', names='')
  names = tmp_path / 'labels.txt'
  names.write_text('1: sit\n2: talk\n')
  found = annotated.reading('yolo', path, names=str(names))
  assert found.shapes[0].label == 'sit'
  assert any("class 0 is 'sit'" in note for note in found.notes)


def test_a_class_without_a_name_is_left_out(tmp_path):
  found = annotated.reading('yolo', _write(tmp_path, '5 0.5 0.5 0.2 0.5'))
  assert not found.shapes
  assert [one.what for one in found.left_out] == ['class 5']


@pytest.mark.parametrize(
  'line, said',
  [
    ('1 320 240 100 50', 'in pixels'),
    ('1 0.5 0.5 0.2', '4 columns'),
    ('sit 0.5 0.5 0.2 0.5', "the class is 'sit'"),
    ('1 0.5 0.5 0.2 nan', "a column is 'nan'"),
    ('1 0.5 0.5 0.2 0.5 0.1 0.2 0.3', '8 columns'),
  ],
)
def test_what_is_malformed_is_named_with_its_line(line, said, tmp_path):
  path = _write(tmp_path, f'\n{line}\n')
  with pytest.raises(text.AnnotationError, match=rf'dance_12\.txt:2: .*{said}'):
    annotated.reading('yolo', path)
