import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.backbones import layers
from vidpetl.petl import site as site_lib

Grid = site_lib.Grid


def init_and_apply(module, *args, seed=0, **kwargs):
  """Returns (params, output), with no parameter left at its start."""
  params = module.init(jax.random.key(seed), *args, **kwargs)
  leaves, tree = jax.tree.flatten(params)
  keys = jax.random.split(jax.random.key(seed + 1), len(leaves))
  leaves = [
    x + 0.3 * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves)
  ]
  params = jax.tree.unflatten(tree, leaves)
  return params, jax.jit(functools.partial(module.apply, **kwargs))(
    params, *args
  )


def test_attention_is_flax_attention_with_its_parameters():
  x = jax.random.normal(jax.random.key(0), (2, 5, 8))
  ours, out = init_and_apply(layers.Attention(2, Grid(5, 1, 1)), x)
  flaxs = nn.MultiHeadDotProductAttention(2)
  np.testing.assert_allclose(out, flaxs.apply(ours, x), atol=1e-5)


def test_embedding_is_a_convolution_with_its_parameters():
  video = jax.random.normal(jax.random.key(0), (2, 4, 8, 12, 3))
  params, out = init_and_apply(layers.Embedding(6, (2, 4, 3)), video)
  conv = nn.Conv(6, (2, 4, 3), strides=(2, 4, 3), padding='VALID')
  np.testing.assert_allclose(out, conv.apply(params, video), atol=1e-4)


def test_embedding_refuses_a_video_it_would_cut():
  with pytest.raises(ValueError, match=r'the frames of .* are 5'):
    layers.Embedding(6, (2, 4, 4)).init(
      jax.random.key(0), jnp.zeros((1, 5, 8, 8, 3))
    )


def test_block_is_pre_norm():
  x = jax.random.normal(jax.random.key(0), (2, 5, 8))
  block = layers.Block(heads=2, mlp=16, grid=Grid(5, 1, 1))
  params, out = init_and_apply(block, x)
  p = params['params']

  def part(module, name, x):
    return module.apply({'params': p[name]}, x)

  norm = nn.LayerNorm(epsilon=1e-6)
  attention = nn.MultiHeadDotProductAttention(2)
  y = part(norm, 'LayerNorm_0', x)
  x = x + part(attention, 'MultiHeadDotProductAttention_0', y)
  y = part(norm, 'LayerNorm_1', x)
  mlp = p['MlpBlock_0']
  y = y @ mlp['Dense_0']['kernel'] + mlp['Dense_0']['bias']
  y = 0.5 * y * (1 + jnp.tanh((2 / jnp.pi) ** 0.5 * (y + 0.044715 * y**3)))
  x = x + y @ mlp['Dense_1']['kernel'] + mlp['Dense_1']['bias']
  np.testing.assert_allclose(out, x, atol=1e-4)


def test_width_that_heads_do_not_divide_is_refused():
  with pytest.raises(ValueError, match='8 cannot be split into 3'):
    layers.Attention(3, Grid(1, 1, 1)).init(
      jax.random.key(0), jnp.zeros((1, 1, 8))
    )


@pytest.mark.parametrize('rescale', [False, True])
def test_stochastic_depth_drops_whole_examples(rescale):
  x = jnp.ones((400, 2, 3, 4))
  out = layers.StochasticDepth(0.25, rescale).apply(
    {}, x, rngs={'dropout': jax.random.key(0)}
  )
  kept = 1 / 0.75 if rescale else 1.0
  first = np.asarray(out[:, 0, 0, 0])
  np.testing.assert_array_equal(out, np.broadcast_to(first, (4, 3, 2, 400)).T)
  assert set(first) == {np.float32(0), np.float32(kept)}
  assert 0.68 < (first > 0).mean() < 0.82


def test_stochastic_depth_grows_from_the_first_block_to_the_last():
  """At rate 1 the last block is always dropped, the first never."""
  x = jax.random.normal(jax.random.key(0), (3, 5, 8))
  grid = Grid(5, 1, 1)
  block = functools.partial(layers.Block, heads=2, mlp=16)
  two = layers.Encoder(block, 2, stochastic_depth=1.0)
  params, out = init_and_apply(two, x, grid=grid, train=False)
  run = lambda encoder, train: encoder.apply(
    params, x, grid, train, rngs={'dropout': jax.random.key(0)}
  )
  dropped = run(two, True)
  np.testing.assert_allclose(
    dropped, run(layers.Encoder(block, 1), False), atol=1e-5
  )
  assert not np.allclose(dropped, out)


def test_rows_do_not_see_each_other():
  x = jax.random.normal(jax.random.key(0), (2, 6, 4, 8))
  grid = Grid(4, 2, 3, rows='location')
  encoder = layers.Encoder(functools.partial(layers.Block, heads=2, mlp=16), 2)
  params, out = init_and_apply(encoder, x, grid=grid, train=False)
  line = Grid(4, 1, 1)
  for i in range(6):
    alone = encoder.apply(params, x[:, i], line, False)
    np.testing.assert_allclose(out[:, i], alone, atol=1e-5)


def test_batch_is_constrained_under_a_mesh_only():
  x = jnp.ones((4, 3))
  lowered = lambda: jax.jit(layers.constrain_batch).lower(x).as_text()
  assert 'sharding_constraint' not in lowered()
  auto = (jax.sharding.AxisType.Auto,) * 2
  with jax.set_mesh(jax.make_mesh((1, 1), ('data', 'fsdp'), axis_types=auto)):
    assert '"data", "fsdp"' in lowered()
  with jax.set_mesh(jax.make_mesh((1, 1), ('model', 'x'), axis_types=auto)):
    assert 'sharding_constraint' not in lowered()
