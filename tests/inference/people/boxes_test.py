"""People of films, from a csv."""

import warnings

import numpy as np
import pytest

from vidpetl import mistakes
from vidpetl.data import picture
from vidpetl.data.annotations import text
from vidpetl.inference.people import boxes, finder


class Film(picture.Readable):
  """A film of 10 seconds, 100 by 50 pixels, without a file."""

  duration, fps = 10.0, 25.0

  def pictures(self, times):
    shape = type('Shape', (), {'height': 50, 'width': 100})
    yield np.arange(len(times)), shape


def read(tmp_path, rows, films=('films/a.mp4',), **options):
  path = tmp_path / 'boxes.csv'
  path.write_text('\n'.join(rows) + '\n', encoding='utf-8')
  return boxes.read(str(path), films, **options)


def moments(tmp_path, rows, **options):
  (own,) = read(tmp_path, rows, **options).values()
  return own.moments(Film(), np.arange(10.0), 5)


@pytest.mark.parametrize(
  'row, score, ids',
  [
    ('a,2,.1,.2,.5,.6', 1, None),
    ('a,2,.1,.2,.5,.6,17', 1, None),
    ('a,2,.1,.2,.5,.6,,0.75', 0.75, None),
    ('a,0002,.1,.2,.5,.6,17,4', 1, [4]),
  ],
)
def test_columns_are_those_of_ava(tmp_path, row, score, ids):
  (moment,) = moments(tmp_path, [row])
  assert moment.seconds == 2 and moment.scores.tolist() == [score]
  np.testing.assert_allclose(moment.boxes, [(0.1, 0.2, 0.5, 0.6)])
  assert ids == (None if moment.ids is None else moment.ids.tolist())


def test_rows_of_one_box_are_one_person(tmp_path):
  rows = ['a,2,.1,.2,.5,.6,4,0', 'a,2,.1,.2,.5,.6,11,0', 'a,2,.1,.2,.5,.6,4,1']
  (moment,) = moments(tmp_path, rows)
  assert moment.ids.tolist() == [0, 1]


def test_a_row_of_a_moment_alone_is_nobody(tmp_path):
  first, second = moments(tmp_path, ['a,1', 'a,2,.1,.2,.5,.6'])
  assert first.boxes.shape == (0, 4) and len(second.boxes) == 1


def test_a_header_names_columns_in_any_order(tmp_path):
  rows = ['x_max;conf;ymax;left;top;frame;film_kind;Track ID;file']
  rows += ['0,5;0,9;0,6;0,1;0,2;26;x;tom;a.mp4', '.5;1;.6;.2;.3;51;x;eve;a']
  first, second = moments(tmp_path, rows, first=1)
  np.testing.assert_allclose(first.boxes, [(0.1, 0.2, 0.5, 0.6)])
  assert (first.seconds, second.seconds) == (1, 2)
  assert first.scores.tolist() == [0.9]
  assert (first.ids.tolist(), second.ids.tolist()) == ([1], [2])


def test_frames_have_the_rate_that_is_told(tmp_path):
  rows = ['video,frame,x1,y1,x2,y2', 'a,30,.1,.2,.5,.6']
  assert moments(tmp_path, rows, fps=10)[0].seconds == 3


@pytest.mark.parametrize('told', [None, True])
def test_pixels_are_of_the_films_size(tmp_path, told):
  with (
    pytest.warns(mistakes.Note) if told is None else warnings.catch_warnings()
  ):
    (moment,) = moments(tmp_path, ['a,2,10,10,50,30'], pixels=told)
  np.testing.assert_allclose(moment.boxes, [(0.1, 0.2, 0.5, 0.6)])


def test_seconds_may_begin_elsewhere(tmp_path):
  assert moments(tmp_path, ['a,903,0,0,1,1'], start=900)[0].seconds == 3


@pytest.mark.parametrize(
  'row, message',
  [
    ('a,2,.1,.2,.5,x', 'boxes.csv:2: y2 is'),
    ('a,2,.5,.2,.1,.6', 'boxes.csv:2: box .5,.2,.1,.6 is none within'),
    ('a,2,.5,.2,1.4,.6', 'boxes.csv:2: box .5,.2,1.4,.6 is none within'),
    ('a,2,.1,.2,.5,.6,,1.5', 'boxes.csv:2: score 1.5'),
    ('a,2,.1,.2', 'boxes.csv:2: 4 columns'),
    ('a,902,.1,.2,.5,.6', 'boxes.csv:2: 902 s is no time of a film of 10 s'),
    ('a,soon,.1,.2,.5,.6', "boxes.csv:2: seconds is 'soon'"),
  ],
)
def test_errors_name_file_and_line(tmp_path, row, message):
  with pytest.raises(text.AnnotationError, match=message):
    moments(tmp_path, ['a,1,.1,.2,.5,.6,,0.5' if ',1.5' in row else 'a,1', row])


def test_pixels_beyond_the_film_name_its_size(tmp_path):
  with pytest.raises(text.AnnotationError, match='pixels of 100x50'):
    moments(tmp_path, ['a,1,10,10,300,40'], pixels=True)


def test_films_are_matched_by_name_and_the_rest_is_said(tmp_path):
  rows = ['a,1,0,0,1,1', 'café.MP4,1,0,0,1,1', 'gone,1,0,0,1,1']
  films = ['x/a.avi', 'x/cafe\u0301.mp4', 'x/new.mp4']
  with pytest.warns(mistakes.Note) as notes:
    found = read(tmp_path, rows, films)
  assert [found[f] is not None for f in films] == [True, True, False]
  said = ' '.join(str(note.message) for note in notes)
  assert 'no boxes of x/new.mp4' in said and 'boxes of gone' in said


def test_names_with_folders_tell_films_apart(tmp_path):
  films = ['x/1/a.mp4', 'x/2/a.mp4']
  with pytest.raises(ValueError, match=r"'a' is the name of .* and of"):
    read(tmp_path, ['a,1'], films)
  found = read(tmp_path, ['1/a,1', '2/a.mp4,2'], films)
  assert [found[f].rows[0].at for f in films] == ['1', '2']


def test_a_csv_of_other_films_is_an_error(tmp_path):
  with pytest.raises(ValueError, match=r'no boxes of films/a\.mp4; .* b, c'):
    read(tmp_path, ['b,1', 'c,1'])


def test_people_of_a_csv_are_found_at_moments_nearby(tmp_path):
  rows = ['a,1.04,.1,.2,.5,.6,,0.9', 'a,1.04,.5,.2,.9,.6,,0.3', 'a,7,0,0,1,1']
  rows += ['a,4,.1,.2,.5,.6,,0.8']
  (own,) = read(tmp_path, rows).values()
  found = finder.find(Film(), range(10), own)
  assert [len(p.boxes) for p in found.people] == [0, 1, 0, 0, 1, 0, 0, 1, 0, 0]
  assert [p.seconds for p in found.people] == list(range(10))
