"""Tests of `backbones.windows`."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.backbones import devices, windows

_TPU = types.SimpleNamespace(platform='tpu')


@pytest.mark.parametrize('dtype', ['bfloat16', 'float32'])
@pytest.mark.parametrize('by', [(0, 0, 0), (1, -2, 3), (0, 0, -4), (2, 0, 0)])
def test_tpus_roll_the_same(by, dtype):
  x = jax.random.normal(jax.random.key(0), (2, 3, 5, 7, 4), dtype)
  g = jax.random.normal(jax.random.key(1), x.shape, dtype)
  expected, pull = jax.vjp(lambda x: jnp.roll(x, by, (1, 2, 3)), x)
  with devices.meant(_TPU):
    found, pull_found = jax.vjp(lambda x: windows.roll(x, by), x)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(pull_found(g)[0], pull(g)[0])


def test_a_tpu_shifts_along_the_width_by_a_product():
  x = jax.ShapeDtypeStruct((2, 3, 5, 7, 4), jnp.bfloat16)
  with devices.meant(_TPU):
    for by, products in {(1, 2, 3): 1, (1, 2, 0): 0}.items():
      made = str(jax.make_jaxpr(lambda x, by=by: windows.roll(x, by))(x))
      assert made.count('dot_general') == products
