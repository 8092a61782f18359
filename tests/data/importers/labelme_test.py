import json

import annotated
import pytest

from vidpetl.data.annotations import text


def _write(folder, *shapes, **more):
  path = folder / 'dance_3.json'
  document = {'shapes': list(shapes), 'imagePath': 'dance_3.jpg'}
  document |= {'imageWidth': 64, 'imageHeight': 48} | more
  path.write_text(json.dumps(document))
  return path


def _shape(points, kind='rectangle', **more):
  return {'label': 'sit', 'points': points, 'shape_type': kind} | more


@pytest.mark.parametrize(
  'points, kind',
  [
    ([[2, 4], [10, 30]], 'rectangle'),
    ([[10, 4], [2, 30]], 'rectangle'),
    ([[10, 30], [2, 4]], 'rectangle'),
    ([[2, 9], [10, 4], [6, 30]], 'polygon'),
    ([[2, 4], [2, 30], [10, 30], [10, 4]], 'rotation'),
  ],
)
def test_points_stand_in_any_order(points, kind, tmp_path):
  (shape,) = annotated.reading(
    'labelme', _write(tmp_path, _shape(points, kind))
  ).shapes
  assert shape.corners == (2, 4, 10, 30)


def test_a_circle_is_its_centre_and_an_edge(tmp_path):
  circle = _shape([[10, 10], [13, 14]], 'circle')
  (shape,) = annotated.reading('labelme', _write(tmp_path, circle)).shapes
  assert shape.corners == (5, 5, 15, 15)


def test_group_is_the_person_and_flags_are_checkboxes(tmp_path):
  flags = {'sit': True, 'talk': False}
  one = _shape([[1, 1], [9, 9]], group_id=0, flags=flags)
  two = _shape([[1, 1], [9, 9]], group_id=None, flags=None)
  first, second = annotated.reading(
    'labelme', _write(tmp_path, one, two)
  ).shapes
  assert (first.track, second.track) == ('0', '')
  assert first.attributes == {'sit': ('sit',), 'talk': ()}


def test_a_picture_without_shapes_was_looked_at(tmp_path):
  found = annotated.reading('labelme', _write(tmp_path))
  assert [at.frame for at in found.moments] == [3]


@pytest.mark.parametrize(
  'shape, said',
  [
    (_shape([]), r'shapes\[0\]: points are'),
    (_shape([[1, 2, 3]]), r'shapes\[0\]: points are'),
    (_shape([[1, 'x'], [2, 3]]), r"shapes\[0\]: points is 'x'"),
    ('sit', r"shapes\[0\]: 'sit'"),
  ],
)
def test_what_is_malformed_is_named(shape, said, tmp_path):
  with pytest.raises(text.AnnotationError, match=said):
    annotated.reading('labelme', _write(tmp_path, shape))


def test_broken_json_is_named_with_its_line(tmp_path):
  path = tmp_path / 'dance_3.json'
  path.write_text('{"shapes": [],\n "imagePath": }')
  with pytest.raises(text.AnnotationError, match=r'dance_3\.json:2: not json'):
    annotated.reading('labelme', path)
