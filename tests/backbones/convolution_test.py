"""Padding, both forms of convolution, pooling and running statistics."""

import itertools

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
def test_both_forms_of_convolution_are_what_loops_make(kernel, strides, pads):
  rng = np.random.default_rng(0)
  x = rng.normal(size=(2, 5, 6, 7, 3)).astype(np.float32)
  w = rng.normal(size=(*kernel, 3, 4)).astype(np.float32)
  expected = convolve_by_loops(x, w, strides, pads)
  weights = rng.normal(size=expected.shape).astype(np.float32)

  def gradients(form):
    return jax.jit(
      jax.grad(lambda x, w: (form(x, w, strides, pads) * weights).sum(), (0, 1))
    )(x, w)

  for form in (convolution.direct, convolution.by_taps):
    y = jax.jit(form, static_argnums=(2, 3))(x, w, strides, pads)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
    gradients(convolution.direct),
    gradients(convolution.by_taps),
  )


def test_form_goes_by_device():
  class Device:
    platform = 'tpu'

  assert convolution.form(Device()) is convolution.direct
  assert convolution.form(jax.devices('cpu')[0]) is convolution.by_taps


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
