"""Boxes over time become tracks, and no box is lost."""

import numpy as np
import pytest

from vidpetl.inference.people import tracks
from vidpetl.inference.people.tracked import Moment

pytest.importorskip('trackers')
RATE = 5


def moments(*people, count=30):
  """Returns moments of people: i -> box or None; and who each box is."""
  found, who = [], []
  for i in range(count):
    seen = [(k, p(i)) for k, p in enumerate(people) if p(i) is not None]
    boxes = np.array([box for _, box in seen], float).reshape(-1, 4)
    found.append(Moment(i / RATE, boxes, np.full(len(boxes), 0.9)))
    who.append([k for k, _ in seen])
  return found, who


def walker(x, speed, y=0.2, seen=lambda i: True):
  return lambda i: (
    (x + speed * i, y, x + speed * i + 0.12, y + 0.6) if seen(i) else None
  )


def ids_by_person(found, who, ids):
  by_person = {}
  for people, own in zip(who, ids):
    assert len(people) == len(own)
    for person, number in zip(people, own):
      by_person.setdefault(person, set()).add(int(number))
  return by_person


def test_people_who_cross_keep_their_tracks():
  found, who = moments(walker(0.1, 0.02), walker(0.75, -0.02, y=0.25))
  ids = tracks.link(found, RATE)
  assert ids_by_person(found, who, ids) == {0: {1}, 1: {2}}


def test_a_person_is_found_again_after_a_gap():
  hidden = walker(0.1, 0.01, seen=lambda i: i not in (1, 10, 11, 12))
  found, who = moments(hidden, walker(0.6, 0))
  ids = tracks.link(found, RATE)
  assert ids_by_person(found, who, ids) == {0: {1}, 1: {2}}


def test_a_person_who_is_away_for_longer_is_a_new_track():
  away = walker(0.1, 0, seen=lambda i: i < 5 or i > 20)
  ids = tracks.link(moments(away)[0], RATE)
  assert ids_by_person(*moments(away), ids) == {0: {1, 2}}


def test_who_enters_later_has_the_next_id():
  late = walker(0.7, 0, seen=lambda i: i >= 12)
  found, who = moments(late, walker(0.1, 0))
  ids = tracks.link(found, RATE)
  assert ids_by_person(found, who, ids) == {0: {2}, 1: {1}}


def test_a_box_that_is_seen_once_has_a_track():
  once = walker(0.7, 0, seen=lambda i: i == 3)
  found, who = moments(walker(0.1, 0), once)
  ids = tracks.link(found, RATE)
  assert ids_by_person(found, who, ids) == {0: {1}, 1: {2}}
  last = tracks.gather(found, ids)[1]
  assert last.id == 2 and last.times.tolist() == [3 / RATE]
  np.testing.assert_allclose(last.boxes, [(0.7, 0.2, 0.82, 0.8)], rtol=1e-6)


def test_a_film_of_one_frame_has_tracks():
  found, _ = moments(walker(0.1, 0), walker(0.6, 0), count=1)
  assert [i.tolist() for i in tracks.link(found, RATE)] == [[1, 2]]


def test_a_film_without_people_has_no_tracks():
  found, _ = moments(lambda i: None, count=4)
  ids = tracks.link(found, RATE)
  assert tracks.gather(found, ids) == [] and tracks.gather([], []) == []


def test_linking_is_the_same_each_time():
  rng = np.random.default_rng(0)
  corners = rng.uniform(0, 0.7, (40, 6, 2))
  boxes = np.concatenate([corners, corners + 0.2], 2)
  found = [Moment(i / 5, b, rng.uniform(size=6)) for i, b in enumerate(boxes)]
  first, again = tracks.link(found, 5), tracks.link(found, 5)
  assert all(map(np.array_equal, first, again))
  assert min(map(min, first)) == 1


def test_ids_of_a_csv_stay():
  found = [Moment(0.0, np.zeros((2, 4)), np.ones(2), np.array([7, 3]))]
  assert [i.tolist() for i in tracks.link(found, 1)] == [[7, 3]]
