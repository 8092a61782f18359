"""Checksums of arrays."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from vidpetl.parameters import checksums

KINDS = ('float32', 'bfloat16', 'int8', 'bool', 'float64', 'int32')


@pytest.mark.parametrize('dtype', KINDS)
def test_small_arrays_are_summed_on_the_host_as_large_ones_on_devices(
  dtype, monkeypatch
):
  values = np.linspace(0, 9, 24).reshape(2, 3, 4)
  tree = {'a': values.astype(getattr(ml_dtypes, dtype, dtype))}
  with jax.enable_x64(True):
    small = checksums.of(tree)
    monkeypatch.setattr(checksums, '_FEW', 0)
    assert checksums.of(tree) == small


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16', 'int8', 'bool'])
def test_each_bit_and_each_place_counts(dtype):
  values = np.arange(6).reshape(2, 3) % 2
  values = values.astype(getattr(ml_dtypes, dtype, dtype))
  others = [values[::-1], values[:, ::-1], values.copy()]
  others[-1].view(np.uint8)[0, 0] ^= 1
  sums = {checksums.of({'a': x})['a'] for x in [values, *others]}
  assert len(sums) == 3 if dtype == 'bool' else 4


def test_an_array_is_told_by_path_type_and_shape():
  tree = {'a': (jnp.zeros((2, 3)), np.int32(4))}
  sums = checksums.of(tree)
  kinds = {'a/0': 'float32[2,3]', 'a/1': 'int32[]'}
  assert checksums.kinds(tree) == kinds
  assert {k: checksums.kind(v) for k, v in sums.items()} == kinds
  other = checksums.of({'a': (jnp.zeros((3, 2)),)})
  assert checksums.differing(sums, other) == ['a/0', 'a/1']


def test_a_checksum_is_that_of_the_definition(monkeypatch):
  """Which no version may change: checkpoints hold it."""

  def mix(x):
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))

  values = np.linspace(-3, 3, 12, dtype='float32').reshape(2, 2, 3)
  place = np.arange(12, dtype=np.uint32)
  sums = [
    mix(values.ravel().view(np.uint32) ^ mix(place + np.uint32(lane))).sum(
      dtype=np.uint32
    )
    for lane in (0x9E3779B9, 0x3C6EF372)
  ]
  text = ''.join(f'{x:08x}' for x in sums)
  assert checksums.of({'a': values})['a'] == f'float32[2,2,3] {text}'
  on_device = {'a': jax.device_put(values)}
  assert checksums.of(on_device)['a'].endswith(text)
  monkeypatch.setattr(checksums, '_FEW', 0)
  assert checksums.of(on_device)['a'].endswith(text)
