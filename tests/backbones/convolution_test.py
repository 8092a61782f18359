"""Padding, both forms of convolution, pooling and running statistics."""

import itertools
import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.backbones import convolution, i3d


@pytest.mark.parametrize(
  'kernel, strides, sizes, same, static',
  [
    ((7, 7, 7), (2, 2, 2), (16, 112, 7), [(2, 3)] * 2 + [(3, 3)], (2, 3)),
    ((3, 3, 3), (2, 2, 2), (8, 14, 9), [(0, 1)] * 2 + [(1, 1)], (0, 1)),
    ((2, 2, 2), (2, 2, 2), (4, 14, 7), [(0, 0)] * 2 + [(0, 1)], (0, 0)),
    ((3, 3, 3), (1, 1, 1), (4, 14, 7), [(1, 1)] * 3, (1, 1)),
  ],
)
def test_paddings(kernel, strides, sizes, same, static):
  assert convolution.same(sizes, kernel, strides) == tuple(same)
  assert convolution.static(sizes, kernel, strides) == (static,) * 3
  half = kernel[0] // 2
  assert convolution.centred(sizes, kernel, strides) == ((half, half),) * 3
  assert i3d.mixed(sizes[::-1], kernel, strides) == (same[-1], static, static)


def convolve_by_loops(x, kernel, strides, pads):
  x = np.pad(x, [(0, 0), *pads, (0, 0)])
  size = kernel.shape[:3]
  counts = [(n - k) // s + 1 for n, k, s in zip(x.shape[1:4], size, strides)]
  out = np.zeros((len(x), *counts, kernel.shape[-1]))
  for place in itertools.product(*map(range, counts)):
    i, j, k = (slice(p * s, p * s + n) for p, s, n in zip(place, strides, size))
    out[:, *place] = np.tensordot(x[:, i, j, k], kernel, 4)
  return out


@pytest.mark.parametrize(
  'kernel, strides, pads',
  [
    ((3, 3, 3), (1, 1, 1), ((1, 1),) * 3),
    ((3, 3, 2), (2, 2, 1), ((0, 1), (1, 1), (0, 0))),
    ((3, 1, 1), (2, 1, 1), ((1, 1), (0, 0), (0, 0))),
    ((1, 1, 1), (2, 2, 2), ((0, 0),) * 3),
    ((1, 1, 1), (1, 1, 1), ((0, 0), (1, 0), (0, 0))),
  ],
)
def test_all_forms_of_convolution_are_what_loops_make(kernel, strides, pads):
  rng = np.random.default_rng(0)
  x = rng.normal(size=(2, 5, 6, 7, 3)).astype(np.float32)
  w = rng.normal(size=(*kernel, 3, 4)).astype(np.float32)
  expected = convolve_by_loops(x, w, strides, pads)
  weights = rng.normal(size=expected.shape).astype(np.float32)

  def gradients(form):
    return jax.jit(
      jax.grad(lambda x, w: (form(x, w, strides, pads) * weights).sum(), (0, 1))
    )(x, w)

  close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
  for form in (convolution.direct, convolution.by_taps, convolution.folded):
    close(jax.jit(form, static_argnums=(2, 3))(x, w, strides, pads), expected)
    jax.tree.map(close, gradients(form), gradients(convolution.direct))


LARGE = [
  ((3, 3, 3), (1, 1, 1), ((1, 1),) * 3),
  ((3, 3, 3), (2, 2, 2), ((1, 1),) * 3),
  ((3, 3, 3), (2, 2, 2), ((0, 1), (1, 1), (1, 2))),
  ((3, 7, 7), (1, 2, 2), ((1, 1), (3, 3), (3, 3))),
  ((7, 7, 7), (2, 2, 2), ((2, 3), (2, 3), (3, 3))),
  ((1, 3, 3), (1, 2, 2), ((0, 0), (1, 1), (1, 1))),
  ((3, 1, 1), (2, 1, 1), ((1, 1), (0, 0), (0, 0))),
  ((1, 1, 1), (2, 2, 2), ((0, 0),) * 3),
  ((2, 3, 2), (1, 1, 1), ((0, 0), (0, 1), (1, 0))),
]


@pytest.mark.tail(6)
@pytest.mark.parametrize(
  'wrap', [lambda f: f, jax.jit, jax.checkpoint], ids=['eager', 'jit', 'remat']
)
@pytest.mark.parametrize('kernel, strides, pads', LARGE)
def test_gradient_by_columns(monkeypatch, wrap, kernel, strides, pads):
  monkeypatch.setattr(convolution, '_columns_pay', lambda *_: True)
  rng = np.random.default_rng(0)
  x = rng.normal(size=(2, 5, 8, 7, 3)).astype(np.float32)
  w = rng.normal(size=(*kernel, 3, 4)).astype(np.float32)

  def gradients(form):
    loss = lambda x, w: jnp.sum(jnp.sin(form(x, w, strides, pads)))
    return jax.value_and_grad(wrap(loss), (0, 1))(x, w)

  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3),
    gradients(convolution.direct),
    gradients(convolution.by_taps),
  )


def test_columns_are_for_large_layers():
  def by_columns(*shape, width):
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    kernel = jax.ShapeDtypeStruct((3, 3, 3, shape[-1], width), jnp.float32)
    form = lambda x, w: convolution.by_taps(x, w, (1, 1, 1), ((1, 1),) * 3)
    loss = lambda x, w: jnp.sum(form(x, w))
    return 'scan' in str(jax.make_jaxpr(jax.grad(loss, 1))(x, kernel))

  assert by_columns(2, 16, 56, 56, 64, width=64)
  assert by_columns(2, 4, 14, 14, 256, width=256)
  assert not by_columns(2, 2, 7, 7, 512, width=512)
  assert not by_columns(2, 16, 56, 56, 16, width=16)
  assert not by_columns(2, 16, 56, 56, 3, width=64)


@pytest.mark.parametrize('wrap', [lambda f: f, jax.checkpoint])
def test_a_frozen_kernel_has_no_gradient_computed(monkeypatch, wrap):
  monkeypatch.setattr(convolution, '_columns_pay', lambda *_: True)
  asked = []
  monkeypatch.setattr(
    convolution, 'kernel_gradient', lambda *a: asked.append(a)
  )
  kernel = jnp.ones((3, 3, 3, 2, 4))
  form = lambda x: convolution.by_taps(x, kernel, (1, 1, 1), ((1, 1),) * 3)
  jax.grad(wrap(lambda x: form(x).sum()))(jnp.ones((1, 4, 5, 5, 2)))
  assert not asked


def test_gradient_by_columns_in_bfloat16(monkeypatch):
  monkeypatch.setattr(convolution, '_columns_pay', lambda *_: True)
  x = jax.random.normal(jax.random.key(0), (2, 4, 6, 6, 3))
  conv = convolution.Conv(4, (3, 3, 3))
  params = conv.init(jax.random.key(1), x)

  def gradient(dtype):
    module = nn.remat(convolution.Conv)(4, (3, 3, 3), dtype=dtype)
    loss = lambda p: jnp.sum(module.apply(p, x).astype(jnp.float32) ** 2)
    return jax.jit(jax.grad(loss))(params)['params']['kernel']

  half, whole = gradient(jnp.bfloat16), gradient(jnp.float32)
  assert half.dtype == whole.dtype == jnp.float32
  np.testing.assert_allclose(half, whole, atol=0.02 * float(abs(whole).max()))


@pytest.mark.parametrize(
  'platform, form',
  [
    ('cpu', convolution.by_taps),
    ('gpu', convolution.folded),
    ('tpu', convolution.direct),
  ],
)
def test_form_goes_by_device(platform, form):
  device = types.SimpleNamespace(platform=platform)
  assert convolution.form(device) is form


def test_max_pool_of_i3d_pads_with_zeros_and_keeps_partial_windows():
  x = -jnp.arange(1.0, 6.0).reshape(1, 1, 1, 5, 1)
  pool = lambda padding: np.ravel(
    i3d.max_pool(x, (1, 1, 3), (1, 1, 2), padding)
  )
  # Around 5: one zero on both sides; or one behind, which makes windows of
  # (-1, -2, -3), (-3, -4, -5) and, beyond the six, (-5, 0).
  assert pool(convolution.same).tolist() == [0, -2, 0]
  assert pool(convolution.static).tolist() == [-1, -3, 0]
  partial = i3d.max_pool(x, (1, 1, 2), (1, 1, 2), convolution.static)
  assert np.ravel(partial).tolist() == [-1, -3, -5]


def test_statistics_move_by_the_published_share():
  unit = convolution.ConvNet(momentum=0.9).unit(True)(2)
  x = np.random.default_rng(0).normal(3, 2, (2, 3, 4, 4, 2)).astype(np.float32)
  variables = unit.init(jax.random.key(0), x)
  _, moved = unit.apply(variables, x, mutable='batch_stats')
  y = x @ variables['params']['conv']['kernel'][0, 0, 0]
  norm = moved['batch_stats']['norm']
  places = (0, 1, 2, 3)
  np.testing.assert_allclose(norm['mean'], 0.1 * y.mean(places), rtol=1e-4)
  np.testing.assert_allclose(norm['var'], 0.9 + 0.1 * y.var(places), rtol=1e-4)
