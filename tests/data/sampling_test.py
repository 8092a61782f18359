"""Which frames: walks by hand, and draws that follow from the seed."""

import dataclasses

import numpy as np
import pytest

from vidpetl.data import clip_spec, decode, examples, samplers, sampling
from vidpetl.data.annotations.keyframes import Keyframe
from vidpetl.data.kinds import quality
from vidpetl.data.kinds.quality import Performance
from vidpetl.data.samplers import pace, spread, vspp

SEED = np.array([1, 2], np.uint32)
KINDS = {Performance: 'quality', Keyframe: 'localisation'}


@dataclasses.dataclass
class Opened:
  """What `frame_times` asks of an open video."""

  frames: int
  fps: float = 25.0
  name: str = 'a.mp4'

  @property
  def duration(self):
    return self.frames / self.fps


def performance(**options):
  return Performance('p', 1.0, **options)


def frames_of(total, annotation=None, seed=SEED, member=0, **options):
  """Returns the numbers, from 0, of the file's frames that a clip shows."""
  options = {'frames': 8, 'resize': 'crop', **options}
  spec = clip_spec.ClipSpec.of(options, 'unlabelled')
  annotation = annotation or performance()
  info = examples.Info('films', 'train', KINDS[type(annotation)], 0, {}, fps=25)
  times = sampling.frame_times(
    Opened(total), annotation, spec, info, samplers.Draws(seed, member)
  )
  return np.floor(times * 25 + 1e-6).astype(int).tolist()


def seeds(count):
  return [np.array([k, 3], np.uint32) for k in range(count)]


def run(first, last, step=1):
  return list(range(first, last + 1, step))


@pytest.mark.parametrize(
  'natural, rate, part, expected',
  [
    (1, 3, 2, [*run(150, 157), *run(160, 184, 3), *run(185, 199)]),
    (3, 1, 1, [*run(150, 158), *run(159, 225, 3)]),
    (1, 4, 4, [*run(150, 173), *run(177, 205, 4)]),
  ],
)
def test_vspp_walks(natural, rate, part, expected):
  walk = vspp.walk(
    150, rate, part, frames=32, parts=4, natural=natural, count=300
  )
  assert walk.tolist() == expected


@pytest.mark.parametrize(
  'part, ends', [(1, (0, 10)), (2, (10, 21)), (3, (21, 32))]
)
def test_vspp_parts_have_both_ends(part, ends):
  walk = vspp.walk(1, 5, part, frames=32, parts=3, natural=1, count=900)
  fast = np.flatnonzero(np.diff(walk) == 5) + 1
  first, last = ends
  # The first frame of the clip has none before it; the clip ends at 31.
  assert (fast[0], fast[-1]) == (max(first, 1), min(last, 31))


def test_vspp_begins_anew_at_the_end():
  """By hand: 4 frames must follow one at natural speed, `rate` a fast one."""
  walk = vspp.walk(14, 3, 2, frames=8, parts=2, natural=1, count=20)
  # 14 15 16 (16 + 4 = 20 is there) 17 (17 + 4 is not) -> 1, fast from i = 4.
  assert walk.tolist() == [14, 15, 16, 17, 1, 4, 7, 10]
  walk = vspp.walk(14, 3, 1, frames=8, parts=2, natural=1, count=20)
  # 14 17 20 (20 + 3 is not there) -> 1, 4: the part's last; then natural.
  assert walk.tolist() == [14, 17, 20, 1, 4, 5, 6, 7]


def test_pace_walks():
  walk = pace.walk(5, 3, frames=8, count=14)
  assert walk.tolist() == [5, 8, 11, 14, 1, 4, 7, 10]


def test_spread_has_both_ends():
  assert spread.frames_of(4, 10).tolist() == [1, 4, 7, 10]
  assert spread.frames_of(5, 10).tolist() == [1, 3, 5, 7, 10]
  assert spread.frames_of(5, 3).tolist() == [1, 1, 2, 2, 3]
  # Every frame of 113, none twice: places are whole numbers but for rounding.
  assert spread.frames_of(113, 113).tolist() == run(1, 113)


def test_spread_is_over_what_is_annotated():
  part = performance(start=1.0, end=2.2)  # Frames 25 to 54.
  assert frames_of(100, part, sampling='spread', frames=4) == [[25, 34, 44, 54]]
  assert frames_of(60, sampling='spread', frames=3) == [[0, 29, 59]]


def test_clips_of_a_spread_take_turns():
  found = frames_of(60, sampling='spread', frames=2, views=(3, 1))
  (together,) = frames_of(60, sampling='spread', frames=6)
  assert found == [together[0::3], together[1::3], together[2::3]]


def test_tail_is_the_last_frames():
  assert frames_of(100, performance(end=3.0), sampling='tail') == [run(67, 74)]
  # What is annotated may be shorter: frames before it are shown.
  short = performance(start=2.8, end=3.0)
  assert frames_of(100, short, sampling='tail') == [run(67, 74)]
  assert frames_of(100, performance(end=0.2), sampling='tail') == [run(0, 7)]
  assert frames_of(5, sampling='tail') == [[0, 1, 2, 3, 4, 4, 4, 4]]


def test_tail_is_shifted_in_training_within_the_file():
  def begins(end, **options):
    found = [
      frames_of(
        100, performance(end=end), seed, sampling='tail', shift=3, **options
      )[0]
      for seed in seeds(60)
    ]
    assert all(np.all(np.diff(clip) == 1) for clip in found)
    return {clip[0] for clip in found}

  assert begins(3.0, train=True) == set(run(64, 70))
  assert begins(4.0, train=True) == set(run(89, 92))
  assert begins(3.0, train=False) == {67}


def test_vspp_draws():
  sampler = vspp.Vspp(natural=3)
  labels = [sampler.labels(samplers.Draws(seed)) for seed in seeds(600)]
  speeds, counts = np.unique([x['speed'] for x in labels], return_counts=True)
  assert speeds.tolist() == [0, 1, 3, 4]
  assert counts.min() > 110
  _, counts = np.unique([x['part'] for x in labels], return_counts=True)
  assert len(counts) == 4 and counts.min() > 110
  drawn = dataclasses.replace(sampler, natural_drawn=True)
  labels = [drawn.labels(samplers.Draws(seed)) for seed in seeds(100)]
  assert {x['speed'] for x in labels} == set(range(5))


@pytest.mark.parametrize('train', [True, False])
def test_vspp_clips_show_their_labels(train):
  begins = []
  for seed in seeds(80):
    options = {'sampling': 'vspp', 'frames': 16, 'train': train}
    (clip,) = frames_of(400, seed=seed, **options)
    labels = vspp.Vspp().labels(samplers.Draws(seed))
    walk = vspp.walk(
      clip[0] + 1, labels['speed'] + 1, labels['part'] + 1,
      frames=16, parts=4, natural=1, count=397,
    )  # fmt: skip
    assert (np.array(clip) + 1).tolist() == walk.tolist()
    begins.append(clip[0])
  # U{1..397 - 16}, counted from 0.
  assert min(begins) < 20 and 360 < max(begins) <= 380


def test_vspp_of_short_videos_begins_at_the_first_frame():
  for seed in seeds(20):
    assert frames_of(10, seed=seed, sampling='vspp', frames=16)[0][0] == 0


def test_pace_clips_show_their_labels():
  begins = []
  for seed in seeds(80):
    (clip,) = frames_of(60, seed=seed, sampling='pace')
    rate = 1 + pace.Pace().labels(samplers.Draws(seed))['speed']
    walk = pace.walk(clip[0] + 1, rate, frames=8, count=60)
    assert (np.array(clip) + 1).tolist() == walk.tolist()
    begins.append(clip[0])
  assert min(begins) < 5 and 55 <= max(begins) <= 59


@pytest.mark.parametrize('train', [True, False])
def test_pairs_begin_at_two_random_places(train):
  pairs = np.array([
    frames_of(100, seed=seed, sampling='pair', stride=2, train=train)
    for seed in seeds(60)
  ])  # fmt: skip
  assert pairs.shape == (60, 2, 8)
  assert (np.diff(pairs) == 2).all()
  begins = pairs[..., 0]
  assert begins.min() < 8 and 75 < begins.max() <= 84
  assert abs(np.corrcoef(begins.T)[0, 1]) < 0.4


def test_pretext_clips_of_a_keyframe_are_around_it():
  empty = np.zeros((0, 4), np.float32)
  no_actions = np.zeros((0, 3), bool)
  frames = set()
  for seed in seeds(40):
    key = Keyframe(
      'k', 'film', '5', 5.0, empty, no_actions, empty,
      np.zeros(0, np.float32), no_actions,
    )  # fmt: skip
    frames.update(frames_of(300, key, seed, sampling='pace')[0])
  # 3 to 7 s.
  assert min(frames) == 75 and 165 < max(frames) < 175
  late = dataclasses.replace(key, time=20.0)
  with pytest.raises(decode.DecodeError, match='keyframe at 20'):
    frames_of(300, late, sampling='pace')


def test_members_of_a_clip_have_draws_of_their_own():
  first, second = (
    frames_of(200, member=k, train=True, stride=1)[0][0] for k in range(2)
  )
  assert first != second


def test_places_of_steps():
  times = np.array([1.0, 2.0, 3.0, 4.0])
  places = quality.step_places(times, np.array([2.5, 4.0, 0.5, 9.0, np.nan]))
  np.testing.assert_allclose(places, [1.5, 3, 0, 3, np.nan])
  looped = np.array([1.0, 2.0, 3.0, 1.0, 2.0])
  np.testing.assert_allclose(
    quality.step_places(looped, np.array([2.5])), [1.5]
  )


@pytest.mark.parametrize(
  'options, message',
  [
    ({'sampling': 'random'}, "sampling='random'; there are: around, pace, "),
    ({'sampling': 'pace', 'rates': 0}, 'rates'),
    ({'sampling': 'vspp', 'parts': 0}, 'parts'),
    ({'sampling': 'vspp', 'rates': 1}, 'no speed but natural=1'),
    ({'shift': 3}, 'no field shift'),
    ({'sampling': 'tail', 'shift': -1}, 'shift'),
    ({'sampling': 'tail', 'views': (2, 1)}, "'tail' has one"),
    ({'sampling': 'pace', 'views': (1, 3), 'resize': 'crop'}, "'pace'"),
  ],
)
def test_settings_that_make_no_sense(options, message):
  with pytest.raises(ValueError, match=message):
    clip_spec.ClipSpec.of(options, 'unlabelled')


@pytest.mark.parametrize(
  'options, message',
  [
    ({'exemplar': 'score'}, "exemplar='score'"),
    ({'exemplar': 'any', 'sampling': 'vspp'}, "sampling='vspp'"),
  ],
)
def test_exemplars_that_make_no_sense(options, message):
  with pytest.raises(ValueError, match=message):
    clip_spec.ClipSpec.of(options, 'quality')
