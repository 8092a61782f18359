"""Folders, indexes and checkpoints of several files are read as one."""

import json

import numpy as np
import orbax.checkpoint as ocp
import pytest
import safetensors.numpy
import small

from vidpetl.weights import files, importing
from vidpetl.weights.errors import WeightsError

ARRAY = np.arange(6, dtype=np.float32)
INDEX = 'model.safetensors.index.json'

TOLD = {'heads': 1}


def save_shards(folder, state=None, save=safetensors.numpy.save_file, end=''):
  """Writes arrays to two files, as save_pretrained does, and returns them."""
  state = state or small.mae()
  names = sorted(state)
  map_of = {}
  end = end or 'safetensors'
  stem = 'model' if end == 'safetensors' else 'pytorch_model'
  for i, part in enumerate((names[::2], names[1::2]), 1):
    file = f'{stem}-0000{i}-of-00002.{end}'
    save({name: state[name] for name in part}, folder / file)
    map_of |= dict.fromkeys(part, file)
  index = folder / f'{stem}.{end}.index.json'
  index.write_text(json.dumps({'metadata': {}, 'weight_map': map_of}))
  return index


def test_files_with_an_index_are_read_as_one(tmp_path):
  index = save_shards(tmp_path)
  for path in (index, tmp_path):
    imported = importing.load('mae', str(path), settings=TOLD)
    assert len(imported.arrays) == 22


@pytest.mark.torch
def test_pytorchs_files_with_an_index_are_read_as_one(tmp_path):
  torch = pytest.importorskip('torch')
  save = lambda arrays, path: torch.save(
    {name: torch.from_numpy(array) for name, array in arrays.items()}, path
  )
  save_shards(tmp_path, save=save, end='bin')
  assert len(importing.load('mae', str(tmp_path), settings=TOLD).arrays) == 22


def test_one_file_of_several_is_called_so(tmp_path):
  save_shards(tmp_path)
  path = tmp_path / 'model-00001-of-00002.safetensors'
  with pytest.raises(WeightsError, match=r'is one of 2 files.*their index'):
    files.read(str(path))


def test_parts_without_an_index_are_read_if_all_are_there(tmp_path):
  save_shards(tmp_path).unlink()
  assert len(importing.load('mae', str(tmp_path), settings=TOLD).arrays) == 22
  second = tmp_path / 'model-00002-of-00002.safetensors'
  first = min(small.mae())
  safetensors.numpy.save_file({first: ARRAY}, second)
  with pytest.raises(WeightsError, match=f'00002.* has {first!r}, as a file'):
    files.read(str(tmp_path))
  second.unlink()
  with pytest.raises(WeightsError, match=r'1 of the 2 parts .* \[2\]'):
    files.read(str(tmp_path))


def test_files_that_an_index_names_have_to_be_there(tmp_path):
  index = save_shards(tmp_path)
  (tmp_path / 'model-00002-of-00002.safetensors').unlink()
  with pytest.raises(
    WeightsError, match=r'1 are not beside it: model-00002-of-00002'
  ):
    files.read(str(index))


def test_files_have_what_their_index_says(tmp_path):
  index = save_shards(tmp_path)
  path = tmp_path / 'model-00002-of-00002.safetensors'
  safetensors.numpy.save_file({'other': ARRAY}, path)
  with pytest.raises(WeightsError, match=r'00002\.safetensors has no .*index'):
    files.read(str(index))


def test_a_config_is_no_index(tmp_path):
  path = tmp_path / 'config.json'
  path.write_text('{"hidden_size": 768}')
  with pytest.raises(
    WeightsError, match=r'config\.json is no index of weights'
  ):
    files.read(str(path))


def test_safetensors_come_first_in_a_folder_of_several(tmp_path):
  safetensors.numpy.save_file({'a': ARRAY}, tmp_path / 'model.safetensors')
  np.savez(tmp_path / 'pytorch_model.bin', b=ARRAY)
  (tmp_path / 'config.json').write_text('{}')
  assert files.read(str(tmp_path)).keys() == {'a'}


def test_the_one_file_of_a_folder_is_read(tmp_path):
  np.savez((tmp_path / 'best').open('wb'), a=ARRAY)
  np.savez((tmp_path / 'optimizer.pt').open('wb'), b=ARRAY)
  (tmp_path / 'README.md').write_text('A model.')
  assert files.read(str(tmp_path)).keys() == {'a'}


def test_a_folder_of_several_files_asks_for_one(tmp_path):
  for name in ('a.npz', 'b.npz'):
    np.savez(tmp_path / name, a=ARRAY)
  with pytest.raises(WeightsError, match=r'give one of a\.npz, b\.npz'):
    files.read(str(tmp_path))


def test_a_folder_without_weights_lists_what_it_holds(tmp_path):
  (tmp_path / 'README.md').write_text('A model.')
  with pytest.raises(
    WeightsError, match=r'a folder without weights.*It holds README\.md'
  ) as error:
    files.read(str(tmp_path))
  assert 'incomplete' not in str(error.value)


def test_a_run_and_an_adapter_are_called_so(tmp_path):
  run, adapter = tmp_path / 'run', tmp_path / 'adapter'
  (run / 'checkpoints').mkdir(parents=True)
  adapter.mkdir()
  (adapter / 'adapter_config.json').write_text('{}')
  with pytest.raises(WeightsError, match=r'a run of vidpetl.*init='):
    files.read(str(run))
  with pytest.raises(WeightsError, match='adapter from_peft'):
    files.read(str(adapter))


def test_a_checkpoint_of_orbax_is_read_also_from_the_folder_above(tmp_path):
  ocp.PyTreeCheckpointer().save(tmp_path / 'step' / 'default', {'a': ARRAY})
  for path in (tmp_path / 'step' / 'default', tmp_path / 'step'):
    np.testing.assert_array_equal(files.read(str(path))['a'], ARRAY)


@pytest.fixture(scope='module')
def tensorflows(tmp_path_factory):
  tf = pytest.importorskip('tensorflow')
  folder = tmp_path_factory.mktemp('tf')
  tensor = tf.constant(ARRAY)
  name = str(folder / 'model.ckpt')
  tf.raw_ops.SaveV2(
    prefix=name,
    tensor_names=['RGB/conv/w'],
    shape_and_slices=[''],
    tensors=[tensor],
  )
  return folder


def test_a_checkpoint_of_tensorflow_is_read(tensorflows):
  for path in ('', 'model.ckpt', 'model.ckpt.index'):
    read = files.read(str(tensorflows / path))
    np.testing.assert_array_equal(read['RGB']['conv']['w'], ARRAY)


def test_tensorflows_index_without_data_is_called_so(tmp_path, tensorflows):
  index = tmp_path / 'model.ckpt.index'
  index.write_bytes((tensorflows / 'model.ckpt.index').read_bytes())
  for path in (index, tmp_path / 'model.ckpt', tmp_path):
    with pytest.raises(
      WeightsError, match=r'a TensorFlow checkpoint.*data-\*.* is not there'
    ):
      files.read(str(path))
