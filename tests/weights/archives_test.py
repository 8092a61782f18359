"""Files of weights are what was written, and become no larger than they are."""

import io
import pickle
import tracemalloc
import zipfile

import flax.serialization
import numpy as np
import pytest
import safetensors.numpy

from vidpetl import bounds, mistakes
from vidpetl.weights import files, tree
from vidpetl.weights.errors import WeightsError

ARRAY = np.arange(600, dtype=np.float32)


def flipped(path, part):
  """Changes a bit where a file holds some bytes."""
  content = bytearray(path.read_bytes())
  assert content.count(part) == 1
  content[content.index(part) + len(part) // 2] ^= 4
  path.write_bytes(content)


def torch_file(path, value, **options):
  torch = pytest.importorskip('torch')
  torch.save(value(torch), path, **options)
  return path


@pytest.mark.torch
def test_a_changed_bit_of_a_pytorch_file_is_found(tmp_path):
  path = torch_file(tmp_path / 'w.pth', lambda t: {'a': t.from_numpy(ARRAY)})
  np.testing.assert_array_equal(files.read(str(path))['a'], ARRAY)
  flipped(path, ARRAY.tobytes())
  with pytest.raises(WeightsError, match=r'w\.pth.*Bad CRC-32'):
    files.read(str(path))


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_a_changed_bit_of_an_npz_is_found(tmp_path, save):
  path = tmp_path / 'w.npz'
  save(path, a=ARRAY)
  with zipfile.ZipFile(path) as archive:
    start = archive.infolist()[0].header_offset
  flipped(path, path.read_bytes()[start + 300 : start + 340])
  with pytest.raises(WeightsError, match=r'w\.npz'):
    files.read(str(path))


@pytest.mark.torch
def test_a_file_without_check_sums_is_read_and_the_user_told(tmp_path):
  torch = pytest.importorskip('torch')
  before = torch.serialization.get_crc32_options()
  torch.serialization.set_crc32_options(False)
  try:
    path = torch_file(tmp_path / 'w.pth', lambda t: {'a': t.from_numpy(ARRAY)})
  finally:
    torch.serialization.set_crc32_options(before)
  with pytest.warns(mistakes.Note, match=r'w\.pth: .* without check sums'):
    np.testing.assert_array_equal(files.read(str(path))['a'], ARRAY)


@pytest.mark.torch
@pytest.mark.parametrize('zipped', [True, False])
def test_a_tensor_larger_than_its_storage_is_not_made(tmp_path, zipped):
  path = torch_file(
    tmp_path / 'w.pth',
    lambda t: {'a': t.zeros(1).expand(1000, 1000, 100_000), 'b': t.ones(2)},
    _use_new_zipfile_serialization=zipped,
  )
  found = files.read(str(path))
  assert found['a'] == tree.Unread('expanded', (1000, 1000, 100_000))
  np.testing.assert_array_equal(found['b'], [1, 1])


def claiming(shape):
  """Returns a file of numpy's that claims a shape, and has 600 numbers."""
  file = io.BytesIO()
  header = {'descr': '<f4', 'fortran_order': False, 'shape': shape}
  np.lib.format.write_array_header_1_0(file, header)
  return file.getvalue() + ARRAY.tobytes()


def npy(path):
  path.write_bytes(claiming((1 << 40,)))


def npz(path):
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr('a.npy', claiming((1 << 40,)))


def safe(path):
  safetensors.numpy.save_file({'a': ARRAY}, path)
  path.write_bytes(path.read_bytes().replace(b'[600]', b'[9999999999999]'))


def overlapping(path):
  safetensors.numpy.save_file({'a': ARRAY, 'b': ARRAY}, path)
  path.write_bytes(path.read_bytes().replace(b'[2400,4800]', b'[1200,3600]'))


def long_header(path):
  path.write_bytes((2**31 - 1).to_bytes(8, 'little') + b'{' + bytes(100))


def msgpack(path):
  content = flax.serialization.msgpack_serialize({'a': b'x' * 70_000})
  path.write_bytes(
    content.replace(b'\xc6\0\1\x11\x70', b'\xc6\xff\xff\xff\xff')
  )


def nested_msgpack(path):
  path.write_bytes(b'\x81\xa1a' * 100_000)


def pickled(steps):
  return lambda path: path.write_bytes(b'\x80\x02}X\1\0\0\0a' + steps + b's.')


def zeros(path):
  kind = zipfile.ZIP_DEFLATED
  with (
    zipfile.ZipFile(path, 'w', kind, compresslevel=1) as archive,
    archive.open('a.npy', 'w') as member,
  ):
    for _ in range(70):
      member.write(bytes(1 << 20))


BOMBS = {
  'npy': npy,
  'npz': npz,
  'safetensors': safe,
  'safetensors that overlap': overlapping,
  'safetensors with a long header': long_header,
  'msgpack': msgpack,
  'msgpack nested': nested_msgpack,
  'zip of zeros': zeros,
  'pickle of bytes': pickled(b'cbuiltins\nbytearray\n(\x8a\5\0\0\0\0\1tR'),
  'pickle of text': pickled(
    b'cbuiltins\nstr\n(]q\0'
    + b''.join(
      b'(h%bh%blq%b' % (bytes([k]), bytes([k]), bytes([k + 1]))
      for k in range(60)
    )
    + b'tR'
  ),
  'pickle of unknown copies': pickled(
    b'}('
    + b''.join(b'K%bNK%bN' % (bytes([k]), bytes([k])) for k in range(200))
    + b'uq\0('
    + b'cm\nC\n(h\0tR' * 4_000
    + b'l'
  ),
}


@pytest.mark.parametrize('name', BOMBS)
def test_a_file_takes_no_more_memory_than_it_has(tmp_path, name):
  path = tmp_path / 'weights'
  BOMBS[name](path)
  tracemalloc.start()
  with pytest.raises((WeightsError, bounds.BoundError), match='weights'):
    files.read(str(path))
  peak = tracemalloc.get_traced_memory()[1]
  tracemalloc.stop()
  assert peak < 200e6


def test_lists_of_an_archive_that_are_damaged_are_refused(tmp_path):
  path = tmp_path / 'w.npz'
  np.savez(path, a=ARRAY)
  content = path.read_bytes()
  place = content.rindex(b'a.npy')
  flags = content.rindex(b'PK\1\2') + 8
  changed = bytearray(content)
  changed[place], changed[flags + 1] = 0xFF, 0x08  # a name that is no UTF-8
  path.write_bytes(changed)
  with pytest.raises(WeightsError, match=r'w\.npz'):
    files.read(str(path))


def test_what_a_pickle_says_twice_is_the_same_thing(tmp_path):
  path = tmp_path / 'w.pkl'
  shared = {'b': ARRAY}
  path.write_bytes(pickle.dumps({'a': shared, 'c': [shared] * 3}))
  found = files.read(str(path))
  assert type(found['a']['b']) is np.ndarray
  np.testing.assert_array_equal(found['c'][2]['b'], ARRAY)
