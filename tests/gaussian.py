"""Gaussian tokens, and modules and techniques with Gaussian parameters."""

import jax
import numpy as np

from vidpetl.backbones import site as site_lib

FRAMES = site_lib.Grid(3, 2, 2, cls=1, rows='frame')
D = 8


def normal(*shape, seed=0):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def params_of(module, *args, **kwargs):
  """Parameters far from their start, so that every one of them matters."""
  shapes = jax.eval_shape(
    lambda *args: module.init(jax.random.key(0), *args, **kwargs), *args
  )
  return jax.tree.map(lambda x: 0.3 * normal(*x.shape, seed=x.size), shapes)


def run(module, params, *args, **kwargs):
  return jax.jit(lambda *x: module.apply(*x, **kwargs))(params, *args)


def apply(technique, y, given=None, grid=FRAMES):
  """Returns the parameters, drawn from a Gaussian, and the result."""
  shapes = jax.eval_shape(
    lambda: technique.init(jax.random.key(0), y, given, grid)
  )
  rng = np.random.default_rng(1)
  params = jax.tree.map(
    lambda x: rng.normal(size=x.shape).astype(np.float32), shapes
  ).get('params', {})
  return params, technique.apply({'params': params}, y, given, grid)


def dense(x, p):
  return x @ p['kernel'] + p['bias']


def qkv(n=5, heads=2, rows=(2, 3)):
  return tuple(normal(*rows, n, heads, D // heads, seed=i) for i in range(3))


def close(ours, theirs):
  np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-4)
