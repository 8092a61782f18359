"""X3D's files, by two sets of names, against plain layers."""

import converted
import numpy as np
import pytest

from vidpetl import convert
from vidpetl.experiment import published
from vidpetl.weights.errors import WeightsError

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch

import x3d_models as models  # noqa: E402

TINY = {'width': 8, 'depths': (1, 2, 1, 1), 'pooled': 24}
FULL = {'width': 24, 'depths': (3, 5, 11, 7), 'pooled': 2048}


def net(family, **options):
  """A net of a family, and its arrays by that one's names."""
  norm = family == 'x3d'
  model = models.X3D(**{**TINY, **options}, norm=norm)
  state = converted.randomise(model).state_dict()
  return model, state if norm else models.pytorchvideo(state)


def save(state, path):
  torch.save({'model_state': state, 'cfg': 'MODEL: x3d', 'epoch': 9}, path)


@pytest.mark.parametrize(
  'family, options, shape',
  [
    ('x3d', {}, (4, 64, 64)),
    ('x3d_pytorchvideo', {}, (3, 47, 70)),
    pytest.param(*('x3d', FULL, (16, 224, 224)), marks=pytest.mark.published),
  ],
)
def test_features(tmp_path, family, options, shape):
  model, state = net(family, **options)
  path = tmp_path / 'x3d_m.pyth'
  save(state, path)
  video = converted.video(2, *shape, 3)
  ours, report = converted.encode(family, path, video, tmp_path, head='k')
  assert not report.wrong
  with torch.no_grad():
    grid, summary = model(torch.from_numpy(video.transpose(0, 4, 1, 2, 3)))
  grid = grid.numpy().transpose(0, 2, 3, 4, 1)
  assert converted.relative_error(ours.grid, grid) < 1e-5
  assert converted.relative_error(ours.summary, summary) < 1e-5
  backbone = published.read_metadata(str(tmp_path / f'{family}.safetensors'))
  assert backbone['backbone']['shortcut_norm'] == (family == 'x3d')


@pytest.mark.parametrize('family', ['x3d', 'x3d_pytorchvideo'])
def test_round_trip_is_exact(tmp_path, family):
  _, state = net(family)
  path = tmp_path / 'net.pyth'
  save(state, path)
  back = converted.round_trip(family, path, tmp_path, head='k')
  kept = {n for n in state if not n.endswith('num_batches_tracked')}
  assert back.keys() == kept
  for name in kept:
    np.testing.assert_array_equal(back[name], state[name].numpy(), name)


def test_a_block_without_its_excitation_is_refused(tmp_path):
  _, state = net('x3d')
  path = tmp_path / 'net.pyth'
  del state['s3.pathway0_res0.branch2.se.fc1.weight']
  save(state, path)
  with pytest.raises(WeightsError, match=r'missing.*res0\.branch2\.se\.fc1'):
    convert.import_file('x3d', str(path), str(tmp_path / 'x'))
