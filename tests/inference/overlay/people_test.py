"""Boxes are where people are, and names where they can be read."""

import itertools

import numpy as np
import pytest

from vidpetl.inference.overlay import palette, people, placing, text

NAMES = [
  ('stand', 0.9),
  ('talk to (a person)', 0.5),
  ('sit', 0.1),
  ('run', 0.3),
]


def track(times, boxes, answers=(), keyframes=None):
  keyframes = times if keyframes is None else keyframes
  answers = [answers] * len(keyframes)
  return people.Track(
    np.array(times, float), np.array(boxes, float), keyframes, answers
  )


LEFT, RIGHT = [0.1, 0.2, 0.3, 0.8], [0.5, 0.4, 0.9, 0.9]


def blank(height=240, width=320):
  return np.full((height, width, 3), 90, np.uint8)


def test_half_way_between_two_boxes_is_their_mean():
  walk = track([1.0, 2.0], [LEFT, RIGHT])
  np.testing.assert_allclose(walk.box(1.5, 1.0), np.mean([LEFT, RIGHT], axis=0))
  np.testing.assert_allclose(walk.box(1.0, 1.0), LEFT)
  np.testing.assert_allclose(walk.box(2.0, 1.0), RIGHT)


def test_a_box_is_drawn_half_a_keyframe_before_and_after_it_is_known():
  walk = track([1.0, 2.0], [LEFT, RIGHT])
  np.testing.assert_allclose(walk.box(0.5, 1.0), LEFT)
  np.testing.assert_allclose(walk.box(2.5, 1.0), RIGHT)
  assert walk.box(0.49, 1.0) is None and walk.box(2.51, 1.0) is None


def test_nobody_is_drawn_where_a_person_was_lost_for_long():
  walk = track([1.0, 3.0, 6.0], [LEFT, RIGHT, LEFT])
  np.testing.assert_allclose(walk.box(2.0, 1.0), np.mean([LEFT, RIGHT], axis=0))
  np.testing.assert_allclose(walk.box(3.4, 1.0), RIGHT)
  assert walk.box(4.0, 1.0) is None
  np.testing.assert_allclose(walk.box(5.6, 1.0), LEFT)


def test_a_box_lies_on_its_person():
  paint = people.People({7: track([0.0, 1.0], [LEFT, RIGHT])})
  frame = paint(blank(), 0.5)
  drawn = (frame == palette.COLOURS[0]).all(-1)
  rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
  x1, y1, x2, y2 = np.mean([LEFT, RIGHT], axis=0) * [320, 240, 320, 240]
  found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
  assert found == pytest.approx([x1, y1, x2, y2], abs=2)
  assert not drawn[120:130, 110:150].any()  # what is inside can be seen


def test_a_frame_without_people_stays_as_it_is():
  paint = people.People({7: track([5.0], [LEFT], NAMES)})
  assert (paint(blank(), 1.0) == 90).all()


def test_the_three_best_names_are_shown_of_the_nearest_keyframe():
  walk = people.Track(
    [0.0, 1.0], np.array([LEFT, LEFT]), [0.0, 1.0], [NAMES, [('fall', 1.0)]]
  )
  names = [name for name, _ in walk.answer(0.4, 1.0)]
  assert names == ['stand', 'talk to (a person)', 'run']
  assert walk.answer(0.6, 1.0) == [('fall', 1.0)]
  assert walk.answer(2.1, 1.0) == ()


def test_each_person_has_a_colour_for_good():
  paint = people.People(
    {'a': track([0, 1, 2], [LEFT] * 3), 'b': track([1, 2], [RIGHT] * 2)}
  )
  shows = lambda t: [
    (paint(blank(), t) == colour).all(-1).any()
    for colour in palette.COLOURS[:2]
  ]
  assert [shows(t) for t in (0.0, 1.5)] == [[True, False], [True, True]]


def seen(boxes, size, seconds=0.0, answer=NAMES):
  """Returns the people of a frame, and rectangles of their plates."""
  scale = text.Scale(*size)
  paint = people.People(
    {i: track([0.0], [box], answer) for i, box in enumerate(boxes)}
  )
  found = paint._seen(seconds, scale)
  lines, usual = paint._plan(0, scale)
  placed = people._place(found, lines, scale, usual)
  return {p.who: p.box for p in found}, {w: p for w, (_, p) in placed.items()}


EDGES = [0.0, 0.02, 0.4, 0.75]


@pytest.mark.parametrize('size', [(96, 96), (240, 320), (1080, 1920)])
def test_plates_never_leave_the_frame(size):
  for x, y, side in itertools.product(EDGES, EDGES, [0.05, 0.25, 0.98]):
    _, plates = seen([[x, y, x + side, y + side]], size)
    x1, y1, x2, y2 = plates[0]
    assert 0 <= x1 < x2 <= size[1] and 0 <= y1 < y2 <= size[0]


@pytest.mark.parametrize('size', [(240, 320), (320, 240), (1080, 1920)])
def test_no_plate_covers_the_head_of_its_person_where_there_is_room(size):
  for x, y, high in itertools.product(EDGES, [0.0, 0.1, 0.5], [0.3, 0.45, 1.0]):
    boxes, plates = seen([[x, y, x + 0.25, min(1.0, y + high)]], size)
    assert not placing.overlap(plates[0], placing.head(boxes[0]))


def test_people_side_by_side_have_plates_side_by_side():
  row = [[x, 0.3, x + 0.15, 0.9] for x in (0.02, 0.27, 0.52, 0.77)]
  boxes, plates = seen(row, (1080, 1920))
  for one, other in itertools.combinations(range(4), 2):
    assert not placing.overlap(plates[one], plates[other])
    assert not placing.overlap(plates[one], placing.head(boxes[other]))


def test_names_are_as_large_on_a_small_person_as_on_a_large_one():
  _, plates = seen([[0.1, 0.5, 0.12, 0.55], [0.5, 0.2, 0.9, 0.9]], (480, 640))
  height = lambda plate: plate[3] - plate[1]
  assert height(plates[0]) == height(plates[1])


def test_fewer_names_are_shown_where_they_would_hide_the_film():
  row = [[x, 0.3, x + 0.15, 0.9] for x in np.linspace(0, 0.8, 5)]
  _, plates = seen(row, (240, 320))
  area = sum(placing.overlap(plate, plate) for plate in plates.values())
  assert len(plates) == 5 and area <= 0.3 * 240 * 320


def test_a_plate_keeps_its_place_around_a_keyframe_while_others_pass():
  times = np.arange(0, 3.01, 0.5)
  passing = [[x, 0.2, x + 0.1, 0.6] for x in 0.1 + 0.25 * times]
  walk = people.People(
    {
      'sits': track(times, [[0.4, 0.4, 0.6, 0.8]] * len(times), NAMES),
      'passes': track(times, passing),
    }
  )
  scale = text.Scale(480, 640)
  found = set()
  for seconds in np.arange(0, 3, 0.04):
    seen = walk._seen(seconds, scale)
    lines, usual = walk._plan(round(seconds), scale)
    placed = people._place(seen, lines, scale, usual)
    found.add((round(seconds), placed['sits'][0]))
  places = [number for _, number in sorted(found)]
  assert [keyframe for keyframe, _ in sorted(found)] == [0, 1, 2, 3]
  assert len(set(places)) > 1  # the one who passes has a say


def test_odd_tracks_are_refused():
  with pytest.raises(ValueError, match=r'\(1, 4\) are not those of 2 times'):
    people.Track(np.zeros(2), np.zeros((1, 4)))
  with pytest.raises(ValueError, match='0 answers to 1 keyframes'):
    people.Track(np.zeros(1), np.zeros((1, 4)), [0.0])
