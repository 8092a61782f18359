import functools
import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.backbones import layers
from vidpetl.backbones import site as site_lib

Grid = site_lib.Grid


def normal(*shape, seed=0):
  rng = np.random.default_rng(seed)
  return rng.normal(size=shape).astype(np.float32)


def params_of(module, *args, **kwargs):
  """Parameters far from their start, so that every one of them matters."""
  shapes = jax.eval_shape(
    lambda *args: module.init(jax.random.key(0), *args, **kwargs), *args
  )
  return jax.tree.map(lambda x: 0.3 * normal(*x.shape, seed=x.size), shapes)


def run(module, params, *args, **kwargs):
  return jax.jit(lambda *x: module.apply(*x, **kwargs))(params, *args)


def test_attention_is_flax_attention_with_its_parameters():
  x = normal(2, 5, 8)
  ours, flaxs = (
    layers.Attention(2, Grid(5, 1, 1)),
    (nn.MultiHeadDotProductAttention(2)),
  )
  params = params_of(ours, x)
  np.testing.assert_allclose(
    run(ours, params, x), run(flaxs, params, x), atol=1e-5
  )


@pytest.mark.parametrize('bias', [False, True])
def test_attend_is_jax_attention(bias):
  q, k, v = (normal(2, 3, n, 2, 4, seed=n) for n in (5, 6, 6))
  # The first key was added by a technique and has no bias.
  own = normal(3, 2, 5, 5) if bias else None
  whole = np.pad(own, [(0, 0)] * 3 + [(1, 0)]) if bias else np.zeros(1)
  flat = [x.reshape(6, *x.shape[2:]) for x in (q, k, v)]
  whole = np.broadcast_to(whole, (2, 3, 2, 5, 6)).reshape(6, 2, 5, 6)
  expected = jax.nn.dot_product_attention(*flat, bias=whole)
  np.testing.assert_allclose(
    layers.attend(q, k, v, own), expected.reshape(q.shape), atol=1e-5
  )


@pytest.mark.parametrize(
  'platform, capability, dtype, c, fused',
  [
    ('gpu', '9.0', jnp.bfloat16, 64, True),
    ('gpu', '8.0', jnp.float16, 128, True),
    ('gpu', '9.0', jnp.float32, 64, False),
    ('gpu', '9.0', jnp.bfloat16, 36, False),
    ('gpu', '9.0', jnp.bfloat16, 256, False),
    ('gpu', '7.5', jnp.bfloat16, 64, False),
    ('gpu', 'gfx90a', jnp.bfloat16, 64, False),
    ('cpu', None, jnp.bfloat16, 64, False),
  ],
)
def test_attention_is_fused_where_cudnn_has_it(
  platform, capability, dtype, c, fused
):
  device = types.SimpleNamespace(platform=platform)
  if capability:
    device.compute_capability = capability
  q = jax.ShapeDtypeStruct((1, 5, 2, c), dtype)
  assert layers.takes_fused(q, device) is fused


def test_fused_attention_folds_rows(monkeypatch):
  q, k, v = (normal(2, 3, n, 2, 8, seed=n) for n in (5, 6, 6))
  plain = layers.attend(q, k, v)
  xla = jax.nn.dot_product_attention

  def fused(*args, implementation):
    assert implementation == 'cudnn'
    return xla(*args)

  monkeypatch.setattr(layers, 'takes_fused', lambda q: True)
  monkeypatch.setattr(jax.nn, 'dot_product_attention', fused)
  np.testing.assert_allclose(layers.attend(q, k, v), plain, atol=1e-5)


def test_embedding_is_a_convolution_with_its_parameters():
  video = normal(2, 4, 8, 12, 3)
  ours = layers.Embedding(6, (2, 4, 3))
  conv = nn.Conv(6, (2, 4, 3), strides=(2, 4, 3), padding='VALID')
  params = params_of(ours, video)
  np.testing.assert_allclose(
    run(ours, params, video), run(conv, params, video), atol=1e-4
  )


def test_embedding_refuses_a_video_it_would_cut():
  with pytest.raises(ValueError, match=r'the frames of .* are 5'):
    layers.Embedding(6, (2, 4, 4)).init(
      jax.random.key(0), jnp.zeros((1, 5, 8, 8, 3))
    )


def pre_norm(params, x):
  """A transformer block of Flax's layers, with scenic's names."""

  def part(module, name, x):
    return module.apply({'params': params[name]}, x)

  norm = nn.LayerNorm(epsilon=1e-6)
  attention = nn.MultiHeadDotProductAttention(2)
  y = part(norm, 'LayerNorm_0', x)
  x = x + part(attention, 'MultiHeadDotProductAttention_0', y)
  y = part(norm, 'LayerNorm_1', x)
  mlp = params['MlpBlock_0']
  y = y @ mlp['Dense_0']['kernel'] + mlp['Dense_0']['bias']
  y = 0.5 * y * (1 + jnp.tanh((2 / jnp.pi) ** 0.5 * (y + 0.044715 * y**3)))
  return x + y @ mlp['Dense_1']['kernel'] + mlp['Dense_1']['bias']


def test_block_is_pre_norm():
  x = normal(2, 5, 8)
  block = layers.Block(heads=2, mlp=16, grid=Grid(5, 1, 1))
  params = params_of(block, x)
  np.testing.assert_allclose(
    run(block, params, x), jax.jit(pre_norm)(params['params'], x), atol=1e-4
  )


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
  x = normal(3, 5, 8)
  grid = Grid(5, 1, 1)
  block = functools.partial(layers.Block, heads=2, mlp=16)
  two, one = (layers.Encoder(block, n, stochastic_depth=1.0) for n in (2, 1))
  params = params_of(two, x, grid=grid, train=False)
  keys = {'dropout': jax.random.key(0)}
  dropped = run(two, params, x, grid=grid, train=True, rngs=keys)
  alone = run(one, params, x, grid=grid, train=False)
  np.testing.assert_allclose(dropped, alone, atol=1e-5)
  assert not np.allclose(dropped, run(two, params, x, grid=grid, train=False))


def test_rows_do_not_see_each_other():
  x = normal(2, 6, 4, 8)
  grid = Grid(4, 2, 3, rows='location')
  encoder = layers.Encoder(functools.partial(layers.Block, heads=2, mlp=16), 1)
  params = params_of(encoder, x, grid=grid, train=False)
  out = run(encoder, params, x, grid=grid, train=False)
  line = Grid(4, 1, 1)
  one = jax.jit(lambda x: encoder.apply(params, x, line, False))
  for i in range(6):
    np.testing.assert_allclose(out[:, i], one(x[:, i]), atol=1e-5)


def test_batch_is_constrained_under_a_mesh_only():
  x = jnp.ones((4, 3))
  lowered = lambda: jax.jit(layers.constrain_batch).lower(x).as_text()
  assert 'sharding_constraint' not in lowered()
  auto = (jax.sharding.AxisType.Auto,) * 2
  with jax.set_mesh(jax.make_mesh((1, 1), ('data', 'fsdp'), axis_types=auto)):
    assert '"data", "fsdp"' in lowered()
  with jax.set_mesh(jax.make_mesh((1, 1), ('model', 'x'), axis_types=auto)):
    assert 'sharding_constraint' not in lowered()
