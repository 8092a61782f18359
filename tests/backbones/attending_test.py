import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.backbones import attending

H100 = types.SimpleNamespace(platform='gpu', compute_capability='9.0')


def normal(*shape, seed=0):
  rng = np.random.default_rng(seed)
  return jnp.asarray(rng.normal(size=shape), jnp.float32)


def of(n, m, bias):
  """Queries, keys, values of rows [2, 3], and a bias with such leading axes."""
  q, k, v = (
    normal(2, 3, length, 2, 4, seed=i) for i, length in enumerate((n, m, m))
  )
  return q, k, v, None if bias is None else normal(*bias, n, n, seed=3)


@pytest.mark.parametrize('bias', [None, (3, 2)])
def test_plain_is_jax_attention(bias):
  q, k, v, bias = of(5, 6, bias)
  whole = jnp.zeros(1)
  if bias is not None:  # The first key was added by a technique: it has none.
    whole = jnp.pad(bias, [(0, 0)] * 3 + [(1, 0)])
  whole = jnp.broadcast_to(whole, (2, 3, 2, 5, 6)).reshape(6, 2, 5, 6)
  flat = [x.reshape(6, *x.shape[2:]) for x in (q, k, v)]
  expected = jax.nn.dot_product_attention(*flat, bias=whole)
  np.testing.assert_allclose(
    attending.attend(q, k, v, bias), expected.reshape(q.shape), atol=1e-5
  )


@pytest.mark.parametrize(
  'platform, capability, dtype, m, c, name',
  [
    ('gpu', '9.0', jnp.bfloat16, 196, 64, 'cudnn'),
    ('gpu', '8.0', jnp.float16, 197, 128, 'cudnn'),
    ('gpu', '9.0', jnp.float32, 196, 64, 'plain'),
    ('gpu', '9.0', jnp.bfloat16, 196, 36, 'plain'),
    ('gpu', '9.0', jnp.bfloat16, 196, 256, 'plain'),
    ('gpu', '9.0', jnp.bfloat16, 16, 64, 'plain'),
    ('gpu', '7.5', jnp.bfloat16, 196, 64, 'plain'),
    ('gpu', 'gfx90a', jnp.bfloat16, 196, 64, 'plain'),
    ('cpu', None, jnp.bfloat16, 196, 64, 'plain'),
    ('tpu', None, jnp.bfloat16, 196, 64, 'plain'),
    ('tpu', None, jnp.bfloat16, 512, 64, 'splash'),
    ('tpu', None, jnp.float32, 1568, 80, 'splash'),
    ('tpu', None, jnp.bfloat16, 3137, 128, 'splash'),
    ('tpu', None, jnp.bfloat16, 3137, 256, 'plain'),
    ('tpu', None, jnp.float16, 1568, 64, 'plain'),
  ],
)
def test_attention_is_of_the_kernel_that_takes_it(
  platform, capability, dtype, m, c, name
):
  device = types.SimpleNamespace(platform=platform)
  if capability:
    device.compute_capability = capability
  q = jax.ShapeDtypeStruct((1, m, 2, c), dtype)
  assert attending.way(q, q, None, device).name == name


def test_plain_holds_for_every_device_within_its_context():
  q = jax.ShapeDtypeStruct((1, 196, 2, 64), jnp.bfloat16)
  with attending.plain():
    assert attending.way(q, q, None, H100).name == 'plain'
  assert attending.way(q, q, None, H100).name == 'cudnn'


@pytest.mark.parametrize(
  'n, m, bias',
  [
    (6, 6, None),
    (5, 5, None),
    (5, 8, None),
    (6, 6, (2,)),
    (5, 7, (2,)),
    (6, 8, (3, 2)),
    (5, 7, (3, 2)),
  ],
)
def test_fused_attention_and_its_gradients_are_the_plain_ones(
  n, m, bias, monkeypatch
):
  """Whatever rows, odd lengths, added keys and biases are made of for cuDNN."""
  xla = jax.nn.dot_product_attention

  def fused(q, k, v, implementation, **more):
    assert implementation == 'cudnn'
    assert q.shape[1] % 2 == k.shape[1] % 2 == 0
    return xla(q, k, v, **more)

  monkeypatch.setattr(jax.nn, 'dot_product_attention', fused)
  arrays = of(n, m, bias)
  plain, cudnn = attending.WAYS[-1].attend, attending.WAYS[0].attend
  given = tuple(i for i, x in enumerate(arrays) if x is not None)
  loss = lambda attend: lambda *arrays: jnp.sum(attend(*arrays) ** 2)
  np.testing.assert_allclose(cudnn(*arrays), plain(*arrays), atol=1e-5)
  for ours, expected in zip(
    jax.grad(loss(cudnn), given)(*arrays), jax.grad(loss(plain), given)(*arrays)
  ):
    np.testing.assert_allclose(ours, expected, atol=1e-4)
