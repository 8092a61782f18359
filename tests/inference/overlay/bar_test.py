"""Bars and the strip of classes over time."""

import time

import numpy as np
import pytest

from vidpetl.inference.overlay import bar, palette, people, text

NAMES = [f'class {i}' for i in range(10)]


def bars(scores, begins=None, ends=None, **options):
  scores = np.asarray(scores, float)
  begins = np.arange(len(scores)) * 1.0 if begins is None else begins
  ends = np.asarray(begins) + 1 if ends is None else ends
  options.setdefault('duration', float(max(ends, default=1)))
  return bar.Bars(
    np.asarray(begins, float),
    np.asarray(ends, float),
    NAMES[: scores.shape[1]],
    scores,
    **options,
  )


def one_hot(*classes, count=10):
  return 0.9 * np.eye(count)[list(classes)]


def blank(height=240, width=320, value=90):
  return np.full((height, width, 3), value, np.uint8)


def changed(frame, value=90):
  """Returns whether each pixel was drawn on."""
  return (frame != value).any(-1)


def has(frame, colour):
  return (frame == colour).all(-1)


def test_a_frame_outside_of_all_windows_has_no_bars():
  painter = bars(one_hot(0, 1), [0.0, 5.0], duration=8.0)
  inside, outside = painter(blank(), 5.5), painter(blank(), 3.0)
  assert changed(inside)[:120].any()
  assert not changed(outside)[:200].any()
  assert changed(outside)[200:].any()  # the strip is of the whole film


def test_the_window_in_whose_middle_a_time_lies_is_shown():
  painter = bars(one_hot(3, 4), [0.0, 1.0], [2.0, 3.0])
  colours = [painter.colour(c) for c in (3, 4)]
  for seconds, shown in [(0.5, 0), (1.4, 0), (1.6, 1), (2.9, 1)]:
    upper = painter(blank(), seconds)[:120]
    assert has(upper, colours[shown]).any()
    assert not has(upper, colours[1 - shown]).any()


def test_bars_are_as_long_as_scores():
  painter = bars([[0.8, 0.4, 0.0]])
  upper = painter(blank(), 0.5)[:120]
  lengths = [has(upper, painter.colour(c)).any(0).sum() for c in range(3)]
  assert lengths[0] == pytest.approx(2 * lengths[1], abs=2)
  assert lengths[2] == 0


def test_the_best_classes_of_the_film_have_colours_of_their_own_for_good():
  order = [5, 5, 5, 2, 2, 7]
  painter = bars(one_hot(*order))
  assert [painter.colour(c) for c in (5, 2, 7)] == list(palette.COLOURS[:3])
  frames = [painter(blank(), t + 0.5) for t in range(6)]
  for frame, best in zip(frames, order):
    assert has(frame[:120], painter.colour(best)).any()
  # More classes than colours: the others are grey.
  known = {painter.colour(c) for c in range(10)}
  assert known == {*palette.COLOURS, palette.GREY}


def test_the_strip_shows_each_time_in_the_colour_of_its_best_class():
  painter = bars(np.eye(10)[[0, 1, 2, 3]], duration=8.0)
  frame = painter(blank(), 7.9)
  strip = frame[-text.Scale(240, 320).margin - 4]
  thirds = [strip[round(320 * (t + 0.5) / 8)].tolist() for t in range(4)]
  assert thirds == [list(painter.colour(c)) for c in range(4)]
  # No window is there.
  assert strip[round(320 * 5 / 8)].max() < 90


def test_the_playhead_goes_from_end_to_end():
  painter = bars(one_hot(0, count=2), duration=1.0)
  columns = [
    np.flatnonzero(has(painter(blank(), t), palette.WHITE)[200:].any(0)).mean()
    for t in (0.0, 0.5, 0.999)
  ]
  margin = text.Scale(240, 320).margin
  assert columns == pytest.approx([margin, 160, 319 - margin], abs=3)


@pytest.mark.parametrize(
  'size', [(96, 96), (240, 320), (320, 240), (1080, 1920), (64, 400), (33, 31)]
)
def test_all_is_inside_the_frame_and_leaves_half_of_it_free(size):
  painter = bars(one_hot(0, 1))
  drawn = changed(painter(blank(*size), 0.5))
  assert drawn.any() and drawn.mean() < 0.6
  assert not drawn[:, :2].any() and not drawn[:2].any()
  if min(size) > 90:
    assert not drawn[:, -2:].any() and not drawn[-2:].any()


@pytest.mark.parametrize('value', [0, 255])
def test_names_stand_out_on_bright_and_dark_films(value):
  upper = bars(one_hot(0))(blank(value=value), 0.5)[8:24, 10:90]
  grey = upper.astype(int).mean(-1)
  # White on at most a middle grey.
  assert grey.max() > 240 and np.median(grey) < 110


def test_scores_of_other_windows_or_classes_are_refused():
  with pytest.raises(ValueError, match=r'\(2, 3\).* 1 windows and 3 classes'):
    bar.Bars(np.zeros(1), np.ones(1), NAMES[:3], np.zeros((2, 3)), 1.0)
  with pytest.raises(ValueError, match='not both'):
    bar.Bars(np.zeros(2), np.ones(1), NAMES[:3], np.zeros((2, 3)), 1.0)


def test_a_film_without_windows_has_an_empty_strip():
  painter = bar.Bars(np.zeros(0), np.zeros(0), NAMES, np.zeros((0, 10)), 3.0)
  assert not changed(painter(blank(), 1.0))[:200].any()


# What eyes without one kind of cone see, in linear RGB (Machado et al., 2009).
_BLIND = {
  'protanopia': [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  'deuteranopia': [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.011820, 0.042940, 0.968881],
  ],
}


@pytest.mark.parametrize('kind', _BLIND)
def test_colours_are_told_apart_by_the_colour_blind(kind):
  colours = (np.array([*palette.COLOURS, palette.BLACK]) / 255) ** 2.2
  seen = np.clip(colours @ np.array(_BLIND[kind]).T, 0, 1) ** (1 / 2.2)
  apart = np.abs(seen[:, None] - seen[None]).max(-1)
  np.fill_diagonal(apart, 1)
  assert apart.min() > 0.1


def test_a_large_frame_is_drawn_on_in_milliseconds():
  tracks = {
    i: people.Track(
      np.arange(9.0),
      np.tile([0.2 * i, 0.3, 0.2 * i + 0.15, 0.8], (9, 1)),
      np.arange(9.0),
      [[('stand', 0.9), ('talk to', 0.5), ('watch', 0.3)]] * 9,
    )
    for i in range(5)
  }
  painters = bars(one_hot(*range(9))), people.People(tracks)
  frame, took = blank(1080, 1920), []
  for t in np.arange(1.0, 3.0, 0.04):
    begins = time.perf_counter()
    for paint in painters:
      paint(frame, t)
    took.append(time.perf_counter() - begins)
  # 3 ms where nothing else runs.
  assert np.median(took) < 0.02
