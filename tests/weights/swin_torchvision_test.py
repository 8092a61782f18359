"""torchvision's files against torchvision's Video Swin."""

import converted
import numpy as np
import pytest
import swin_models

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch


@pytest.fixture
def saved(tmp_path):
  model = swin_models.for_clips()
  path = tmp_path / 'swin3d.pth'
  torch.save(model.state_dict(), path)
  return model, path


@pytest.mark.parametrize(
  'shape',
  [
    (4, 56, 84),  # Windows of a grid that they do not divide, shifted.
    (9, 60, 37),  # Padded to patches.
  ],
)
def test_features(saved, tmp_path, shape):
  model, path = saved
  video = converted.video(1, *shape, 3)
  ours, report = converted.encode('swin_torchvision', path, video, tmp_path)
  theirs = swin_models.grid(model, video)
  assert converted.relative_error(ours.grid, theirs) < 1e-4
  assert not report.wrong
  left = {row.theirs.split('.')[-1] for row in report.rows if not row.ours}
  assert left == {'relative_position_index', 'weight', 'bias'}


def test_round_trip_is_exact(saved, tmp_path):
  model, path = saved
  back = converted.round_trip('swin_torchvision', path, tmp_path, head='k')
  state = model.state_dict()
  assert back.keys() == state.keys()
  for name, array in back.items():
    np.testing.assert_array_equal(array, state[name].numpy())
