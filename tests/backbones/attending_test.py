import operator
import re
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gaussian import normal

from vidpetl.backbones import attending, windows

# Ways that run here; splash_test and whole_rows_test have the TPU's, cuDNN's
# needs a GPU.
TPUS = ('splash', 'whole rows')
HERE = [way for way in attending.WAYS if way.name not in ('cudnn', *TPUS)]
NAME = operator.attrgetter('name')
JAX_ATTENTION = jax.nn.dot_product_attention
H100 = types.SimpleNamespace(platform='gpu', compute_capability='9.0')


def of(n, m, bias):
  """Queries, keys, values of rows [2, 3], and a bias with such leading axes."""
  q, k, v = (
    normal(2, 3, length, 2, 4, seed=i) for i, length in enumerate((n, m, m))
  )
  return q, k, v, None if bias is None else normal(*bias, n, n, seed=3)


def jax_attention(q, k, v, bias=None):
  whole = jnp.zeros(1)
  if bias is not None:  # The first key was added by a technique: it has none.
    whole = jnp.pad(bias, [(0, 0)] * (bias.ndim - 1) + [(1, 0)])
  whole = jnp.broadcast_to(whole, (2, 3, 2, 5, 6)).reshape(6, 2, 5, 6)
  flat = [x.reshape(6, *x.shape[2:]) for x in (q, k, v)]
  return jax.nn.dot_product_attention(*flat, bias=whole).reshape(q.shape)


@pytest.mark.parametrize('bias', [None, (2,), (3, 1), (3, 2)])
@pytest.mark.parametrize('way', HERE, ids=NAME)
def test_attention_and_its_gradients_are_those_of_jax(way, bias):
  arrays = [x for x in of(5, 6, bias) if x is not None]
  ours = lambda q, k, v, bias=None: way.attend(q, k, v, bias)
  np.testing.assert_allclose(ours(*arrays), jax_attention(*arrays), atol=1e-5)
  of_each = tuple(range(len(arrays)))
  loss = lambda attend: lambda *arrays: jnp.sum(attend(*arrays) ** 2)
  for got, expected in zip(
    jax.grad(loss(ours), of_each)(*arrays),
    jax.grad(loss(jax_attention), of_each)(*arrays),
  ):
    np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize('bias', [None, (3, 2)])
@pytest.mark.parametrize('way', HERE, ids=NAME)
def test_capped_attention_and_its_gradients_are_those_written_out(way, bias):
  q, k, v, bias = of(5, 6, bias)
  q, cap = 3 * q, 2.0

  def plain(q, k, v, bias=0.0):
    scores = jnp.einsum('...nhc,...mhc->...hnm', q, k) / 2
    scores = cap * jnp.tanh(scores / cap)
    if jnp.ndim(bias):
      bias = jnp.pad(bias, [(0, 0)] * 3 + [(1, 0)])
    weights = jax.nn.softmax(scores + bias)
    return jnp.einsum('...hnm,...mhc->...nhc', weights, v)

  arrays = [x for x in (q, k, v, bias) if x is not None]
  ours = lambda q, k, v, bias=None: way.attend(q, k, v, bias, cap)
  np.testing.assert_allclose(ours(*arrays), plain(*arrays), atol=1e-5)
  back = lambda attend: jax.vjp(attend, *arrays)[1](normal(*q.shape, seed=9))
  for got, expected in zip(back(ours), back(plain)):
    np.testing.assert_allclose(got, expected, atol=1e-4)


# Of three rows' last four tokens; queries have one in front, keys two.
PARTS = np.array([[1, 1, 2, 2], [1, 1, 1, 1], [4, 2, 4, 3]])


def written_out(*arrays, implementation, **more):
  """Attention as JAX has it, whatever kernel is asked for."""
  del implementation
  return JAX_ATTENTION(*arrays, **more)


@pytest.mark.parametrize(
  'way', [way for way in attending.WAYS if way.name not in TPUS], ids=NAME
)
def test_tokens_of_two_parts_are_held_apart_as_by_a_bias(monkeypatch, way):
  monkeypatch.setattr(jax.nn, 'dot_product_attention', written_out)
  monkeypatch.setattr(windows, 'APART', -3.0)
  q, k, v, bias = of(5, 6, (2,))
  apart = np.zeros((3, 1, 5, 5), np.float32)
  apart[:, 0, 1:, 1:] = -3.0 * (PARTS[:, :, None] != PARTS[:, None])

  def by_bias(q, k, v, bias):
    return way.attend(q, k, v, bias + apart)

  def by_parts(q, k, v, bias):
    return way.attend(q, k, v, bias, None, PARTS)

  arrays, g = (q, k, v, bias), normal(*q.shape, seed=9)
  expected, back = jax.vjp(by_bias, *arrays)
  got, pulled = jax.vjp(by_parts, *arrays)
  np.testing.assert_allclose(got, expected, atol=1e-5)
  for ours, theirs in zip(pulled(g), back(g)):
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
  # What differs from row to row is in the program once per token.
  text = jax.jit(by_parts).lower(*arrays).as_text()
  constants = re.findall(r'constant .* : tensor<([\dx]+)x\w+>', text)
  assert constants == ['3x4']


def test_a_bias_of_many_windows_is_not_summed_by_a_reduction_on_a_cpu():
  q, k, v, bias = of(5, 6, (3, 2))
  attend = lambda bias: jnp.sum(attending.attend(q, k, v, bias))
  assert 'axes=(0,)' not in str(jax.make_jaxpr(jax.grad(attend))(bias))


@pytest.mark.parametrize('way', HERE, ids=NAME)
def test_no_product_of_attention_is_in_float32_where_16_bits_are_asked(way):
  q = jnp.zeros((2, 5, 2, 4), jnp.bfloat16)
  loss = lambda *arrays: jnp.sum(way.attend(*arrays, None) ** 2, dtype=float)
  text = jax.jit(jax.grad(loss, (0, 1, 2))).lower(q, q, q).as_text()
  products = [line for line in text.splitlines() if 'dot_general' in line]
  assert len(products) == 6  # Two forward, four backward.
  operands = [line.split(' : ')[-1].split(' -> ')[0] for line in products]
  assert not [line for line in operands if 'f32' in line.replace('bf16', '')]


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
    ('cpu', None, jnp.bfloat16, 196, 64, 'heads first'),
    ('tpu', None, jnp.bfloat16, 16, 64, 'whole rows'),  # Side by side.
    ('tpu', None, jnp.bfloat16, 17, 64, 'plain'),
    ('tpu', None, jnp.bfloat16, 196, 64, 'whole rows'),
    ('tpu', None, jnp.bfloat16, 1568, 128, 'whole rows'),
    ('tpu', None, jnp.bfloat16, 196, 32, 'whole rows'),
    ('tpu', None, jnp.bfloat16, 196, 80, 'plain'),
    ('tpu', None, jnp.bfloat16, 8192, 64, 'splash'),
    ('tpu', None, jnp.float32, 196, 64, 'plain'),
    ('tpu', None, jnp.float32, 1568, 80, 'splash'),
    ('tpu', None, jnp.bfloat16, 3137, 128, 'whole rows'),
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
  capped = attending.way(q, q, None, device, 50.0).name
  splash = 'splash' if m >= 512 else 'plain'
  assert capped == {'cudnn': 'plain', 'whole rows': splash}.get(name, name)


@pytest.mark.parametrize(
  'keys, heads, windows, name',
  [
    (392, 4, (), 'whole rows'),  # Swin-B's windows.
    (392, 3, (), 'whole rows'),  # Swin-T's: tokens of 96 channels.
    (392, 10, (), 'plain'),  # 320 channels fill two registers and a half.
    (392, 4, (64,), 'plain'),
    (784, 4, (), 'whole rows'),  # With 16 moments.
    (3200, 4, (), 'plain'),
  ],
)
def test_windows_of_one_bias_have_a_kernel_on_tpus(keys, heads, windows, name):
  q = jax.ShapeDtypeStruct((2, 64, keys, heads, 32), jnp.bfloat16)
  bias = jax.ShapeDtypeStruct((*windows, heads, keys, keys), jnp.float32)
  tpu = types.SimpleNamespace(platform='tpu')
  assert attending.way(q, q, bias, tpu).name == name


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
