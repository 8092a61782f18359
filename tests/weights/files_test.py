"""Reading files: every format, damaged ones, and those that would run code."""

import argparse
import os
import pathlib
import pickle
import sys
import zipfile

import flax.serialization
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from vidpetl.weights import files, importing
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


@pytest.mark.parametrize(
  'data', [b'', b'<!DOCTYPE html><html>', b'\x89HDF\r\n\x1a\n' + bytes(64)]
)
def test_other_files_are_refused(tmp_path, data):
  path = tmp_path / 'weights.pth'
  path.write_bytes(data)
  with pytest.raises(WeightsError, match=r'weights\.pth begins with.*no safet'):
    files.read(str(path))


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


class Calls:
  """What a pickle can do: it leaves a folder behind, if it is let."""

  def __init__(self, folder):
    self.folder = str(folder)

  def __reduce__(self):
    return os.system, (f'mkdir {self.folder}',)


def test_objects_in_an_npz_are_refused(tmp_path):
  path, folder = tmp_path / 'a.npz', tmp_path / 'made'
  np.savez(path, a=np.ones(2), b=np.array([Calls(folder)], dtype=object))
  with pytest.raises(WeightsError, match=r'a\.npz holds more than arrays'):
    files.read(str(path))
  assert not folder.exists()


@pytest.mark.torch
@pytest.mark.parametrize('zipped', [True, False])
def test_code_in_a_pickle_is_named_and_not_run(tmp_path, zipped):
  torch = import_torch()
  path, folder = tmp_path / 'a.pth', tmp_path / 'made'
  torch.save(
    {'model': tensors(ARRAYS), 'more': Calls(folder)},
    path,
    _use_new_zipfile_serialization=zipped,
  )
  with pytest.raises(WeightsError) as error:
    files.read(str(path))
  name = f'{os.system.__module__}.system'
  assert f'would call {name}. Nothing of it was run' in str(error.value)
  assert not folder.exists()


@pytest.mark.torch
def test_a_plain_pickle_is_not_run(tmp_path):
  import_torch()
  path, folder = tmp_path / 'a.pkl', tmp_path / 'made'
  path.write_bytes(pickle.dumps(Calls(folder), protocol=2))
  with pytest.raises(WeightsError, match=r'a\.pkl'):
    files.read(str(path))
  assert not folder.exists()


@pytest.mark.torch
@pytest.mark.parametrize('zipped', [True, False])
def test_what_training_scripts_save_as_well_is_read(tmp_path, zipped):
  torch = import_torch()
  path = tmp_path / 'checkpoint.pth.tar'
  saved = {
    'model': tensors(ARRAYS),
    'args': argparse.Namespace(lr=0.1, betas=(0.9, 0.999)),
    'best': np.float64(0.75),
    'loss': np.float32(1.5),
    'step': np.int64(7),
    'dtype': torch.float16,
    'when': None,
  }
  torch.save(saved, path, _use_new_zipfile_serialization=zipped)
  read = files.read(str(path))
  np.testing.assert_array_equal(read['model']['a.weight'], ARRAYS['a.weight'])
  assert read['best'] == 0.75 and read['loss'] == 1.5 and read['step'] == 7
  assert read['args'].lr == 0.1


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


@pytest.mark.parametrize('zipped', [True, False])
def test_without_pytorch_the_error_says_what_to_do(
  tmp_path, monkeypatch, zipped
):
  path = tmp_path / 'a.pth'
  if zipped:
    with zipfile.ZipFile(path, 'w') as archive:
      archive.writestr('a/data.pkl', pickle.dumps({}, protocol=2))
  else:
    path.write_bytes(pickle.dumps({}, protocol=2))
  monkeypatch.setitem(sys.modules, 'torch', None)
  with pytest.raises(WeightsError, match=r'a\.pth.*not installed: pip install'):
    files.read(str(path))


def mae():
  """A small file of the family mae, by name."""
  shapes = {
    'cls_token': (1, 1, 64),
    'pos_embed': (1, 5, 64),
    'patch_embed.proj.weight': (64, 3, 4, 4),
    'patch_embed.proj.bias': (64,),
    'norm.weight': (64,),
    'norm.bias': (64,),
  }
  block = {
    'norm1.weight': (64,),
    'norm1.bias': (64,),
    'attn.qkv.weight': (192, 64),
    'attn.qkv.bias': (192,),
    'attn.proj.weight': (64, 64),
    'attn.proj.bias': (64,),
    'norm2.weight': (64,),
    'norm2.bias': (64,),
    'mlp.fc1.weight': (256, 64),
    'mlp.fc1.bias': (256,),
    'mlp.fc2.weight': (64, 256),
    'mlp.fc2.bias': (64,),
  }
  shapes |= {f'blocks.0.{name}': shape for name, shape in block.items()}
  return {name: np.ones(shape, np.float32) for name, shape in shapes.items()}


def load(tree, folder: pathlib.Path, **options):
  path = folder / 'mae.msgpack'
  save_msgpack(tree, path)
  return importing.load('mae', str(path), **options)


def test_averaged_weights_are_told_of_and_taken_where_asked_for(tmp_path):
  state = mae()
  averaged = {name: 2 * array for name, array in state.items()}
  tree = {'model': state, 'model_ema': averaged, 'epoch': 5}
  usual = load(tree, tmp_path)
  notes = ' '.join(usual.report.notes)
  assert "weights of 'model'; not read: ['epoch', 'model_ema']" in notes
  assert '--entry=model_ema takes them' in notes
  asked = load(tree, tmp_path, entry='model_ema')
  assert usual.arrays['backbone/cls'][0, 0, 0] == 1
  assert asked.arrays['backbone/cls'][0, 0, 0] == 2
  with pytest.raises(WeightsError, match=r"no 'ema' with weights; it has \["):
    load(tree, tmp_path, entry='ema')


def test_prefixes_that_make_two_names_one_are_refused(tmp_path):
  state = mae()
  state['module.norm.weight'] = state['norm.weight']
  with pytest.raises(
    WeightsError, match=r"two arrays would be called 'norm\.weight'"
  ):
    load(state, tmp_path)


def test_two_arrays_of_one_name_are_refused(tmp_path):
  tree = {**mae(), 'a': {'b': np.ones(1)}, 'a/b': np.ones(1)}
  with pytest.raises(WeightsError, match=r"two arrays are called 'a/b'"):
    load(tree, tmp_path)


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_what_is_not_finite_is_refused(tmp_path, value):
  state = mae()
  state['blocks.0.mlp.fc1.weight'][3, 5] = value
  with pytest.raises(WeightsError, match=r'wrong +blocks\.0\.mlp.*not all of'):
    load(state, tmp_path)
