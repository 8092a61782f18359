import os

import numpy as np
import pytest
import safetensors.numpy

from vidpetl.parameters import mapped

SIZE = 1 << 22
ABC = {'a': 1, 'b': 2}


def resident(path):
  """Returns KiB of a mapped file that are in this process's memory."""
  with open('/proc/self/smaps') as file:
    lines = iter(file.read().splitlines())
  found = 0
  for line in lines:
    if line.endswith(str(path)):
      found += int(next(x for x in lines if x.startswith('Rss')).split()[1])
  return found


def test_arrays_are_those_that_the_library_reads(tmp_path):
  path = tmp_path / 'a.safetensors'
  draw = np.random.default_rng(0)
  arrays = {
    kind: draw.normal(scale=9, size=(3, 5)).astype(kind)
    for kind in ('float64', 'float32', 'float16', 'int64', 'uint8', 'bool')
  }
  arrays |= {'scalar': np.array(2.5), 'none': np.zeros((0, 4), np.float32)}
  arrays['half'] = arrays['float32'].astype(mapped.DTYPES['BF16'])
  safetensors.numpy.save_file(arrays, path, {'of': 'a test'})
  found = mapped.safetensors(path)
  assert found.keys() == arrays.keys()
  for name, array in arrays.items():
    assert found[name].dtype == array.dtype
    np.testing.assert_array_equal(found[name], array)
    assert not found[name].flags.writeable


@pytest.mark.skipif(not os.path.exists('/proc/self/smaps'), reason='Linux')
def test_what_was_looked_at_leaves_memory_and_stays_the_same(tmp_path):
  path = tmp_path / 'a.safetensors'
  arrays = {name: np.full(SIZE, value, np.uint8) for name, value in ABC.items()}
  safetensors.numpy.save_file(arrays, path)
  found = mapped.safetensors(path)
  assert sum(int(x[::4096].sum()) for x in found.values())
  assert resident(path) >= 2 * SIZE // 1024
  mapped.release(found['a'].reshape(2, -1).T)
  assert resident(path) < 1.1 * SIZE // 1024 + 64
  np.testing.assert_array_equal(found['a'], arrays['a'])
  np.testing.assert_array_equal(found['b'], arrays['b'])


def test_arrays_of_no_map_are_left_alone():
  array = np.ones(SIZE, np.uint8)
  mapped.release(array)
  mapped.release(array[::2].reshape(2, -1).T)
  assert array.all()
