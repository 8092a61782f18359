"""Clips of a film's windows: those that are loaded one by one, in one pass."""

import collections
import pathlib

import numpy as np
import pytest

from vidpetl.data import (
  clip_spec,
  clips,
  decode,
  examples,
  frames,
  index,
  picture,
  streaming,
)
from vidpetl.data.annotations.strings import Strings
from vidpetl.data.kinds import classification

INFO = examples.Info('own', 'train', 'classification', 2, {0: 'a', 1: 'b'})


@pytest.fixture(scope='module')
def film(world):
  return str(min(pathlib.Path(world['kinetics400']).rglob('*.mp4')))


def spec(**options):
  given = {'frames': 4, 'resolution': 16, 'train': False, **options}
  return clip_spec.ClipSpec.of(given, 'classification')


def windows(spans):
  return [classification.Classified('f', 0, begin, end) for begin, end in spans]


def alone(film, asked, cut):
  """Each window as an evaluation loads it."""
  source = classification.Classification(
    INFO,
    Strings([each.id for each in asked]),
    [0] * len(asked),
    lambda i: film,
    [each.start for each in asked],
    [np.nan if each.end is None else each.end for each in asked],
  )
  return [
    clips.load(source, i, cut, index.example_seed(0, INFO.name, i))
    for i in range(len(asked))
  ]


@pytest.mark.parametrize(
  'spans, options',
  [
    ([(0.0, None)], {}),
    ([(0.0, 0.5), (0.5, 1.0), (1.0, None)], {}),
    ([(0.0, 1.0), (0.25, 1.25), (0.5, 1.5)], {'views': (2, 1)}),
    ([(1.0, 1.4), (0.0, 0.4)], {'resize': 'crop', 'views': (1, 3)}),
    ([(0.0, None), (0.2, 0.6)], {'sampling': 'segments'}),
  ],
)
def test_windows_are_what_an_evaluation_loads(film, spans, options):
  cut, asked = spec(**options), windows(spans)
  expected = alone(film, asked, cut)
  with frames.open_video(film) as opened:
    found = dict(streaming.read(opened, asked, cut, INFO))
  assert sorted(found) == list(range(len(asked)))
  for number, clip in found.items():
    assert clip.keys() == expected[number].keys()
    for key, array in clip.items():
      np.testing.assert_array_equal(array, expected[number][key], err_msg=key)


class Counting(picture.Readable):
  """A film that counts what is decoded of it."""

  def __init__(self, film):
    self._film, self.reads = film, []
    self.duration, self.fps, self.name = film.duration, film.fps, film.name
    self.is_nearer_by_seek = film.is_nearer_by_seek

  def pictures(self, times):
    seen = collections.Counter()
    self.reads.append(seen)
    for places, shown in self._film.pictures(times):
      seen[float(times[places[0]])] += 1
      yield places, shown


def test_overlapping_windows_decode_a_frame_once(film):
  asked = windows([(0.0, 1.0), (0.0, 1.0), (0.2, 1.2)])
  with frames.open_video(film) as opened:
    counting = Counting(opened)
    found = list(streaming.read(counting, asked, spec(), INFO))
  assert len(found) == 3
  assert len(counting.reads) == 1
  assert set(counting.reads[0].values()) == {1}


@pytest.mark.parametrize('gop, reads', [(15, 2), (60, 1)])
def test_a_seek_is_made_where_a_keyframe_lies_between_windows(
  tmp_path, write_video, gop, reads
):
  asked = windows([(0.0, 0.3), (1.2, 1.5)])
  path = write_video(tmp_path / 'a.mp4', gop=gop)
  with frames.open_video(path) as opened:
    counting = Counting(opened)
    list(streaming.read(counting, asked, spec(frames=2), INFO))
  assert len(counting.reads) == reads


class Lying(picture.Readable):
  """A film that begins anew in the middle, having shown wrong frames."""

  def __init__(self, film):
    self._film = film
    self.duration, self.fps, self.name = film.duration, film.fps, film.name

  def pictures(self, times):
    first = list(self._film.pictures(times))
    wrong = first[-1][1]
    for places, _ in first[: len(first) // 2]:
      yield places, wrong
    yield from self._film.pictures(times)


def test_frames_that_turn_out_wrong_are_read_again(film):
  asked = windows([(0.0, 0.5), (0.5, 1.0), (1.0, None)])
  expected = alone(film, asked, spec())
  with frames.open_video(film) as opened:
    found = dict(streaming.read(Lying(opened), asked, spec(), INFO))
  for number, clip in enumerate(expected):
    np.testing.assert_array_equal(found[number]['video'], clip['video'])


def test_a_window_beyond_the_film_is_an_error(film):
  beyond = windows([(100.0, 101.0)])
  with (
    frames.open_video(film) as opened,
    pytest.raises(decode.DecodeError, match='outside of its'),
  ):
    list(streaming.read(opened, beyond, spec(), INFO))
