import annotated
import pytest

from vidpetl.data.annotations import text


def _write(folder, inside, name='dance.xml'):
  path = folder / name
  path.write_text(f'<annotations>\n{inside}\n</annotations>', encoding='utf-8')
  return path


def _box(frame, *, outside=0, more='', at=(0, 0, 10, 20), inside=''):
  names = ('xtl', 'ytl', 'xbr', 'ybr')
  corners = ' '.join(f'{name}="{c}"' for name, c in zip(names, at))
  return (
    f'<box frame="{frame}" outside="{outside}" {corners} {more}>{inside}</box>'
  )


def _track(*boxes, number=0, more=''):
  inside = '\n'.join(boxes)
  return f'<track id="{number}" label="walk" {more}>\n{inside}\n</track>'


def _frames(found, track='0'):
  return [s.at.frame for s in found.shapes if s.track == track]


def test_a_box_that_is_outside_ends_a_track(tmp_path):
  path = _write(
    tmp_path, _track(_box(0), _box(1), _box(2, outside=1), _box(5), _box(6))
  )
  assert _frames(annotated.reading('cvat', path)) == [0, 1, 5, 6]


def test_boxes_between_keyframes_are_interpolated_where_others_have_one(
  tmp_path,
):
  sparse = _track(_box(0), _box(10, at=(20, 0, 30, 20)), _box(11, outside=1))
  dense = _track(*map(_box, range(0, 20, 5)), number=1)
  found = annotated.reading('cvat', _write(tmp_path, sparse + dense))
  first = {s.at.frame: s.corners for s in found.shapes if s.track == '0'}
  assert sorted(first) == [0, 5, 10]
  assert first[5] == (10, 0, 20, 20)


def test_nobody_is_interpolated_while_outside(tmp_path):
  gone = _track(_box(0), _box(4, outside=1), _box(10), number=1)
  dense = _track(*map(_box, range(0, 12, 2)))
  found = annotated.reading('cvat', _write(tmp_path, gone + dense))
  assert _frames(found, '1') == [0, 2, 10]


def test_an_attribute_holds_for_the_track_until_a_box_changes_it(tmp_path):
  fixed = '<attribute name="who">anna</attribute>'
  said = [
    f'<attribute name="action">{action}</attribute>'
    for action in ('sit', 'stand')
  ]
  path = _write(
    tmp_path,
    _track(fixed, _box(0, inside=said[0]), _box(1), _box(2, inside=said[1])),
  )
  found = annotated.reading('cvat', path)
  assert [s.attributes['action'] for s in found.shapes] == [
    *(('sit',), ('sit',), ('stand',))
  ]
  assert all(s.attributes['who'] == ('anna',) for s in found.shapes)


def test_the_upright_box_around_a_rotated_one_is_taken_and_said(tmp_path):
  turned = _box(0, at=(10, 20, 30, 24), more='rotation="90"')
  found = annotated.reading('cvat', _write(tmp_path, _track(turned)))
  assert found.shapes[0].corners == pytest.approx((18, 12, 22, 32))
  assert any('rotated' in note for note in found.notes)


@pytest.mark.parametrize(
  'shape',
  [
    '<polygon frame="0" points="2,30;10,4;8,9"/>',
    '<polyline frame="0" points="10.0,4.0;2.0,30.0"/>',
    '<ellipse frame="0" cx="6" cy="17" rx="4" ry="13"/>',
    '<mask frame="0" rle="1" left="2" top="4" width="8" height="26"/>',
    '<skeleton frame="0"><points label="a" outside="0" points="2,4"/>'
    '<points label="b" outside="0" points="10,30"/>'
    '<points label="c" outside="1" points="60,40"/></skeleton>',
  ],
)
def test_the_box_around_other_shapes_is_taken_and_said(shape, tmp_path):
  found = annotated.reading('cvat', _write(tmp_path, _track(shape)))
  assert found.shapes[0].corners == pytest.approx((2, 4, 10, 30))
  assert any('box around' in note for note in found.notes)


def _task(number, name, **more):
  fields = ''.join(f'<{k}>{v}</{k}>' for k, v in more.items())
  return f'<task><id>{number}</id><name>{name}</name>{fields}</task>'


def test_a_project_has_several_films_with_their_splits(tmp_path):
  tasks = _task(3, 'one.mp4', subset='Train')
  tasks += _task(4, 'two.mp4', subset='Validation')
  path = _write(
    tmp_path,
    f'<meta><project><tasks>{tasks}</tasks></project></meta>'
    + _track(_box(0), more='task_id="3"')
    + _track(_box(0), more='task_id="4"'),
  )
  films = annotated.reading('cvat', path).films
  assert {n: f.splits for n, f in films.items()} == {
    'one': {'train'},
    'two': {'val'},
  }


def test_tracks_of_several_tasks_must_say_of_which_they_are(tmp_path):
  tasks = f'<meta>{_task(3, "one")}{_task(4, "two")}</meta>'
  path = _write(tmp_path, tasks + _track(_box(0)))
  with pytest.raises(text.AnnotationError, match=r'dance\.xml:2: .*task_id'):
    annotated.reading('cvat', path)


def test_a_job_is_read_as_a_task(tmp_path):
  meta = (
    '<meta><job><id>9</id><size>40</size></job>'
    '<source>films/one.v2.mov</source></meta>'
  )
  found = annotated.reading('cvat', _write(tmp_path, meta + _track(_box(3))))
  assert list(found.films) == ['one.v2']
  assert found.films['one.v2'].frames == 40


@pytest.mark.parametrize(
  'name, film, frame',
  [
    ('dance/frame_000012.PNG', 'dance', 12),
    ('sets/dance/12.jpg', 'dance', 12),
    ('images/dance_000012.jpg', 'dance', 12),
    ('dance.mp4_000012.jpg', 'dance', 12),
    ('dance_mp4-12_jpg.rf.0a1b2c3d.jpg', 'dance', 12),
    ('dance_2_frame0012', 'dance_2', 12),
    ('frame_000012', 'of the task', 12),
  ],
)
def test_names_of_pictures_say_film_and_frame(name, film, frame, tmp_path):
  box = '<box label="walk" xtl="1" ytl="1" xbr="9" ybr="9"/>'
  path = _write(
    tmp_path,
    f'<meta>{_task(1, "of the task")}</meta>'
    f'<image id="0" name="{name}" width="64" height="48">{box}</image>',
  )
  (shape,) = annotated.reading('cvat', path).shapes
  assert (shape.at.film, shape.at.frame) == (film, frame)


def test_a_film_that_is_there_is_preferred(tmp_path):
  path = _write(
    tmp_path,
    '<image id="0" name="dance/cam_12.jpg" width="64" height="48"></image>',
  )
  films = lambda **more: list(annotated.reading('cvat', path, **more).films)
  assert films() == ['cam']
  assert films(videos={'dance': 'dance'}) == ['dance']


def test_a_pattern_reads_any_name(tmp_path):
  path = _write(
    tmp_path,
    '<image id="0" name="12 of dance.jpg" width="64" height="48"></image>',
  )
  with pytest.raises(text.AnnotationError, match='--pattern'):
    annotated.reading('cvat', path)
  pattern = r'(?P<frame>\d+) of (?P<video>\w+)'
  (at,) = annotated.reading('cvat', path, pattern=pattern).moments
  assert (at.film, at.frame) == ('dance', 12)


def test_a_picture_without_boxes_was_looked_at(tmp_path):
  path = _write(
    tmp_path,
    '<image id="0" name="dance_3.jpg" width="64" height="48"></image>',
  )
  (at,) = annotated.reading('cvat', path).moments
  assert at.frame == 3


@pytest.mark.parametrize(
  'inside, said',
  [
    (
      _track('<box frame="0" xtl="a" ytl="0" xbr="1" ybr="1"/>'),
      ':3: <box xtl',
    ),
    (_track('<box frame="0" ytl="0" xbr="1" ybr="1"/>'), ':3: .*no attribute'),
    (
      _track('<box frame="-1" xtl="0" ytl="0" xbr="1" ybr="1"/>'),
      ':3: .*frame',
    ),
    (_track('<polygon frame="0" points="1,2;3"/>'), ':3: .*points'),
    ('<track id="0">', 'no XML .mismatched'),
    ('<track id="0" label="walk"', 'no XML'),
    ('<image id="0" width="1" height="1"/>', ':2: .*no attribute name'),
  ],
)
def test_what_is_malformed_is_named_with_its_line(inside, said, tmp_path):
  with pytest.raises(text.AnnotationError, match=said):
    annotated.reading('cvat', _write(tmp_path, inside))


def test_entities_are_refused(tmp_path):
  path = tmp_path / 'bomb.xml'
  path.write_text(
    '<!DOCTYPE annotations [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>\n'
    '<annotations><track id="0" label="&b;"></track></annotations>'
  )
  with pytest.raises(text.AnnotationError, match="declares the entity 'a'"):
    annotated.reading('cvat', path)


@pytest.mark.filterwarnings('ignore::vidpetl.mistakes.Note')
@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16', 'latin-1'])
def test_any_encoding_is_read(encoding, tmp_path):
  path = tmp_path / 'dance.xml'
  inside = _track(_box(0)).replace('walk', 'café')
  path.write_bytes(
    f'<?xml version="1.0" encoding="{encoding[:6]}"?>'
    f'<annotations>{inside}</annotations>'.encode(encoding)
  )
  (shape,) = annotated.reading('cvat', path).shapes
  assert shape.label == 'café'
