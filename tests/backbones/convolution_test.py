"""Padding, both forms of convolution, pooling and running statistics."""

import itertools
import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.backbones import convolution, devices, i3d, planes, pooling


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
  for form in (convolution.direct, planes.by_taps, planes.folded):
    close(jax.jit(form, static_argnums=(2, 3))(x, w, strides, pads), expected)
    jax.tree.map(close, gradients(form), gradients(convolution.direct))


PLANES = [
  ((3, 3, 3), (1, 1, 1), ((1, 1),) * 3),
  ((3, 3, 3), (2, 2, 2), ((0, 1), (1, 1), (1, 2))),
  ((7, 7, 7), (2, 2, 2), ((2, 3), (2, 3), (3, 3))),
  ((3, 1, 1), (2, 1, 1), ((1, 1), (0, 0), (0, 0))),
  ((1, 1, 1), (2, 2, 2), ((0, 0),) * 3),
]
FRAMES = [
  ((3, 3, 3), ((1, 1),) * 3),
  ((2, 3, 2), ((0, 0), (0, 1), (1, 0))),
  ((3, 1, 1), ((0, 2), (0, 0), (0, 0))),
]


def assert_same_gradients(x, width, kernel, strides, pads, wrap=jax.jit):
  w = np.random.default_rng(1).normal(size=(*kernel, x.shape[-1], width))

  def gradients(form):
    loss = lambda x, w: jnp.sum(jnp.sin(form(x, w, strides, pads)))
    return jax.value_and_grad(wrap(loss), (0, 1))(x, w.astype(np.float32))

  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3),
    gradients(convolution.direct),
    gradients(planes.by_taps),
  )


@pytest.mark.tail(4)
@pytest.mark.parametrize('frames', [2, 5])
@pytest.mark.parametrize('kernel, strides, pads', PLANES)
def test_taps_skip_frames_of_zeros(monkeypatch, frames, kernel, strides, pads):
  monkeypatch.setattr(planes, '_FEWEST_CHANNELS', 1)
  x = np.random.default_rng(0).normal(size=(2, frames, 8, 7, 3))
  assert_same_gradients(x.astype(np.float32), 4, kernel, strides, pads)


@pytest.mark.parametrize('frames, convolutions', [(1, 1), (2, 3), (4, 3)])
def test_a_tap_that_sees_zeros_alone_is_not_computed(frames, convolutions):
  x, kernel = jnp.ones((1, frames, 4, 4, 16)), jnp.ones((3, 3, 3, 16, 2))
  form = lambda x, w: planes.by_taps(x, w, (1, 1, 1), ((1, 1),) * 3)
  text = str(jax.make_jaxpr(form)(x, kernel))
  assert text.count('conv_general_dilated[') == convolutions


@pytest.mark.tail(4)
@pytest.mark.parametrize(
  'wrap', [lambda f: f, jax.jit, jax.checkpoint], ids=['eager', 'jit', 'remat']
)
@pytest.mark.parametrize('kernel, pads', FRAMES)
def test_gradient_by_frames(monkeypatch, wrap, kernel, pads):
  monkeypatch.setattr(planes, '_FEWEST_CHANNELS', 1)
  monkeypatch.setattr(planes, '_frames_pay', lambda *_: True)
  x = np.random.default_rng(0).normal(size=(2, 3, 5, 4, 3)).astype(np.float32)
  assert_same_gradients(x, 4, kernel, (1, 1, 1), pads, wrap)


@pytest.mark.parametrize(
  'channels, kernel, strides, pads',
  [
    (3, (3, 4, 3), (1, 2, 2), ((1, 1), (1, 2), (1, 0))),
    (16, (3, 3, 3), (2, 2, 1), ((1, 1), (0, 0), (0, 1))),
    (16, (2, 3, 3), (3, 1, 1), ((0, 1), (1, 1), (1, 1))),
  ],
)
def test_gradient_by_frames_with_strides(
  monkeypatch, channels, kernel, strides, pads
):
  monkeypatch.setattr(planes, '_frames_pay', lambda *_: True)
  x = np.random.default_rng(0).normal(size=(2, 5, 6, 7, channels))
  assert_same_gradients(x.astype(np.float32), 4, kernel, strides, pads)


def test_frames_are_for_large_layers():
  def by_frames(*shape, stride=1, size=3):
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    kernel = jax.ShapeDtypeStruct((*(size,) * 3, shape[-1], 64), jnp.float32)
    pads = ((size // 2,) * 2,) * 3
    form = lambda *a: planes.by_taps(*a, (stride,) * 3, pads)
    loss = lambda x, w: jnp.sum(form(x, w))
    return 'scan' in str(jax.make_jaxpr(jax.grad(loss, 1))(x, kernel))

  assert by_frames(2, 16, 56, 56, 64)
  assert by_frames(2, 16, 56, 56, 64, stride=2)
  assert by_frames(2, 16, 112, 112, 3)
  assert not by_frames(2, 8, 28, 28, 128, stride=2)
  assert not by_frames(2, 4, 14, 14, 256)
  assert not by_frames(2, 16, 56, 56, 64, size=1)


@pytest.mark.parametrize('wrap', [lambda f: f, jax.checkpoint])
def test_a_frozen_kernel_has_no_gradient_computed(monkeypatch, wrap):
  monkeypatch.setattr(planes, '_frames_pay', lambda *_: True)
  asked = []
  monkeypatch.setattr(planes, 'kernel_gradient', lambda *a: asked.append(a))
  kernel = jnp.ones((3, 3, 3, 16, 4))
  form = lambda x: planes.by_taps(x, kernel, (1, 1, 1), ((1, 1),) * 3)
  jax.grad(wrap(lambda x: form(x).sum()))(jnp.ones((1, 4, 5, 5, 16)))
  assert not asked


def test_gradient_by_frames_in_bfloat16(monkeypatch):
  monkeypatch.setattr(planes, '_frames_pay', lambda *_: True)
  x = jax.random.normal(jax.random.key(0), (2, 4, 6, 6, 16))
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
    ('cpu', planes.by_taps),
    ('gpu', planes.folded),
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


@pytest.mark.parametrize(
  'kernel, strides', [((3, 3, 3), (1, 1, 1)), ((1, 3, 3), (1, 2, 2)),
                      ((2, 2, 2), (2, 2, 2))]
)  # fmt: skip
def test_pooling_by_axes_is_pooling_and_its_gradient(kernel, strides):
  # Few values, so that many are the largest of their box.
  x = np.random.default_rng(0).integers(0, 4, (2, 5, 7, 6, 3))
  x = jnp.asarray(x, jnp.float32)

  def both(pool):
    y, back = jax.vjp(lambda x: pool(x, kernel, strides), x)
    return y, back(jnp.arange(y.size, dtype=jnp.float32).reshape(y.shape))[0]

  jax.tree.map(
    np.testing.assert_array_equal,
    both(pooling.by_axes),
    both(lambda x, k, s: nn.max_pool(x, k, strides=s)),
  )


def test_a_step_on_a_cpu_pools_by_axes_and_an_export_by_name():
  x = jnp.ones((1, 2, 4, 4, 2))
  text = lambda: str(
    jax.make_jaxpr(lambda x: convolution.max_pool(x, (2,) * 3, (2,) * 3))(x)
  )
  with devices.meant(types.SimpleNamespace(platform='cpu')):
    assert 'reduce_window' not in text()
  for export in (devices.ANY, devices.CPU):
    with devices.meant(export):
      assert 'reduce_window' in text()


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
