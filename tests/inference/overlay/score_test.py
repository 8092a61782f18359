"""A score, and the parts of a film that it comes from."""

import numpy as np
import pytest

from vidpetl.inference.overlay import palette, score, text, timeline

VALUES = [4.0, -2.0, 0.0, 2.0]


def painter(values=VALUES, **options):
  begins = np.arange(len(values)) * 2.0
  options.setdefault('duration', 2.0 * len(values))
  return score.Score(86.4, begins, begins + 2, np.array(values), **options)


def blank(height=240, width=320):
  return np.full((height, width, 3), 90, np.uint8)


def heights(frame, segment, colour):
  """Returns the rows of a colour in a segment's part of the strip."""
  scale = text.Scale(*frame.shape[:2])
  width = frame.shape[1] - 2 * scale.margin
  x = scale.margin + round((segment + 0.25) * width / 4)
  strip = frame[round(0.8 * len(frame)) :, x]
  return np.flatnonzero((strip == colour).all(-1))


def test_what_raises_the_score_stands_and_what_lowers_it_hangs():
  frames = [painter()(blank(), 2 * t + 1.9) for t in range(4)]
  blue, orange = palette.COLOURS[:2]
  up, down = heights(frames[0], 0, blue), heights(frames[1], 1, orange)
  half = heights(frames[3], 3, blue)
  assert len(up) == pytest.approx(2 * len(down), abs=2)
  assert len(half) == pytest.approx(len(down), abs=2)
  assert up.max() < down.min()
  assert not len(heights(frames[1], 1, blue))


def test_the_segment_that_is_shown_is_marked_alone():
  for shown in range(4):
    frame = painter()(blank(), 2 * shown + 1.9)
    marked = [bool(len(heights(frame, s, palette.DIM))) for s in range(4)]
    assert marked == [s == shown for s in range(4)]


def test_outside_of_all_segments_none_is_marked():
  frame = painter(duration=12.0)(blank(), 10.0)
  assert not (frame == palette.DIM).all(-1).any()
  assert (frame != 90).any()


@pytest.mark.parametrize(
  'size', [(96, 96), (240, 320), (320, 240), (1080, 1920)]
)
@pytest.mark.parametrize('name', ['score', 'a name that is longer than films'])
def test_all_is_inside_the_frame(size, name):
  drawn = (painter(name=name)(blank(*size), 1.0) != 90).any(-1)
  for edge in (drawn[:2], drawn[-1:], drawn[:, :2], drawn[:, -2:]):
    assert not edge.any()
  assert 0 < drawn.mean() < 0.6


def test_a_score_without_parts_is_a_score():
  frame = score.Score(7.25, [], [], [], 3.0)(blank(), 1.0)
  drawn = (frame != 90).any(-1)
  assert drawn[:100, :160].any() and not drawn[100:].any()


def test_overlapping_segments_share_their_time():
  begins, ends = timeline.apart([0.0, 2.0, 5.0], [3.0, 4.0, 6.0])
  assert begins.tolist() == [0.0, 2.5, 5.0]
  assert ends.tolist() == [2.5, 4.0, 6.0]


def test_values_of_other_segments_are_refused():
  with pytest.raises(ValueError, match='of 2 segments'):
    score.Score(1.0, [0.0, 1.0], [1.0, 2.0], [1.0], 2.0)
