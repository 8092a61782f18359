import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.tasks.quality import segments


@pytest.mark.parametrize('lead', [(2,), (2, 3)])
def test_segments_are_the_frames_they_say(lead):
  video = jnp.arange(np.prod(lead) * 20.0).reshape(*lead, 20, 1, 1, 1)
  cut = segments.cut(video, (0, 3, 12), 8)
  assert cut.shape == (*lead, 3, 8, 1, 1, 1)
  np.testing.assert_array_equal(
    cut[..., 1, :, 0, 0, 0], video[..., 3:11, 0, 0, 0]
  )
  np.testing.assert_array_equal(
    cut[..., 2, :, 0, 0, 0], video[..., 12:, 0, 0, 0]
  )


@pytest.mark.parametrize('task', ['usdl', 'core', 'tsa'])
def test_a_segment_beyond_the_clip_is_named(make_task, task):
  exemplar = '' if task == 'usdl' else 'any'
  with pytest.raises(ValueError, match=r'config\.tasks\.dives\.starts has 9'):
    make_task(task, exemplar=exemplar, starts=[0, 9])
  make_task(task, exemplar=exemplar, starts=[0, 8])


@pytest.mark.parametrize(
  'task, frames, count',
  [('usdl', 103, 10), ('core', 103, 10), ('tsa', 96, 9)],
)
def test_published_segments_are_the_default(make_task, task, frames, count):
  exemplar = '' if task == 'usdl' else 'any'
  module = __import__(f'vidpetl.tasks.quality.{task}', fromlist=['build']).build
  default = module.__dataclass_fields__['starts'].default
  made = make_task(task, frames, exemplar, starts=default, length=16)
  assert len(made.starts) == count
  assert frames - (made.starts[-1] + 16) <= 1
