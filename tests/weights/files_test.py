"""Reading files: every format, damaged ones, and those that would run code."""

import zipfile

import flax.serialization
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from vidpetl.weights import files
from vidpetl.weights.errors import WeightsError

# PyTorch advises against TorchScript, in which CLIP is published.
pytestmark = pytest.mark.filterwarnings('ignore:.*torch.jit:DeprecationWarning')

ARRAYS = {
  'a.weight': np.arange(600, dtype=np.float32).reshape(20, 30),
  'a.bias': np.arange(4, dtype=np.float16),
}


def save_msgpack(arrays, path):
  path.write_bytes(flax.serialization.msgpack_serialize(arrays))


def import_torch():
  return pytest.importorskip('torch')


def tensors(arrays):
  torch = import_torch()
  return {name: torch.from_numpy(array) for name, array in arrays.items()}


def save_zip(arrays, path):
  import_torch().save(tensors(arrays), path)


def save_old(arrays, path):
  torch = import_torch()
  torch.save(tensors(arrays), path, _use_new_zipfile_serialization=False)


def save_torchscript(arrays, path):
  """A program, with its parameters in 'm'."""
  torch = import_torch()

  class Program(torch.nn.Module):
    def __init__(self):
      super().__init__()
      self.a = torch.nn.Module()
      for name, value in tensors(arrays).items():
        self.a.register_buffer(name.removeprefix('a.'), value)

    def forward(self, x):
      return x * 2

  torch.jit.save(torch.jit.script(Program()), path)


TORCHS = [
  pytest.param(save, marks=pytest.mark.torch)
  for save in (save_zip, save_old, save_torchscript)
]
FORMATS = [
  lambda arrays, path: safetensors.numpy.save_file(arrays, path),
  lambda arrays, path: np.savez(path.open('wb'), **arrays),
  save_msgpack,
  *TORCHS,
]


@pytest.mark.parametrize('save', FORMATS)
def test_whatever_the_format_and_the_files_name(tmp_path, save):
  path = tmp_path / 'weights'
  save(ARRAYS, path)
  read = files.read(str(path))
  assert read.keys() == ARRAYS.keys()
  for name, array in ARRAYS.items():
    assert read[name].dtype == array.dtype
    np.testing.assert_array_equal(read[name], array)


@pytest.mark.parametrize('save', FORMATS)
@pytest.mark.parametrize('share', [0.1, 0.5, 0.95])
def test_truncated_files_are_refused(tmp_path, save, share):
  path = tmp_path / 'weights'
  save(ARRAYS, path)
  whole = path.read_bytes()
  path.write_bytes(whole[: int(len(whole) * share)])
  with pytest.raises(WeightsError, match=r'weights \(.*incomplete download'):
    files.read(str(path))


POINTER = b'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n'


@pytest.mark.parametrize(
  'data, said',
  [
    (b'', 'is empty'),
    (bytes(600), 'begins with zeros'),
    (b'<!DOCTYPE html><html>', 'is a page or message of a web server'),
    (POINTER, 'git lfs pull'),
    (b'\x89HDF\r\n\x1a\n' + bytes(64), 'is an HDF5 file'),
    (b'GGUF' + bytes(64), 'a GGUF file, whose weights are quantised'),
    (b'\x1f\x8b' + bytes(64), 'unpack it first'),
    (b'net/' + bytes(253) + b'ustar', 'tar archive; unpack it'),
    (b'weights of the net', r"begins with b'weights '.*no safet"),
  ],
)
def test_what_is_no_file_of_weights_is_called_what_it_is(tmp_path, data, said):
  path = tmp_path / 'weights.pth'
  path.write_bytes(data)
  with pytest.raises(WeightsError, match=rf'weights\.pth .*({said})') as error:
    files.read(str(path))
  assert 'incomplete' not in str(error.value)


def test_what_is_not_there_or_only_packed_is_said(tmp_path):
  with pytest.raises(WeightsError, match='no such file'):
    files.read(str(tmp_path / 'nothing.pth'))
  with pytest.raises(WeightsError, match='no such file'):
    files.read('')
  path = tmp_path / 'weights.zip'
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr('model.pth', b'')
  with pytest.raises(WeightsError, match=r"\['model.pth'\].*unpacked first"):
    files.read(str(path))


def test_names_of_an_npz_are_paths(tmp_path):
  path = tmp_path / 'a.npz'
  np.savez(path, **{'a/b': np.ones(2), 'a/c/d': np.zeros(3)})
  read = files.read(str(path))
  assert read['a'].keys() == {'b', 'c'} and read['a']['c']['d'].shape == (3,)


@pytest.mark.parametrize('names', [('a', 'a/b'), ('a/b', 'a')])
def test_an_array_that_is_a_folder_is_refused(tmp_path, names):
  path = tmp_path / 'a.npz'
  np.savez(path, **dict.fromkeys(names, np.ones(2)))
  with pytest.raises(WeightsError, match=r'is an array as well|of two things'):
    files.read(str(path))


@pytest.mark.torch
@pytest.mark.parametrize('zipped', [True, False])
def test_half_precision_and_views_are_as_they_were(tmp_path, zipped):
  torch = import_torch()
  path = tmp_path / 'a.pth'
  whole = torch.arange(6, dtype=torch.float32).reshape(2, 3)
  state = {
    'half': whole.half(),
    'brain': whole.bfloat16(),
    'turned': whole.T,
    'one': torch.tensor(3),
    'parameter': torch.nn.Parameter(whole),
  }
  torch.save(state, path, _use_new_zipfile_serialization=zipped)
  read = files.read(str(path))
  assert read['half'].dtype == np.float16
  assert read['brain'].dtype == ml_dtypes.bfloat16
  np.testing.assert_array_equal(read['brain'].astype(np.float32), whole)
  np.testing.assert_array_equal(read['turned'], whole.numpy().T)
  np.testing.assert_array_equal(read['parameter'], whole)
  assert read['one'] == 3
