"""Whatever a pickle holds, arrays are reached and nothing of it is run."""

import argparse
import collections
import enum
import os
import pathlib
import pickle
import random
import sys
import types

import flax.core
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import small

from vidpetl.weights import files, importing
from vidpetl.weights.errors import WeightsError

ARRAY = np.arange(6, dtype=np.float32).reshape(2, 3)


class Calls:
  """What a pickle can do: it leaves a folder behind, if it is let."""

  def __init__(self, folder):
    self.folder = str(folder)

  def __reduce__(self):
    return os.system, (f'mkdir {self.folder}',)


class Holder:
  """An object of a program that is not here when its file is read."""

  def __init__(self, **held):
    self.__dict__.update(held)


class Slots:
  __slots__ = ('held',)


class Dict(dict):
  pass


class List(list):
  pass


class Mode(enum.Enum):
  TRAIN = 'train'


@pytest.fixture
def elsewhere(monkeypatch):
  """Lets classes be of a module that is gone when `forget` was called."""
  module = types.ModuleType('a_trainer')
  for kind in (Holder, Slots, Dict, List, Mode):
    setattr(module, kind.__name__, kind)
    monkeypatch.setattr(kind, '__module__', module.__name__)
  monkeypatch.setitem(sys.modules, module.__name__, module)
  return lambda: monkeypatch.delitem(sys.modules, module.__name__)


def training_file(weights):
  """What training programs save beside weights."""
  slots = Slots()
  slots.held = ARRAY
  circle = {}
  circle['self'] = circle
  return {
    'model': weights,
    'args': argparse.Namespace(lr=0.1, out=pathlib.Path('runs')),
    'holder': Holder(inside=[ARRAY], mode=Mode.TRAIN),
    'slots': slots,
    'config': Dict(a=1, b=Dict(c=ARRAY)),
    'list': List([1, ARRAY]),
    'counts': collections.defaultdict(list, a=[1]),
    'random': (random.getstate(), np.random.RandomState(0).get_state()),
    'generator': np.random.default_rng(0),
    'best': np.float64(0.75),
    'step': np.int64(7),
    'set': {1, 2},
    'function': os.path.join,
    'circle': circle,
    'when': None,
  }


@pytest.mark.parametrize('protocol', range(2, 6))
def test_arrays_beside_any_object_are_read(tmp_path, elsewhere, protocol):
  path = tmp_path / 'weights.ckpt'
  path.write_bytes(pickle.dumps(training_file({'a': ARRAY}), protocol))
  elsewhere()
  read = files.read(str(path))
  np.testing.assert_array_equal(read['model']['a'], ARRAY)
  assert read['args']['lr'] == 0.1 and read['best'] == 0.75
  np.testing.assert_array_equal(read['holder']['inside'][0], ARRAY)
  np.testing.assert_array_equal(read['slots']['held'], ARRAY)
  np.testing.assert_array_equal(read['config']['b']['c'], ARRAY)


@pytest.mark.parametrize('protocol', [0, 1])
@pytest.mark.parametrize('kind', [dict, collections.OrderedDict])
def test_the_first_protocols_are_known_without_a_mark(tmp_path, protocol, kind):
  path = tmp_path / 'weights.pkl'
  path.write_bytes(pickle.dumps(kind(a=ARRAY), protocol))
  np.testing.assert_array_equal(files.read(str(path))['a'], ARRAY)


@pytest.mark.torch
@pytest.mark.parametrize('zipped', [True, False])
def test_weights_in_a_training_file_are_read(tmp_path, elsewhere, zipped):
  torch = pytest.importorskip('torch')
  state = {n: torch.from_numpy(a) for n, a in small.mae().items()}
  path = tmp_path / 'epoch_10.pth'
  saved = training_file(state) | {'dtype': torch.float16}
  saved['optimizer'] = {'state': {0: {'exp_avg': torch.ones(2)}}}
  torch.save(saved, path, _use_new_zipfile_serialization=zipped)
  elsewhere()
  imported = importing.load('mae', str(path), settings={'heads': 1})
  assert len(imported.arrays) == 22 and not imported.report.wrong


def check_unrun(path, folder):
  read = files.read(str(path))
  assert not folder.exists()
  return read


@pytest.mark.torch
@pytest.mark.parametrize('zipped', [True, False])
def test_code_in_a_pytorch_file_is_not_run(tmp_path, zipped):
  torch = pytest.importorskip('torch')
  path, folder = tmp_path / 'a.pth', tmp_path / 'made'
  saved = {'model': torch.from_numpy(ARRAY), 'more': Calls(folder)}
  torch.save(saved, path, _use_new_zipfile_serialization=zipped)
  read = check_unrun(path, folder)
  np.testing.assert_array_equal(read['model'], ARRAY)


def test_code_in_pickles_and_numpys_files_is_not_run(tmp_path):
  folder = tmp_path / 'made'
  plain = tmp_path / 'a.pkl'
  plain.write_bytes(pickle.dumps({'a': ARRAY, 'b': Calls(folder)}))
  packed = tmp_path / 'a.npz'
  objects = np.array([Calls(folder), 1], dtype=object)
  np.savez(packed, a=ARRAY, b=objects)
  single = tmp_path / 'a.npy'
  np.save(single, np.array({'a': ARRAY, 'b': Calls(folder)}))
  for path in (plain, packed, single):
    np.testing.assert_array_equal(check_unrun(path, folder)['a'], ARRAY)


@pytest.mark.parametrize('call', ['eval', 'exec', 'getattr', '__import__'])
def test_builtins_are_not_run(tmp_path, call):
  path, folder = tmp_path / 'a.pkl', tmp_path / 'made'
  code = f"__import__('os').mkdir({str(folder)!r})"
  path.write_bytes(
    b'\x80\x02cbuiltins\n'
    + call.encode()
    + b'\n('
    + b'V'
    + code.encode()
    + b'\ntR.'
  )
  check_unrun(path, folder)


def test_arrays_of_jax_and_flax_are_read(tmp_path):
  path = tmp_path / 'weights.pkl'
  half = np.ones(3, ml_dtypes.bfloat16)
  tree = {'jax': jnp.ones(2), 'half': half, 'inside': {'a': ARRAY}}
  path.write_bytes(pickle.dumps({'params': flax.core.freeze(tree)}))
  read = files.read(str(path))['params']
  np.testing.assert_array_equal(read['jax'], [1, 1])
  np.testing.assert_array_equal(read['inside']['a'], ARRAY)
  assert read['half'].dtype == ml_dtypes.bfloat16


def test_a_pickle_is_cut_only_where_bytes_are_missing(tmp_path):
  path = tmp_path / 'weights.pkl'
  whole = pickle.dumps({'a': ARRAY})
  path.write_bytes(whole[:-20])
  with pytest.raises(WeightsError, match='is cut off: an incomplete download'):
    files.read(str(path))
  path.write_bytes(b'\x80\x02R' + whole[2:])
  with pytest.raises(WeightsError, match='is damaged') as error:
    files.read(str(path))
  assert 'incomplete' not in str(error.value)


@pytest.mark.torch
def test_a_whole_module_has_the_names_of_its_state_dict(tmp_path):
  torch = pytest.importorskip('torch')
  net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
  net.register_buffer('passing', torch.ones(1), persistent=False)
  net.inner = torch.nn.DataParallel(torch.nn.Linear(1, 1))
  path = tmp_path / 'model.pth'
  torch.save(net, path)
  read, state = files.read(str(path)), net.state_dict()
  assert read.keys() == state.keys()
  for name, value in state.items():
    np.testing.assert_array_equal(read[name], value)


@pytest.mark.torch
def test_pickled_tensors_are_read(tmp_path):
  torch = pytest.importorskip('torch')
  path = tmp_path / 'weights.pkl'
  path.write_bytes(pickle.dumps({'a': torch.from_numpy(ARRAY)}))
  np.testing.assert_array_equal(files.read(str(path))['a'], ARRAY)
