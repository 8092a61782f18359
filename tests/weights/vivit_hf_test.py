"""Files of transformers' ViViT against the models that wrote them."""

import converted
import numpy as np
import pytest
import safetensors.numpy
import vivit_models

from vidpetl import convert
from vidpetl.weights import importing
from vidpetl.weights.errors import WeightsError

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')
pytestmark = pytest.mark.torch

GRID, TUBELET = (2, 3, 3), (2, 8, 8)


@pytest.fixture(scope='module')
def model():
  return vivit_models.joint(GRID, TUBELET)


@pytest.fixture
def path(model, tmp_path):
  """Names that hub files have are what a model of transformers 5 writes."""
  model.save_pretrained(tmp_path)
  path = tmp_path / 'model.safetensors'
  names = set(safetensors.numpy.load_file(path))
  assert 'vivit.encoder.layer.0.attention.attention.query.weight' in names
  return path


def test_features(model, path, tmp_path):
  video = converted.video(2, 4, 24, 24, 3)
  ours, report = converted.encode('vivit_hf', path, video, tmp_path, grid=GRID)
  theirs = vivit_models.joint_tokens(model, video)
  assert converted.relative_error(ours.summary, theirs[:, 0]) < 1e-4
  grid = theirs[:, 1:].reshape(2, *GRID, -1)
  assert converted.relative_error(ours.grid, grid) < 1e-4
  assert not report.wrong


def test_names_in_memory_are_the_same_weights(model, path, tmp_path):
  state = {n: a.numpy().copy() for n, a in model.state_dict().items()}
  state['vivit.pooler.dense.weight'] = np.ones((2, 2), np.float32)
  new = tmp_path / 'new.safetensors'
  safetensors.numpy.save_file(state, new)
  ours, again = (
    importing.load('vivit_hf', str(p), head='k', grid=GRID).arrays
    for p in (path, new)
  )
  assert ours.keys() == again.keys()
  for name, array in ours.items():
    np.testing.assert_array_equal(array, again[name], err_msg=name)


def test_round_trip_is_exact(path, tmp_path):
  back = converted.round_trip('vivit_hf', path, tmp_path, head='k', grid=GRID)
  want = safetensors.numpy.load_file(path)
  assert back.keys() == want.keys()
  for name, array in back.items():
    np.testing.assert_array_equal(array, want[name], err_msg=name)


@pytest.mark.parametrize(
  'change, said',
  [
    (
      lambda s: [s.pop(n) for n in list(s) if 'layer.0.' in n],
      r'missing +encoder\.layer\.0\.layernorm_before\.weight',
    ),
    (
      lambda s: s.update(extra=np.ones(2, np.float32)),
      'unexpected +extra',
    ),
  ],
)
def test_what_differs_is_named(path, change, said):
  state = safetensors.numpy.load_file(path)
  change(state)
  safetensors.numpy.save_file(state, path)
  with pytest.raises(WeightsError, match=said):
    importing.load('vivit_hf', str(path))


def test_a_grid_is_asked_for_without_a_config(path):
  (path.parent / 'config.json').unlink()
  with pytest.raises(WeightsError, match=r'what grid of tokens .*--grid'):
    importing.load('vivit_hf', str(path), settings={'heads': 2})


@pytest.mark.parametrize(
  'grid, said',
  [
    ((2, 9), r'a grid is \(t, h, w\)'),
    ((2, 2, 3), r'2 x 2 x 3 tokens for .*pos_embedding, .* of 19 '),
  ],
)
def test_grids_that_cannot_be_are_refused(path, tmp_path, grid, said):
  out = str(tmp_path / 'out.safetensors')
  with pytest.raises(WeightsError, match=said):
    convert.import_file('vivit_hf', str(path), out, grid=grid)


def test_other_files_are_refused(path):
  with pytest.raises(WeightsError, match=r'looks like .*vivit_hf'):
    importing.load('mae', str(path))
  path.write_bytes(path.read_bytes()[:-1000])
  with pytest.raises(WeightsError, match='an incomplete download'):
    importing.load('vivit_hf', str(path))
