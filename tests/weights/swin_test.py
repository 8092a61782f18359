"""Video Swin's files against torchvision's net, which is the same one."""

import converted
import numpy as np
import pytest
import swin_models

from vidpetl.weights import importing, swins
from vidpetl.weights.errors import WeightsError

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch


def save(path, state, **beside):
  torch.save({'state_dict': state, 'meta': {'epoch': 30}, **beside}, path)
  return path


@pytest.fixture(scope='module')
def model():
  return swin_models.for_clips(window=(3, 7, 7))


@pytest.fixture
def state(model):
  return swin_models.official(model.state_dict())


def test_features(model, state, tmp_path):
  video = converted.video(1, 8, 60, 84, 3)
  path = save(tmp_path / 'swin.pth', state)
  ours, report = converted.encode('swin', path, video, tmp_path)
  theirs = swin_models.grid(model, video)
  assert converted.relative_error(ours.grid, theirs) < 1e-4
  assert not report.wrong


def test_later_names_are_the_same_weights(state, tmp_path):
  """mmaction2 1.x calls the last norm norm3, and saves pixels' mean."""
  options = {'head': 'k'}
  old = importing.load('swin', save(tmp_path / 'a.pth', state), **options)
  later = {n.replace('backbone.norm.', 'backbone.norm3.') for n in state}
  assert len(later - set(state)) == 2
  new = {
    n.replace('backbone.norm.', 'backbone.norm3.'): a for n, a in state.items()
  }
  new['data_preprocessor.mean'] = torch.ones(3, 1, 1, 1)
  again = importing.load('swin', save(tmp_path / 'b.pth', new), **options)
  assert old.arrays.keys() == again.arrays.keys()
  for name, array in old.arrays.items():
    np.testing.assert_array_equal(array, again.arrays[name])
  assert old.arrays['heads_k/output_projection/kernel'].shape == (256, 5)


def test_round_trip_is_exact(state, tmp_path):
  path = save(tmp_path / 'swin.pth', state)
  back = converted.round_trip('swin', path, tmp_path, head='k')
  assert back.keys() == state.keys()
  for name, array in back.items():
    np.testing.assert_array_equal(array, state[name].numpy())


@pytest.mark.parametrize(
  'window', [(8, 7, 7), (16, 7, 7), (8, 12, 12), (1, 7, 7)]
)
def test_rows_of_a_table_tell_the_windows(window):
  rows = np.prod([2 * size - 1 for size in window])
  assert swins.clip_window(int(rows)) == window


@pytest.mark.parametrize('rows', [2534, 15 * 11 * 11, 89401])
def test_rows_that_do_not_are_refused(rows):
  with pytest.raises(WeightsError, match=f'{rows} relative positions'):
    swins.clip_window(rows)


def without(state, part):
  return {name: a for name, a in state.items() if part not in name}


BLOCK = 'layers.0.blocks.0.'


@pytest.mark.parametrize(
  'change, said',
  [
    (lambda s: without(s, BLOCK), rf'missing +{BLOCK}norm1\.weight'),
    (lambda s: without(s, 'layers.3.blocks'), r'missing +layers\.3\.blocks\.0'),
    (
      lambda s: {**s, 'backbone.layers.0.adapter': torch.ones(2)},
      r'unexpected +layers\.0\.adapter',
    ),
    (
      lambda s: {
        n: a[:-1] if n.endswith(f'{BLOCK}attn.relative_position_bias_table')
        else a
        for n, a in s.items()
      },
      'windows differ',
    ),
  ],
)  # fmt: skip
def test_what_differs_is_named(state, tmp_path, change, said):
  path = save(tmp_path / 'swin.pth', change(state))
  with pytest.raises(WeightsError, match=said):
    importing.load('swin', str(path))


def test_other_files_are_refused(model, state, tmp_path):
  path = tmp_path / 'swin3d_t.pth'
  torch.save(model.state_dict(), path)
  with pytest.raises(WeightsError, match=r'looks like .*swin_torchvision'):
    importing.load('swin', str(path))
  path = save(tmp_path / 'swin.pth', state)
  path.write_bytes(path.read_bytes()[:-1000])
  with pytest.raises(WeightsError, match='an incomplete download'):
    importing.load('swin', str(path))
