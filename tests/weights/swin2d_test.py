"""Files of Swin for images against timm's, and Video Swins that start so."""

import converted
import jax
import numpy as np
import pytest
import started
import swin_models

from vidpetl.weights import importing
from vidpetl.weights.errors import WeightsError

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch

SIDE = 64
WINDOW = (2, 2, 2)


def official(state):
  """timm's arrays under the names of Swin's authors."""
  renamed = {}
  for name, array in state.items():
    part, number, *rest = name.split('.')
    if rest and rest[0] == 'downsample':
      number = str(int(number) - 1)
    if part == 'head':
      number, rest = rest[0], []
    renamed['.'.join([part, number, *rest])] = array
  renamed['layers.0.blocks.1.attn_mask'] = torch.zeros(64, 4, 4)
  index = torch.zeros(4, 4, dtype=torch.long)
  renamed['layers.0.blocks.0.attn.relative_position_index'] = index
  return renamed


@pytest.fixture(scope='module')
def model():
  return swin_models.for_images()


@pytest.fixture
def path(model, tmp_path):
  path = tmp_path / 'swin_tiny.pth'
  torch.save({'model': official(model.state_dict())}, path)
  return path


def grid(model, video):
  """What timm's net makes of frames, [b, t, h, w, d]."""
  frames = video.reshape(-1, *video.shape[2:]).transpose(0, 3, 1, 2)
  with torch.no_grad():
    tokens = model.forward_features(torch.from_numpy(frames.copy()))
  return tokens.numpy().reshape(*video.shape[:2], *tokens.shape[1:])


def test_frames_are_encoded_by_themselves(model, path, tmp_path):
  video = converted.video(1, 3, SIDE, SIDE, 3)
  ours, report = converted.encode('swin2d', path, video, tmp_path)
  assert converted.relative_error(ours.grid, grid(model, video)) < 1e-4
  left = {row.theirs for row in report.rows if row.status == 'left out'}
  assert {'head.weight', 'layers.0.blocks.1.attn_mask'} < left


def test_timms_names_are_the_same_weights(model, path, tmp_path):
  timms = tmp_path / 'timm.pth'
  torch.save(model.state_dict(), timms)
  ours, again = (
    importing.load('swin2d', str(p), head='k').arrays for p in (path, timms)
  )
  assert ours.keys() == again.keys()
  for name, array in ours.items():
    np.testing.assert_array_equal(array, again[name], err_msg=name)


def test_mixed_names_are_refused(model, path, tmp_path):
  """`layers.1` and `layers.2` alone could be either's."""
  state = official(model.state_dict())
  state = {n: a for n, a in state.items() if 'layers.0.downsample' not in n}
  torch.save(state, path)
  with pytest.raises(WeightsError, match=r'missing +layers\.0\.downsample'):
    importing.load('swin2d', str(path))


def test_round_trip_is_exact(model, path, tmp_path):
  back = converted.round_trip('swin2d', path, tmp_path, head='k')
  want = {
    name: array
    for name, array in official(model.state_dict()).items()
    if not name.endswith(('attn_mask', 'relative_position_index'))
  }
  assert back.keys() == want.keys()
  for name, array in back.items():
    np.testing.assert_array_equal(array, want[name].numpy())


@pytest.mark.parametrize(
  'change, said',
  [
    (lambda s: s.pop('layers.2.blocks.0.mlp.fc1.bias'), 'missing +layers'),
    (lambda s: s.update(extra=torch.ones(2)), 'unexpected +extra'),
    (
      lambda s: s.update({
        n: torch.ones(15, a.shape[1])
        for n, a in s.items()
        if n.endswith('bias_table')
      }),
      'no square windows',
    ),
  ],
)  # fmt: skip
def test_what_differs_is_named(model, path, change, said):
  state = official(model.state_dict())
  change(state)
  torch.save({'model': state}, path)
  with pytest.raises(WeightsError, match=said):
    importing.load('swin2d', str(path))


def start(make_config, path, **init):
  """Starts a Video Swin from images' weights."""
  backbone = {
    'name': 'swin',
    'width': swin_models.SIZES['embed_dim'],
    'depths': swin_models.SIZES['depths'],
    'heads': swin_models.SIZES['num_heads'],
    'window': WINDOW,
  }
  config = make_config('kinetics400')
  return started.start(config, 'swin2d', path, SIDE, backbone, **init)


def test_a_still_clip_is_its_image(make_config, model, path):
  """Copies of a token share its attention, wherever windows are cut in time."""
  backbone, params, report = start(make_config, path)
  image = converted.video(1, 1, SIDE, SIDE, 3)
  still = np.repeat(image, 8, 1)
  ours = jax.jit(lambda p: backbone.apply({'params': p}, still, False).grid)(
    params
  )
  theirs = np.repeat(grid(model, image), 4, 1)
  assert converted.relative_error(ours, theirs) < 1e-4
  resized = [row for row in report.rows if row.status == 'resized']
  notes = {row.ours.split('/')[-1]: row.note for row in resized}
  assert notes['kernel'] == 'average'
  assert (
    notes['relative_position_bias_table']
    == 'windows of 1x2x2 to 2x2x2, bicubic'
  )
  assert len(resized) == 1 + sum(swin_models.SIZES['depths'])
  assert not report.wrong


def test_the_middle_frame_may_have_the_filters(make_config, path):
  _, params, _ = start(make_config, path, inflate='central')
  kernel = params['patch_embed']['proj']['kernel']
  assert np.abs(kernel[0]).max() == 0 < np.abs(kernel[1]).max()
