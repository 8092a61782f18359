"""Even steps: where clips of a test begin, and videos that are too short."""

import numpy as np
import pytest

from vidpetl.data import clip_spec, samplers
from vidpetl.tasks import task as task_lib


def frames_of(count, seed=0, **options):
  """Returns the frames, from 0, that clips of 25 fps show of `count`."""
  spec = clip_spec.ClipSpec.of(
    {'frames': 4, 'stride': 3, **options}, 'classification'
  )
  extent = samplers.Extent(2.0, 2.0 + count / 25, 100.0)
  draws = samplers.Draws(np.array([seed, 3], np.uint32))
  times = spec.sampler.times(extent, spec, 25.0, draws)
  return np.floor((times - 2.0) * 25 + 1e-6).astype(int).tolist()


@pytest.mark.parametrize('train', [True, False])
def test_a_short_video_holds_the_last_frame_that_its_steps_reach(train):
  assert frames_of(8, train=train) == [[0, 3, 6, 6]]
  assert frames_of(10, train=train) == [[0, 3, 6, 9]]
  assert frames_of(1, train=train) == [[0, 0, 0, 0]]


def test_a_short_video_may_loop():
  assert frames_of(8, short='loop') == [[0, 3, 6, 1]]


def test_a_short_video_may_be_stretched():
  assert frames_of(8, short='stretch') == [[0, 2, 4, 6]]
  assert frames_of(2, short='stretch') == [[0, 0, 1, 1]]


@pytest.mark.parametrize('short', ['hold', 'loop', 'stretch'])
def test_a_video_that_is_long_enough_is_walked_in_even_steps(short):
  for count in (12, 13, 40):
    for seed in range(20):
      (clip,) = frames_of(count, seed, short=short, train=True)
      assert np.diff(clip).tolist() == [3, 3, 3]
      assert clip[0] >= 0 and clip[-1] < count


@pytest.mark.parametrize('count', [16, 25, 26, 31, 300])
def test_ten_clips_begin_where_rspnets_do(count):
  """Its EvenNCrop: linspace(0, count - length, 10), rounded."""
  found = frames_of(count, frames=16, stride=1, views=(10, 1))
  begins = np.round(np.linspace(0, count - 16, 10)).astype(int)
  assert [clip[0] for clip in found] == begins.tolist()
  assert all(np.diff(clip).tolist() == [1] * 15 for clip in found)


@pytest.mark.parametrize('count', [12, 13, 20, 101])
def test_clips_may_begin_in_the_centres_of_parts_as_mmactions_do(count):
  """By whole numbers: (2 j + 1) (n - length + 1) // (2 k)."""
  found = frames_of(count, views=(3, 1), places='centres')
  begins = [(2 * j + 1) * (count - 11) // 6 for j in range(3)]
  assert [clip[0] for clip in found] == begins


def test_one_clip_of_a_test_is_in_the_middle():
  assert frames_of(20) == [[4, 7, 10, 13]]
  # The earlier of two frames, as in mmaction and ST-Adapter.
  assert frames_of(19)[0][0] == 3


@pytest.mark.parametrize('field', ['short', 'places'])
def test_mistakes_are_named(field):
  with pytest.raises(ValueError, match=f"{field}='no': it must be one of"):
    frames_of(20, **{field: 'no'})


def test_clips_of_older_configs_loop():
  fields = {'task': 'classification', 'clip': {'stride': 3}, 'eval_clip': {}}
  found = task_lib.fitting(fields)
  assert found['clip']['short'] == found['eval_clip']['short'] == 'loop'
  fields['clip'] = {'stride': 3, 'short': 'hold', 'sampling': 'stride'}
  assert task_lib.fitting(fields)['clip']['short'] == 'hold'
  fields['clip'] = {'sampling': 'segments'}
  assert 'short' not in task_lib.fitting(fields)['clip']


def test_results_say_how_clips_were_sampled():
  spec = clip_spec.ClipSpec.of({'short': 'stretch'}, 'classification')
  said = task_lib.clip_protocol(spec)
  assert (said['sampling'], said['short']) == ('stride', 'stretch')
