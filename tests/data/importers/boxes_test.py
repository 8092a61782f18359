import annotated
import pytest
from PIL import Image

from vidpetl.data.importers import boxes, contract, films
from vidpetl.data.importers.contract import At, Shape


def _reading(*shapes, size=(64.0, 48.0), fps=10.0, **options):
  found = contract.Reading(contract.Options(size=size, fps=fps, **options))
  found.first = 0
  for shape in shapes:
    found.films.setdefault(shape.at.film, contract.Film(shape.at.film))
    found.shapes.append(shape)
  return found


def _shape(
  frame=0, corners=(16, 12, 32, 24), label='sit', film='dance', **more
):
  where = f'dance.xml:{frame}'
  return Shape(where, At(film, frame), corners, label, **more)


def _assemble(reading, videos='', **more):
  return boxes.assemble(reading, films.Videos(str(videos)), **more)


def _why(reading):
  return [one.why for one in reading.left_out]


def test_pixels_and_frames_become_fractions_and_seconds():
  (row,) = _assemble(_reading(_shape(frame=3))).rows
  assert row.seconds == 0.3
  assert row.corners == (0.25, 0.25, 0.5, 0.5)


def test_boxes_are_cut_at_the_border_and_it_is_counted():
  reading = _reading(
    _shape(corners=(-0.32, 12, 32, 24)), _shape(1, (32, 24, 64.64, 48))
  )
  found = _assemble(reading)
  assert found.rows[0].corners == (0, 0.25, 0.5, 0.5)
  assert found.cut == {'dance': pytest.approx([0.005, 0.01])}


@pytest.mark.parametrize(
  'corners, why',
  [
    ((32, 12, 16, 24), 'it has no area'),
    ((16, 12, 16, 24), 'it has no area'),
    ((70, 12, 80, 24), 'outside the picture of 64x48'),
  ],
)
def test_what_is_no_box_is_left_out_and_listed(corners, why):
  reading = _reading(_shape(1, corners), _shape(2), _shape(3))
  found = _assemble(reading)
  assert [row.seconds for row in found.rows] == [0.2, 0.3]
  assert _why(reading) == [why]
  # Somebody was there, so that the frame is no frame without people.
  assert found.moments == {'dance': [0.2, 0.3]}


def test_boxes_of_another_size_of_picture_are_refused():
  shapes = [_shape(i, (100, 100, 200, 200)) for i in range(3)]
  with pytest.raises(ValueError, match=r'3 of 3 boxes .*64x48 .*--size='):
    _assemble(_reading(*shapes))


def test_a_box_without_an_action_is_listed_and_its_frame_was_looked_at():
  reading = _reading(
    _shape(attributes={'action': ()}),
    _shape(1, attributes={'action': ('sit', 'talk')}),
  )
  found = _assemble(reading)
  assert [row.labels for row in found.rows] == [('sit', 'talk')]
  assert _why(reading) == ['a box without an action']
  assert found.moments == {'dance': [0, 0.1]}


@pytest.mark.parametrize(
  'given, said',
  [
    ({'size': None}, '--size=1920x1080, or --videos=FOLDER .* dance'),
    ({'fps': None}, '--fps=25, or --videos=FOLDER .* dance'),
  ],
)
def test_what_nothing_says_is_asked_for(given, said):
  with pytest.raises(ValueError, match=said):
    _assemble(_reading(_shape(), **given))


def test_rate_and_size_are_those_of_the_video(tmp_path):
  annotated.film(tmp_path / 'dance.mp4')
  reading = _reading(_shape(frame=5), size=None, fps=None)
  found = _assemble(reading, tmp_path)
  (row,) = found.rows
  assert (row.seconds, row.corners) == (0.5, (0.25, 0.25, 0.5, 0.5))
  facts = found.facts['dance']
  assert (facts.fps_from, facts.size_from) == ('the video', 'the video')


def test_a_folder_of_frames_knows_its_size_and_asks_for_a_rate(tmp_path):
  folder = tmp_path / 'dance'
  folder.mkdir()
  for i in range(1, 4):
    Image.new('RGB', (64, 48)).save(folder / f'img_{i:05d}.jpg')

  class Frames(films.Videos):
    path = lambda self, name: str(tmp_path / name)

  shapes = [_shape(frame=2), _shape(frame=3)]
  with pytest.raises(ValueError, match='frame rate of dance; give --fps=25'):
    boxes.assemble(_reading(*shapes, size=None, fps=None), Frames(''))
  reading = _reading(*shapes, size=None, fps=5.0)
  found = boxes.assemble(reading, Frames(''))
  assert [row.seconds for row in found.rows] == [0.4]
  assert found.rows[0].corners == (0.25, 0.25, 0.5, 0.5)
  assert _why(reading) == ['beyond the film: the film has 3 frames']


def test_a_video_of_another_rate_or_shape_is_said(tmp_path):
  annotated.film(tmp_path / 'dance.mp4')
  reading = _reading(_shape(frame=5), size=(48.0, 64.0), fps=25.0)
  _assemble(reading, tmp_path)
  said = '\n'.join(reading.notes)
  assert '25 frames a second by --fps, but the video has 10' in said
  assert '48x64 by --size, but the video shows 64x48' in said


def test_frames_beyond_the_film_are_left_out_and_listed(tmp_path):
  annotated.film(tmp_path / 'dance.mp4', frames=20)
  reading = _reading(_shape(19), _shape(20), _shape(400))
  found = _assemble(reading, tmp_path)
  assert [row.seconds for row in found.rows] == [1.9]
  assert _why(reading) == ['beyond the film: the film has 20 frames'] * 2


def test_frames_before_the_first_are_left_out_and_listed():
  reading = _reading(_shape(0), _shape(1), first=1)
  assert [row.seconds for row in _assemble(reading).rows] == [0]
  assert _why(reading) == [
    'beyond the film: before the first frame, which is 1'
  ]


@pytest.mark.parametrize(
  'frames, first', [((0, 1), 0), ((1, 31), 1), ((30, 60), 0)]
)
def test_numbers_of_pictures_tell_where_they_begin(frames, first):
  reading = _reading(*map(_shape, frames))
  reading.first = None
  found = _assemble(reading)
  assert [r.seconds for r in found.rows] == [(n - first) / 10 for n in frames]
  assert f'Frames are counted from {first} (' in '\n'.join(reading.notes)


def test_every_takes_the_frame_nearest_to_each_second():
  reading = _reading(*map(_shape, range(0, 35)))
  found = _assemble(reading, every=1.0)
  assert found.moments == {'dance': [0, 1, 2, 3]}
  assert found.annotated == {'dance': 35}
  sparse = _reading(*map(_shape, (2, 12, 13, 29)))
  assert _assemble(sparse, every=1.0).moments == {'dance': [0.2, 1.2, 2.9]}


def test_tracks_of_one_number_in_several_files_are_several_persons():
  reading = _reading(
    _shape(0, track='1', file='a'),
    _shape(5, track='1', file='b'),
    _shape(6, track='1', file='b'),
    _shape(0, track='1', file='c', film='other'),
  )
  rows = _assemble(reading).rows
  assert [row.person for row in rows] == ['1', '2', '2', '1']


def test_a_box_that_two_jobs_share_is_there_once():
  reading = _reading(_shape(track='1', file='a'), _shape(track='4', file='b'))
  assert len(_assemble(reading).rows) == 1
  assert _why(reading) == ['the same box was there already']


def test_attributes_called_action_go_before_the_label():
  reading = _reading(
    _shape(label='person', attributes={'Action': ('run',), 'age': ('old',)})
  )
  found = _assemble(reading)
  assert found.fields == ('Action',) and found.classes == ('run',)


def test_where_attributes_may_be_meant_it_is_asked():
  attributes = {'age': ('old',), 'occluded': ()}
  shape = _shape(label='person', attributes=attributes)
  with pytest.raises(ValueError, match=r"'person'.* attributes age: --action="):
    _assemble(_reading(shape))
  assert _assemble(_reading(shape, action=('label',))).classes == ('person',)
  with pytest.raises(ValueError, match='--action=x; the boxes have: label, a'):
    _assemble(_reading(shape, action=('x',)))


def test_checkboxes_are_actions_also_if_none_is_ticked():
  reading = _reading(
    _shape(
      label='person', attributes={'sit': ('sit',), 'run': (), 'x': ('y',)}
    ),
    action=('checkboxes',),
  )
  reading.declare('run', ['run'])
  assert _assemble(reading).classes == ('sit', 'run')


def test_labels_beyond_a_vocabulary_are_left_out_and_listed():
  reading = _reading(_shape(), _shape(1, label='dig'), _shape(2, label='a|sit'))
  found = _assemble(reading, vocabulary=['run', 'sit'])
  assert found.classes == ('run', 'sit')
  assert [row.labels for row in found.rows] == [('sit',), ('sit',)]
  assert [one.what for one in reading.left_out] == ["'dig'", "'a'"]


def test_declared_names_keep_their_order_and_others_follow():
  reading = _reading(_shape(label='c'), _shape(1, label='a'))
  reading.declare('label', ['z', 'c'])
  assert _assemble(reading).classes == ('z', 'c', 'a')


def test_files_of_which_nothing_is_left_say_why():
  reading = _reading(_shape(corners=(5, 5, 5, 5)))
  with pytest.raises(ValueError, match='no box is left of 1; 1 times: it has'):
    _assemble(reading)
