"""What was damaged since it was written is refused, and says where."""

import json
import pathlib
import re
import shutil

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from vidpetl.experiment import published, trained
from vidpetl.experiment import spec as spec_lib
from vidpetl.parameters import package, sealed, storage, sums
from vidpetl.weights import files

_ARRAYS = {
  'backbone/a/kernel': np.arange(6, dtype=np.float32).reshape(2, 3),
  'backbone/b': np.array([1.5, 2.5], ml_dtypes.bfloat16),
  'heads_x/step': np.array(7, np.int64),
  'heads_x/none': np.zeros((0, 4), np.float32),
}
_CONFIG = {
  'format': package.FORMAT,
  'backbone': {'type': 'vit', 'width': 8},
  'backbone_sha256': 'ab' * 32,
  'petl': [{'site': 'mlp', 'technique': 'bottleneck'}],
  'tasks': {'x': {'labels': {'0': 'jump', '1': 'né'}, 'rate': 0.1}},
  'dtype': 'float32',
}


def _file(folder):
  path = folder / 'a.safetensors'
  described = published.to_metadata({'backbone': {'type': 'vit'}})
  storage.save_arrays(str(path), _ARRAYS, described)
  return path


def _package(folder):
  package.save(folder / 'p', package.Package(_CONFIG, _ARRAYS))
  return folder / 'p'


def _read_file(path):
  read = storage.load_arrays(str(path))
  return published.read_metadata(str(path)), _told(read)


def _read_package(path):
  read = package.load(path)
  return read.config, _told(read.params)


def _told(arrays):
  return {k: (str(v.dtype), v.shape, v.tobytes()) for k, v in arrays.items()}


def _damaged(data, rng):
  """Returns data with a bit flipped, a byte replaced, or its end cut off."""
  at, kind = int(rng.integers(len(data))), rng.integers(4)
  if kind == 0:
    return data[:at]
  changed = bytearray(data)
  changed[at] = changed[at] ^ (1 << rng.integers(8)) if kind < 3 else 0
  return bytes(changed)


def _outcomes(victim, read, rng, count):
  """Yields what reading gives after each damage, None for a good refusal."""
  good = victim.read_bytes()
  for _ in range(count):
    victim.write_bytes(_damaged(good, rng))
    try:
      yield read()
    except (sums.DamagedError, package.PackageError, ValueError) as error:
      assert victim.name in str(error) or victim.parent.name in str(error)
      yield None
  victim.write_bytes(good)


@pytest.mark.parametrize(
  'make, read, victim',
  [
    (_file, _read_file, '.'),
    (_package, _read_package, package.MODEL),
    (_package, _read_package, package.CONFIG),
  ],
)
def test_nothing_damaged_is_taken_for_other_values(
  tmp_path, make, read, victim
):
  path = make(tmp_path)
  intact = read(path)
  found = list(
    _outcomes(
      pathlib.Path(path / victim) if victim != '.' else path,
      lambda: read(path),
      np.random.default_rng(0),
      100,
    )
  )
  assert found.count(None) > 50
  assert all(each in (None, intact) for each in found)


def test_a_changed_array_is_named(tmp_path):
  path = _file(tmp_path)
  data = bytearray(path.read_bytes())
  data[data.rindex(np.float32(4).tobytes())] ^= 1
  path.write_bytes(data)
  for read in (storage.load_arrays, files.read):
    with pytest.raises(sums.DamagedError, match=r'a\.safetensors .*a/kernel'):
      read(str(path))


@pytest.mark.parametrize('more', [b'\\"arrays', b'\\"metadata'])
def test_sums_whose_name_is_damaged_are_missed(tmp_path, more):
  """Also where their beginning or end, and values, are damaged at once."""
  path = _file(tmp_path)
  data = bytearray(path.read_bytes())
  for text in (b'vidpetl_sums', more):
    data[data.index(text) + 2] ^= 1
  data[-1] ^= 1
  path.write_bytes(data)
  for read in (storage.load_arrays, storage.read_metadata):
    with pytest.raises(sums.DamagedError, match='another name of its sums'):
      read(str(path))


def test_two_files_that_were_not_written_together_are_refused(tmp_path):
  """As a crash between the two leaves them, or a copy of one."""
  spec = {'format': spec_lib.FORMAT, 'tasks': {}}
  others = {k: v + 1 for k, v in _ARRAYS.items()}
  writers = {
    'model': lambda path, arrays: trained.write(path, spec, arrays),
    'package': lambda path, arrays: package.save(
      path, package.Package(_CONFIG, arrays)
    ),
  }
  readers = {
    'model': lambda path: trained.read(str(path)),
    'package': package.load,
  }
  for name, write in writers.items():
    one, other = tmp_path / f'{name}.1', tmp_path / f'{name}.2'
    write(one, _ARRAYS)
    write(other, others)
    readers[name](one)
    for file in one.glob('*.safetensors'):
      shutil.copy(other / file.name, file)
    with pytest.raises(ValueError, match='was written beside another'):
      readers[name](one)


def test_a_package_leaves_other_files_where_they_are(tmp_path):
  path = _package(tmp_path)
  (path / 'notes.txt').write_text('mine')
  others = {k: v + 1 for k, v in _ARRAYS.items()}
  package.save(path, package.Package(_CONFIG, others))
  assert _told(package.load(path).params) == _told(others)
  assert (path / 'notes.txt').read_text() == 'mine'


def test_files_of_others_are_read_without_sums(tmp_path):
  path = str(tmp_path / 'b.safetensors')
  safetensors.numpy.save_file(_ARRAYS, path, {'format': 'pt'})
  assert _told(storage.load_arrays(path)) == _told(_ARRAYS)
  (tmp_path / 'c.json').write_text('{"a": 1}')
  assert sealed.read(tmp_path / 'c.json') == {'a': 1}


def test_a_file_changed_by_hand_says_how_it_is_read(tmp_path):
  path = _package(tmp_path) / package.CONFIG
  changed = json.loads(path.read_text())
  changed['tasks']['x']['labels']['0'] = 'hop'
  path.write_text(json.dumps(changed))
  words = re.escape("by hand, take out 'sum'")
  with pytest.raises(package.PackageError, match=words):
    package.load(path.parent)
  del changed['sum']
  path.write_text(json.dumps(changed))
  del changed['arrays_sum']
  assert package.load(path.parent).config == changed
