"""People of films at moments, by detectors."""

import av
import numpy as np
import pytest

from vidpetl.data import frames
from vidpetl.data.faults import LyingError
from vidpetl.inference.people import finder

pytest.importorskip('trackers')
FPS = 10


@pytest.fixture(scope='module')
def film(tmp_path_factory):
  """Returns a film of 2.5 s: a white square walks, from 1 s on a grey one."""
  path = tmp_path_factory.mktemp('film') / 'film.mp4'
  with av.open(str(path), 'w') as container:
    stream = container.add_stream('mpeg4', rate=FPS)
    stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
    for i in range(25):
      picture = np.zeros((48, 64, 3), np.uint8)
      picture[8:24, 8 + i : 24 + i] = 255
      if i >= 10:
        picture[30:46, 48 - i : 60 - i] = 120
      frame = av.VideoFrame.from_ndarray(picture, format='rgb24')
      container.mux(stream.encode(frame))
    container.mux(stream.encode())
  return str(path)


def detect(frame):
  """Finds the two squares by their brightness."""
  boxes, scores = [], []
  height, width = frame.shape[:2]
  for low, high, score in ((200, 256, 0.9), (70, 170, 0.6)):
    inside = (frame[..., 0] >= low) & (frame[..., 0] < high)
    y, x = np.nonzero(inside)
    if len(x) > 100:
      x1, x2, y1, y2 = x.min(), x.max() + 1, y.min(), y.max() + 1
      boxes.append((x1 / width, y1 / height, x2 / width, y2 / height))
      scores.append(score)
  return np.reshape(boxes, (-1, 4)), np.array(scores)


def find(path, times, **options):
  with frames.open_video(path) as opened:
    return finder.find(opened, times, finder.Detected(detect), **options)


def test_people_are_followed_from_moment_to_moment(film):
  found = find(film, [0, 1, 2])
  assert [p.seconds for p in found.people] == [0, 1, 2]
  assert [p.ids.tolist() for p in found.people] == [[1], [1, 2], [1, 2]]
  first = found.tracks[0]
  np.testing.assert_allclose(first.times, np.arange(13) / 5)
  for people in found.people:
    left = (8 + FPS * people.seconds) / 64
    assert abs(people.boxes[0, 0] - left) < 0.05
  walked = first.boxes[:, 0] - first.boxes[0, 0]
  np.testing.assert_allclose(walked, np.arange(13) * 2 / 64, atol=0.05)
  assert found.tracks[1].times[0] == 1


def test_moments_between_are_looked_at_as_well(film):
  found = find(film, [0.33], boxes_per_second=2)
  assert found.people[0].seconds == 0.33
  assert found.tracks[0].times.tolist() == [0, 0.33, 0.5, 1, 1.5, 2]


def test_the_best_boxes_are_kept_and_weak_ones_left_out(film):
  found = find(film, [2], max_boxes=1)
  assert found.people[0].scores.tolist() == [pytest.approx(0.9)]
  assert len(found.tracks) == 2
  assert len(find(film, [2], min_score=0.7).tracks) == 1


def test_finding_is_the_same_each_time(film):
  first, again = find(film, [0, 1]), find(film, [0, 1])
  for one, other in zip(first.tracks, again.tracks):
    assert np.array_equal(one.boxes, other.boxes)


def test_frames_are_looked_at_once_and_one_at_a_time(film):
  count = []
  with frames.open_video(film) as opened:
    source = finder.Detected(detect, lambda *told: count.append(told))
    finder.find(opened, [0, 1, 2], source)
  assert sum(looked for looked, _ in count) == 13
  assert {total for _, total in count} == {13}


def test_a_film_that_begins_anew_is_not_doubled(film):
  """A file whose seeks lie hands out its first pictures twice."""
  with frames.open_video(film) as opened:
    whole, shown_at, tries = opened._shown_at, opened._shown_at, []

    def lies(times):
      tries.append(1)
      for i, each in enumerate(shown_at(times)):
        if len(tries) == 1 and i == 3:
          raise LyingError('seeks lie')
        yield each

    opened._shown_at, opened.distrust = lies, lambda: None
    found = finder.find(opened, [0, 1], finder.Detected(detect))
  assert whole and len(tries) == 2
  assert len(found.tracks[0].times) == 13


def test_options_out_of_range_are_errors(film):
  with pytest.raises(ValueError, match='boxes_per_second=0: it must be'):
    find(film, [0], boxes_per_second=0)
