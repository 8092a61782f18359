"""Sampling 'segments' against the frames that TSN's text describes."""

import dataclasses
import itertools

import numpy as np
import pytest

from vidpetl.data import clip_spec, samplers


def frames_of(count, seed=0, **options):
  """Returns the frames, from 0, that clips of 25 fps show of `count`."""
  options = {'frames': 8, 'sampling': 'segments', **options}
  spec = clip_spec.ClipSpec.of(options, 'classification')
  extent = samplers.Extent(2.0, 2.0 + count / 25, 100.0)
  draws = samplers.Draws(np.array([seed, 3], np.uint32))
  times = spec.sampler.times(extent, spec, 25.0, draws)
  return np.floor((times - 2.0) * 25 + 1e-6).astype(int)


def centres(count, frames, clip=0, clips=1):
  """One segment after the other, by fractions of whole numbers."""
  found = []
  for k in range(frames):
    # The place (clip + 1/2) / clips of segment [k n / t, (k + 1) n / t).
    found.append((2 * clips * k + 2 * clip + 1) * count // (2 * clips * frames))
  return found


@pytest.mark.parametrize('count', [1, 5, 8, 16, 50, 101, 300])
def test_a_test_shows_the_centre_of_each_segment(count):
  assert frames_of(count).tolist() == [centres(count, 8)]


def test_centres_by_hand():
  # Segments of 5 frames: 2.5 of each.
  assert frames_of(40).tolist() == [[2, 7, 12, 17, 22, 27, 32, 37]]


@pytest.mark.parametrize('count', [7, 64, 101])
def test_clips_of_a_test_show_places_of_their_own(count):
  found = frames_of(count, views=(3, 1)).tolist()
  assert found == [centres(count, 8, clip, 3) for clip in range(3)]


@pytest.mark.parametrize('count', [3, 8, 40, 101])
def test_training_shows_any_frame_of_each_segment(count):
  clips = np.concatenate(
    [frames_of(count, seed, train=True) for seed in range(300)]
  )
  for k, shown in enumerate(clips.T):
    first, last = k * count / 8, (k + 1) * count / 8
    inside = {n for n in range(count) if n + 1 > first and n < last}
    assert set(shown) == inside


@pytest.mark.parametrize('count', [1, 6, 8, 40, 101])
def test_rounded_segments_are_slowfasts(count):
  bounds = [round(i * (count - 1) / 8) for i in range(9)]
  pairs = list(itertools.pairwise(bounds))
  assert frames_of(count, rounded=True).tolist() == [
    [(a + b) // 2 for a, b in pairs]
  ]
  clips = np.concatenate(
    [frames_of(count, s, rounded=True, train=True) for s in range(300)]
  )
  for (first, last), shown in zip(pairs, clips.T):
    assert set(shown) == set(range(first, last + 1))


def test_segments_are_drawn_independently():
  places = np.array(
    [frames_of(8000, seed, train=True)[0] % 1000 for seed in range(400)]
  )
  assert abs(np.corrcoef(places.T)[np.triu_indices(8, 1)]).max() < 0.2
  np.testing.assert_allclose(places.mean(0), 499.5, atol=60)


def test_nothing_to_show_is_an_error():
  spec = clip_spec.ClipSpec.of({'sampling': 'segments'}, 'classification')
  extent = samplers.Extent(3.0, 2.0, 2.0)
  draws = samplers.Draws(np.zeros(2, np.uint32))
  with pytest.raises(samplers.OutsideError):
    spec.sampler.times(extent, dataclasses.replace(spec), 25.0, draws)
