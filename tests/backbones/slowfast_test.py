"""SlowFast: frames of its pathways, its dilated stage, mistakes."""

import jax
import jax.numpy as jnp
import pytest

from vidpetl.backbones import slowfast


def test_the_slow_pathway_sees_frames_from_end_to_end():
  """As PySlowFast picks them: not each fourth."""
  assert slowfast.slow_frames(32, 4).tolist() == [0, 4, 8, 13, 17, 22, 26, 31]
  assert slowfast.slow_frames(4, 4).tolist() == [0]


def test_a_dilated_stage_keeps_its_grid():
  video = jax.ShapeDtypeStruct((1, 8, 64, 96, 3), jnp.float32)
  for dilated, sides in ((False, (2, 3)), (True, (4, 6))):
    model = slowfast.build(
      width=8, depths=(1, 1, 1, 1), alpha=4, dilated=dilated
    )
    out, _ = jax.eval_shape(
      lambda v, m=model: m.init_with_output(jax.random.key(0), v, False), video
    )
    assert out.grid.shape == (1, 2, *sides, 32 * 9)


@pytest.mark.parametrize(
  'fields, match',
  [
    ({'alpha': 3}, 'clips of 8 frames: SlowFast needs a multiple of'),
    ({'width': 12}, 'width=12 of SlowFast is no multiple of beta=8'),
    ({'lateral': 4}, 'lateral=4 of SlowFast must be odd'),
    ({'depths': (1,) * 5}, 'it has at most 4 stages'),
  ],
)
def test_mistakes_of_slowfast_are_named(fields, match):
  video = jax.ShapeDtypeStruct((1, 8, 32, 32, 3), jnp.float32)
  with pytest.raises(ValueError, match=match):
    model = slowfast.build(**{'width': 8, 'depths': (1,), **fields})
    jax.eval_shape(lambda v: model.init(jax.random.key(0), v, False), video)
