"""What blocks make is read from outside, of every backbone."""

import jax
import numpy as np
import pytest
import tiny

from vidpetl.petl import adapted


def run(backbone, blocks):
  model = adapted.Adapted(backbone, blocks=blocks)
  variables = tiny.initial(model)
  return jax.jit(lambda v: model.apply(v, tiny.VIDEO, False))(variables)


@pytest.mark.table(8)
@pytest.mark.parametrize('remat', [False, True])
@pytest.mark.parametrize('name', tiny.BACKBONES)
def test_blocks_of_every_transformer_are_read(name, remat):
  found = run(tiny.BACKBONES[name](remat=remat), (0, -1)).blocks
  assert set(found) == {0, -1}
  assert found[0].grid.ndim == found[-1].grid.ndim == 5
  assert np.isfinite(found[-1].grid).all()


def test_the_last_block_is_what_the_last_norm_is_given():
  features = run(tiny.BACKBONES['videomae'](), (-1,))
  x = features.blocks[-1].grid
  x = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
  np.testing.assert_allclose(x, features.grid, atol=1e-3)


def test_class_tokens_stand_beside_the_grid():
  block = run(tiny.BACKBONES['clip'](), (0,)).blocks[0]
  assert block.grid.shape == (2, 4, 2, 2, 8)
  assert block.lead.shape == (2, 4, 1, 8)


def test_a_block_that_is_not_there_is_named():
  with pytest.raises(ValueError, match=r'block 5 is asked for.* 0 to 2'):
    run(tiny.BACKBONES['swin'](), (5,))


def test_views_keep_their_axes():
  features = run(tiny.BACKBONES['clip'](), (0,)).split((1, 2))
  assert features.blocks[0].grid.shape == (1, 2, 4, 2, 2, 8)
