import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.backbones import attention
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
    attention.Attention(2, Grid(5, 1, 1)),
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
    attention.attend(q, k, v, own), expected.reshape(q.shape), atol=1e-5
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
  assert attention.takes_fused(q, device) is fused


def test_fused_attention_folds_rows(monkeypatch):
  q, k, v = (normal(2, 3, n, 2, 8, seed=n) for n in (5, 6, 6))
  plain = attention.attend(q, k, v)
  xla = jax.nn.dot_product_attention

  def fused(*args, implementation):
    assert implementation == 'cudnn'
    return xla(*args)

  monkeypatch.setattr(attention, 'takes_fused', lambda q: True)
  monkeypatch.setattr(jax.nn, 'dot_product_attention', fused)
  np.testing.assert_allclose(attention.attend(q, k, v), plain, atol=1e-5)


def test_width_that_heads_do_not_divide_is_refused():
  with pytest.raises(ValueError, match='8 cannot be split into 3'):
    attention.Attention(3, Grid(1, 1, 1)).init(
      jax.random.key(0), jnp.zeros((1, 1, 8))
    )
