"""Every MST-Adapter that is counted learns, wherever it sits."""

import functools

import jax
import numpy as np
import pytest
import tiny

from vidpetl.backbones import vit
from vidpetl.parameters import trainable
from vidpetl.petl import bindings
from vidpetl.recipes import methods

VIDEO = np.random.default_rng(0).normal(size=(2, 4, 28, 28, 3))
# The CLIPs of the paper, but for their widths and all but two blocks.
SMALL = {'width': 8, 'depth': 2, 'heads': 2, 'mlp': 8, 'patch': 14}


@functools.cache
def still(variant, placement, cls=True):
  """Returns the adapters that a loss on the summary does not move."""
  entries, _ = methods.make(
    'mst_adapter', placement=placement, bottleneck=4, cls=cls
  )
  backbone = vit.build(kind='clip', variant=variant, **SMALL)
  model = bindings.bind(backbone, entries)
  video = VIDEO.astype(np.float32)
  shapes = jax.eval_shape(lambda: model.init(tiny.key(0), video, False))
  params = tiny.random(
    {p: x.shape for p, x in trainable.flatten(shapes['params']).items()}
  )

  def loss(params):
    tree = {'params': trainable.unflatten(params)}
    return (model.apply(tree, video, False).summary * np.arange(8)).sum()

  grads = jax.jit(jax.grad(loss))(params)
  return {
    path.partition('/MSTAdapter')[0].partition('encoderblock_')[2]
    for path, grad in grads.items()
    if '/MSTAdapter' in path and not np.abs(grad).max() > 0
  }


@pytest.mark.tail(4)
@pytest.mark.parametrize('variant', ['B', 'L'])
@pytest.mark.parametrize('placement', methods.PLACEMENTS)
def test_every_adapter_learns(placement, variant):
  assert not still(variant, placement)


@pytest.mark.tail(1)
@pytest.mark.parametrize(
  'placement, dead',
  [
    ('post_residual', {'1/site_attn_residual', '1/site_mlp_residual'}),
    ('pre_residual', {'1/site_attn', '1/site_mlp'}),
    ('pre_norm', {'1/site_attn_residual'}),
    ('post_norm', {'1/site_mlp_in'}),
  ],
)
def test_the_last_ones_would_not_if_class_tokens_passed_them(placement, dead):
  assert still('B', placement, cls=False) == dead
