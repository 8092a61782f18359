"""What was damaged since it was written is refused, and says where."""

import json
import pathlib
import re

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from vidpetl import sealed
from vidpetl.experiment import published
from vidpetl.parameters import package, storage, sums
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
  assert package.load(path.parent).config == changed
