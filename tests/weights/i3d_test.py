"""Both I3Ds of PyTorch against plain layers under the names of their files."""

import converted
import numpy as np
import pytest

from vidpetl import convert
from vidpetl.experiment import published
from vidpetl.parameters import storage
from vidpetl.weights.errors import WeightsError

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch

from networks import I3D, features_of  # noqa: E402

LOGITS = {'hassony2': 'conv3d_0c_1x1', 'piergiaj': 'logits'}


def model(by, width=8, classes=5):
  return converted.randomise(I3D(by, width, classes))


def save_old(state, path):
  """As PyTorch wrote files before 1.6."""
  torch.save(state, path, _use_new_zipfile_serialization=False)


def test_features(tmp_path):
  theirs = model('hassony2')
  path = tmp_path / 'model_rgb.pth'
  save_old(theirs.state_dict(), path)
  video = converted.video(1, 16, 64, 64, 3)
  ours, report = converted.encode(
    'i3d_hassony2', path, video, tmp_path, head='k'
  )
  assert not report.wrong
  assert any("variant='pecop'" in note for note in report.notes)
  expected = features_of(theirs, video)
  assert expected.shape == (1, 2, 2, 2, 128)
  assert converted.relative_error(ours.grid, expected) < 1e-4


@pytest.mark.parametrize(
  'by, frames',
  [
    ('hassony2', 17),
    ('hassony2', 18),
    ('hassony2', 19),
    ('piergiaj', 17),
    ('pecop', 18),
  ],
)
def test_features_where_strides_divide_nothing(tmp_path, by, frames):
  """Three paddings, each as its code has it."""
  theirs = model(by)
  path = tmp_path / 'model.pth'
  torch.save(theirs.state_dict(), path)
  family = 'i3d_piergiaj' if by == 'piergiaj' else 'i3d_hassony2'
  video = converted.video(1, frames, 50, 70, 3)
  fields = {'variant': by}
  ours, _ = converted.encode(family, path, video, tmp_path, fields)
  assert converted.relative_error(ours.grid, features_of(theirs, video)) < 1e-4


def test_both_files_give_the_same_arrays(tmp_path):
  """Their two nets are one, so piergiaj's needs no other compilation."""
  hassony2, piergiaj = (model(by) for by in LOGITS)
  state = dict(zip(piergiaj.state_dict(), hassony2.state_dict().values()))
  piergiaj.load_state_dict(state)
  x = torch.randn(1, 3, 8, 32, 32)
  torch.testing.assert_close(piergiaj(x), hassony2(x))
  arrays = {}
  for by, net in (('hassony2', hassony2), ('piergiaj', piergiaj)):
    path, out = tmp_path / f'{by}.pt', str(tmp_path / f'{by}.safetensors')
    save_old(net.state_dict(), path)
    convert.import_file(f'i3d_{by}', str(path), out, head='k')
    arrays[by] = storage.load_arrays(out)
    said = published.read_metadata(out)
    assert said['backbone'] == {'name': 'i3d', 'variant': by, 'width': 8}
    assert said['mean'] == said['std'] == 0.5
  assert arrays['hassony2'].keys() == arrays['piergiaj'].keys()
  for name, array in arrays['hassony2'].items():
    np.testing.assert_array_equal(array, arrays['piergiaj'][name], name)


@pytest.mark.parametrize('by', LOGITS)
def test_round_trip_is_exact(tmp_path, by):
  """What is exported is all that PyTorch needs, without counts."""
  net = model(by)
  path = tmp_path / 'model.pth'
  torch.save(net.state_dict(), path)
  back = converted.round_trip(f'i3d_{by}', path, tmp_path, head='k')
  state = {name: torch.from_numpy(array) for name, array in back.items()}
  assert not any(name.endswith('num_batches_tracked') for name in state)
  other = I3D(by, 8, 5)
  other.load_state_dict(state, strict=True)
  for name, value in net.state_dict().items():
    if not name.endswith('num_batches_tracked'):
      torch.testing.assert_close(state[name], value, rtol=0, atol=0)


@pytest.mark.parametrize('by', LOGITS)
def test_full_width_has_the_published_counts(tmp_path, by):
  with torch.device('meta'):
    shapes = {k: v.shape for k, v in I3D(by).state_dict().items()}
  path, out = tmp_path / 'rgb.pth', str(tmp_path / 'i3d.safetensors')
  torch.save(
    {k: torch.ones(s, dtype=torch.half) for k, s in shapes.items()}, path
  )
  convert.import_file(f'i3d_{by}', str(path), out, head='k')
  arrays = storage.load_arrays(out)
  assert {a.dtype for a in arrays.values()} == {np.dtype(np.float16)}
  sizes = {name: a.size for name, a in arrays.items()}
  statistics = sum(n for k, n in sizes.items() if k.startswith('batch_stats/'))
  head = sum(n for k, n in sizes.items() if k.startswith('heads_k/'))
  assert (statistics, head) == (14_560, 410_000)
  assert sum(sizes.values()) - statistics == 12_697_264


def test_missing_extra_and_flow_are_refused(tmp_path):
  state = model('hassony2').state_dict()
  path, out = tmp_path / 'model.pth', str(tmp_path / 'i3d.safetensors')

  def load(**changes):
    changed = {k: v for k, v in (state | changes).items() if v is not None}
    torch.save(changed, path)
    convert.import_file('i3d_hassony2', str(path), out)

  name = 'mixed_4b.branch_1.1.batch3d.running_var'
  with pytest.raises(WeightsError, match=f'missing +{name}'):
    load(**{name: None})
  name = 'mixed_3b.tuning_module.adapter.weight'
  with pytest.raises(WeightsError, match=f'unexpected +{name}'):
    load(**{name: torch.ones(3)})
  with pytest.raises(WeightsError, match=r'model\.pth.*optical flow'):
    load(**{'conv3d_1a_7x7.conv3d.weight': torch.ones(8, 2, 7, 7, 7)})
