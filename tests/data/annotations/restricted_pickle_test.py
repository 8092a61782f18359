import pickle
import tracemalloc

import numpy as np
import pytest

from vidpetl.data.annotations import pickle_scan, pickled, text

START = b'\x80\x02'


def call(module, name, arguments):
  """Returns the steps that call a constructor with steps for its arguments."""
  return b'c%s\n%s\n(%stR' % (module.encode(), name.encode(), arguments)


def number(value):
  return b'\x8a\x08' + value.to_bytes(8, 'little')


def repeated(make, depth=60):
  """Returns steps of a thing made of a thing twice, made of a thing twice …"""
  steps = make(b'K\1', b'K\2') + b'q\0'
  for level in range(depth):
    here = bytes([level])
    steps += make(b'h' + here, b'h' + here) + b'q' + bytes([level + 1])
  return steps


LARGE = number(4_000_000_000)
BOMBS = {
  'bytearray': call('builtins', 'bytearray', LARGE),
  'bytes': call('__builtin__', 'bytes', LARGE),
  'array': call('numpy', 'ndarray', b'(' + LARGE + b't'),
  'scalar': call(
    'numpy._core.multiarray',
    'scalar',
    call('numpy', 'dtype', b'X\x0b\0\0\0V4000000000'[:14] + b'0'),
  ),
  'text of bytes that lack': b'\x8d' + LARGE[2:],
  'tuples': b'}' + repeated(lambda a, b: a + b + b'\x86') + b'K\1s',
  'lists': repeated(lambda a, b: b'(' + a + b + b'l'),
  'lists that are filled later': b''.join(b']q' + bytes([k]) for k in range(60))
  + b''.join(
    b'h%bh%bah%ba' % (bytes([k]), bytes([k + 1]), bytes([k + 1]))
    for k in range(59)
  ),
  'tuples of constructors': repeated(
    lambda a, b: call('builtins', 'tuple', b'(' + a + b + b'l')
  ),
  'copies': b'X\0\0\x10\0'
  + b'a' * (1 << 20)
  + b'q\0'
  + b'('
  + call('_codecs', 'encode', b'h\0X\6\0\0\0latin1') * 100
  + b'l',
  'a list that holds itself': b']q\0h\0a',
  'nesting': b']' * 20_000 + b'a' * 19_999,
}


@pytest.mark.parametrize('name', BOMBS)
def test_a_pickle_takes_no_more_memory_than_its_file(tmp_path, name):
  path = tmp_path / 'boxes.pkl'
  path.write_bytes(START + b'}X\1\0\0\0a' + BOMBS[name] + b's.')
  tracemalloc.start()
  with pytest.raises(text.AnnotationError, match=r'boxes\.pkl'):
    pickled.read(str(path), dict, 'boxes')
  peak = tracemalloc.get_traced_memory()[1]
  tracemalloc.stop()
  assert peak < 80e6


@pytest.mark.parametrize('protocol', range(6))
def test_whatever_is_pickled_is_followed_to_its_end(protocol):
  circle = []
  circle.append((circle,))
  for value in (
    *(1, None, 2**300, -1.5, True, 'ü' * 300, b'x' * 300, bytearray(b'ab')),
    *((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {'a': {1, 2}}, [[]] * 3),
    *(frozenset([1]), np.arange(3), np.float32(1), np.array([{}, 'a'], object)),
    *(circle, complex(1, 2), range(3), pickle.Pickler),
  ):
    pickle_scan.check(b'before' + pickle.dumps(value, protocol), 6)


def test_an_array_whose_bytes_lack_is_refused(tmp_path):
  data = pickle.dumps({'a': np.zeros(3, np.uint8)}, 2)
  before, after = b'K\x03\x85', b'J\0\xca\x9a\x3b\x85'
  assert data.count(before) == 1
  path = tmp_path / 'boxes.pkl'
  path.write_bytes(data.replace(before, after))
  with pytest.raises(text.AnnotationError, match='an array of shape'):
    pickled.read(str(path), dict, 'boxes')
