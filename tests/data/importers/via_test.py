import json

import annotated
import pytest

from vidpetl.data.annotations import text

_HEADER = (
  'filename,file_size,file_attributes,region_count,region_id,'
  'region_shape_attributes,region_attributes\n'
)
_HEADER_3 = (
  '# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,'
  'spatial_coordinates,metadata\n'
)


def _quoted(value):
  return '"' + json.dumps(value).replace('"', '""') + '"'


def _csv(folder, *rows):
  path = folder / 'via.csv'
  path.write_text(_HEADER + ''.join(rows), encoding='utf-8')
  return path


def _row(shape, attributes=None, name='dance_7.jpg'):
  count = int(bool(shape))
  return (
    f'{name},1,"{{}}",{count},0,{_quoted(shape)},{_quoted(attributes or {})}\n'
  )


def test_ticked_boxes_are_several_actions(tmp_path):
  rect = {'name': 'rect', 'x': 1, 'y': 2, 'width': 3, 'height': 4}
  ticked = {'action': {'sit': True, 'talk': True, 'run': False}, 'x': 'y'}
  (shape,) = annotated.reading('via', _csv(tmp_path, _row(rect, ticked))).shapes
  assert shape.corners == (1, 2, 4, 6)
  assert shape.attributes == {'action': ('sit', 'talk'), 'x': ('y',)}


@pytest.mark.parametrize(
  'shape',
  [
    {'name': 'polygon', 'all_points_x': [9, 1], 'all_points_y': [2, 6]},
    {'name': 'polyline', 'all_points_x': [1, 9], 'all_points_y': [6, 2]},
    {'name': 'ellipse', 'cx': 5, 'cy': 4, 'rx': 4, 'ry': 2},
    {'name': 'rect', 'x': '1', 'y': 2.0, 'width': 8, 'height': 4},
  ],
)
def test_shapes_have_the_box_around(shape, tmp_path):
  (found,) = annotated.reading('via', _csv(tmp_path, _row(shape))).shapes
  assert found.corners == (1, 2, 9, 6)


def test_a_picture_without_regions_was_looked_at_and_a_point_is_listed(
  tmp_path,
):
  rows = [_row({}, name='dance_1.jpg'), _row({'name': 'point'})]
  found = annotated.reading('via', _csv(tmp_path, *rows))
  assert [at.frame for at in found.moments] == [1, 7]
  assert not found.shapes
  (one,) = found.left_out
  assert one.where.endswith('via.csv:3') and 'without area' in one.why
  # Somebody is there, so that it is no frame without people.
  assert [at.frame for at in found.incomplete] == [7]


def test_regions_of_version_1_are_read(tmp_path):
  rect = {'name': 'rect', 'x': 1, 'y': 2, 'width': 3, 'height': 4}
  region = {'shape_attributes': rect, 'region_attributes': {'action': 'sit'}}
  picture = {'filename': 'dance_7.jpg', 'regions': {'0': region}}
  path = tmp_path / 'via.json'
  path.write_text(json.dumps({'dance_7.jpg1': picture}))
  (shape,) = annotated.reading('via', path).shapes
  assert shape.attributes == {'action': ('sit',)}


def _csv_3(folder, *rows, start=''):
  path = folder / 'via3.csv'
  path.write_text(start + _HEADER_3 + ''.join(rows), encoding='utf-8')
  return path


def _row_3(z, xy, av, name='dance.mp4'):
  return f'"1_a","[""{name}""]",0,"{z}","{xy}",{_quoted(av)}\n'


_OPTIONS = (
  '# ATTRIBUTE = {"1":{"aname":"action","type":2,'
  '"options":{"0":"sit","1":"talk to (e.g., self)"}}}\n'
)


def test_numbers_of_options_are_their_names(tmp_path):
  row = _row_3([1.5], [2, 1, 2, 3, 4], {'1': '0,1'})
  found = annotated.reading('via', _csv_3(tmp_path, row, start=_OPTIONS))
  (shape,) = found.shapes
  assert (shape.at.film, shape.at.seconds) == ('dance', 1.5)
  assert shape.attributes == {'action': ('sit', 'talk to (e.g., self)')}
  assert list(found.declared['action']) == ['sit', 'talk to (e.g., self)']


def test_a_span_without_a_box_is_a_clip(tmp_path):
  rows = [
    _row_3([1, 2.5], [], {'1': '0'}),
    _row_3([1, 3], [2, 1, 2, 3, 4], {'1': '1'}),
    _row_3([], [], {'1': '1'}),
  ]
  found = annotated.reading('via', _csv_3(tmp_path, *rows, start=_OPTIONS))
  (clip,) = found.clips
  assert (clip.path, clip.start, clip.end) == ('dance.mp4', 1, 2.5)
  assert clip.labels == ('sit',)
  assert found.shapes[0].at.seconds == 2
  assert any('middle of the span' in note for note in found.notes)
  assert [one.why for one in found.left_out] == ['values of a whole file']


def test_a_comment_is_no_row_whatever_is_in_it(tmp_path):
  start = _OPTIONS.replace('"sit"', '"sit,"')
  row = _row_3([1.5], [2, 1, 2, 3, 4], {'1': '0'})
  found = annotated.reading('via', _csv_3(tmp_path, row, row, start=start))
  assert [s.attributes['action'] for s in found.shapes] == [('sit,',)] * 2


def test_a_spreadsheets_semicolons_are_read(tmp_path):
  rect = {'name': 'rect', 'x': 1, 'y': 2, 'width': 3, 'height': 4}
  path = tmp_path / 'via.csv'
  cells = ['dance_7.jpg', '1', '{}', '1', '0', _quoted(rect), '{}']
  path.write_text(_HEADER.replace(',', ';') + ';'.join(cells) + '\n')
  assert len(annotated.reading('via', path).shapes) == 1


@pytest.mark.parametrize(
  'row, said',
  [
    (
      'dance_7.jpg,1,"{}",1,0,"{broken",{}\n',
      r'via\.csv:2: .*_shape_attr.*json',
    ),
    (_row({'name': 'rect', 'x': 1, 'y': 'b'}), "via.csv:2: y is 'b'"),
    (_row({'name': 'rect', 'x': 1, 'y': 1, 'width': 2}), 'height is None'),
    (_row({'name': 'star'}), "shape 'star'"),
    ('dance_7.jpg,1\n', r'via\.csv:2: 2 columns'),
    (_row({'name': 'polygon', 'all_points_x': [1]}), '1 all_points_x and 0'),
    (_row({'name': 'rect'}, name='dance.jpg'), 'ends in no number'),
  ],
)
def test_what_is_malformed_is_named_with_its_line(row, said, tmp_path):
  with pytest.raises(text.AnnotationError, match=said):
    annotated.reading('via', _csv(tmp_path, row))


@pytest.mark.parametrize(
  'row, said',
  [
    (_row_3([1], [2, 1, 2], {}), r'via3\.csv:2: shape'),
    (_row_3(['x'], [2, 1, 2, 3, 4], {}), r'via3\.csv:2: temporal_coord'),
    ('"1_a","dance.mp4",0,"[1]","[]","{}"\n', 'file_list is no json'),
    ('"1_a","[]"\n', r'via3\.csv:2: 2 columns'),
  ],
)
def test_what_is_malformed_in_version_3_is_named(row, said, tmp_path):
  row = row.replace("'", '""')
  with pytest.raises(text.AnnotationError, match=said):
    annotated.reading('via', _csv_3(tmp_path, row))
