"""R3D and R(2+1)D: torchvision's own, and Hara et al.'s from plain layers."""

import collections
import copy
import functools

import converted
import numpy as np
import pytest
import torchvision_build

from vidpetl import convert
from vidpetl.experiment import published
from vidpetl.parameters import storage
from vidpetl.weights.errors import WeightsError

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch

from networks import Hara, features_of  # noqa: E402


@functools.cache
def torchvision(name):
  """Torchvision's net of a name; it has no smaller widths."""
  resnet = torchvision_build.load().models.video.resnet
  convs = {
    'r3d_18': ([resnet.Conv3DSimple] * 4, resnet.BasicStem),
    'r2plus1d_18': ([resnet.Conv2Plus1D] * 4, resnet.R2Plus1dStem),
  }
  conv, stem = convs[name]
  net = resnet.VideoResNet(resnet.BasicBlock, conv, (1, 2, 1, 1), stem, 7)
  return converted.randomise(net)


def hara(**options):
  return converted.randomise(Hara(width=8, classes=7, **options))


def save_hara(net, path):
  """As `3D-ResNets-PyTorch` saves, scheduler and all."""
  torch.save(
    {
      'epoch': 200,
      'arch': 'resnet-18',
      'state_dict': {f'module.{k}': v for k, v in net.state_dict().items()},
      'optimizer': {'state': {0: {'momentum_buffer': torch.ones(3)}}},
      'scheduler': {
        'milestones': collections.Counter([50, 100]),
        'best': np.float64(2.5),
      },
    },
    path,
  )


def trunk(net):
  """Torchvision's net without pool and classifier."""
  return torch.nn.Sequential(
    net.stem, net.layer1, net.layer2, net.layer3, net.layer4
  )


@pytest.mark.parametrize('name', ['r3d_18', 'r2plus1d_18'])
def test_features_of_torchvisions(tmp_path, name):
  net = torchvision(name)
  path = tmp_path / f'{name}.pth'
  torch.save(net.state_dict(), path)
  video = converted.video(1, 9, 21, 27, 3)
  ours, report = converted.encode(name, path, video, tmp_path)
  assert not report.wrong
  expected = features_of(trunk(net), video)
  assert converted.relative_error(ours.grid, expected) < 1e-4
  pooled = expected.mean((1, 2, 3))
  assert converted.relative_error(ours.summary, pooled) < 1e-4


def test_features_of_hara(tmp_path):
  """Depths of ResNet-34's kind are taken from the file."""
  net = hara(depths=(2, 3, 1, 1))
  path = tmp_path / 'r3d18_K_200ep.pth'
  save_hara(net, path)
  video = converted.video(1, 15, 71, 41, 3)
  ours, report = converted.encode('hara', path, video, tmp_path)
  assert "'module.' taken off" in ' '.join(report.notes)
  expected = features_of(net, video)
  assert converted.relative_error(ours.grid, expected) < 1e-4
  backbone = published.read_metadata(str(tmp_path / 'hara.safetensors'))
  assert backbone['backbone'] == {
    'name': 'resnet3d',
    'variant': 'hara',
    'width': 8,
    'depths': [2, 3, 1, 1],
    'stem_pool': True,
  }
  assert any('--no_max_pool' in note for note in report.notes)


@pytest.mark.parametrize('name', ['r3d_18', 'r2plus1d_18', 'hara'])
def test_round_trip_is_exact(tmp_path, name):
  """PyTorch takes the export with strict=True, as there are no counts in it."""
  net = hara() if name == 'hara' else torchvision(name)
  path = tmp_path / 'model.pth'
  torch.save(net.state_dict(), path)
  back = converted.round_trip(name, path, tmp_path, head='k')
  state = {key: torch.from_numpy(array) for key, array in back.items()}
  assert not any(key.endswith('num_batches_tracked') for key in state)
  other = copy.deepcopy(net)
  with torch.no_grad():
    for value in other.parameters():
      value.zero_()
  other.load_state_dict(state, strict=True)
  for key, value in net.state_dict().items():
    if not key.endswith('num_batches_tracked'):
      torch.testing.assert_close(other.state_dict()[key], value, rtol=0, atol=0)


@pytest.mark.parametrize(
  'name, head, total',
  [
    ('r3d_18', 205_200, 33_371_472),
    ('r2plus1d_18', 205_200, 31_505_325),
    ('hara', 205_200, 33_203_904 + 205_200),
  ],
)
def test_full_size_has_the_published_counts(tmp_path, name, head, total):
  with torch.device('meta'):
    if name == 'hara':
      net = Hara()
    else:
      videos = torchvision_build.load().models.video
      net = getattr(videos, name)()
  state = {
    key: torch.ones(value.shape, dtype=torch.half)
    for key, value in net.state_dict().items()
  }
  path, out = tmp_path / 'net.pth', str(tmp_path / 'net.safetensors')
  torch.save(state, path)
  convert.import_file(name, str(path), out, head='k')
  sizes = {k: a.size for k, a in storage.load_arrays(out).items()}
  heads = sum(n for k, n in sizes.items() if k.startswith('heads_k/'))
  params = sum(n for k, n in sizes.items() if not k.startswith('batch_stats/'))
  assert (heads, params) == (head, total)


def test_shortcuts_of_type_a_are_refused(tmp_path):
  path = tmp_path / 'resnet-18-kinetics.pth'
  save_hara(hara(type_a=True), path)
  with pytest.raises(WeightsError) as error:
    convert.import_file('hara', str(path), str(tmp_path / 'a.safetensors'))
  said = str(error.value)
  assert 'resnet-18-kinetics.pth: there are no downsample arrays' in said
  assert 'of type A' in said and "backbone's are of type B" in said


def test_bottlenecks_are_refused(tmp_path):
  path = tmp_path / 'r3d50_K_200ep.pth'
  state = hara().state_dict()
  state |= {'layer1.0.conv3.weight': torch.ones(32, 8, 1, 1, 1)}
  torch.save({'state_dict': state}, path)
  with pytest.raises(WeightsError, match=r'r3d50.*ResNet of bottlenecks'):
    convert.import_file('hara', str(path), str(tmp_path / 'b.safetensors'))


def test_missing_and_extra_arrays_are_named(tmp_path):
  state = torchvision('r3d_18').state_dict()
  path, out = tmp_path / 'net.pth', str(tmp_path / 'net.safetensors')
  extra = {'layer4.0.attention.weight': torch.ones(2)}
  torch.save(state | extra, path)
  with pytest.raises(WeightsError, match=r'unexpected +layer4\.0\.attention'):
    convert.import_file('r3d_18', str(path), out)
  convert.import_file('r3d_18', str(path), out, allow=['attention'])
  del state['layer3.0.downsample.1.running_mean']
  torch.save(state, path)
  with pytest.raises(WeightsError, match=r'missing +layer3\.0\.downsample\.1'):
    convert.import_file('r3d_18', str(path), out)


def test_another_familys_file_is_recognised(tmp_path):
  path = tmp_path / 'net.pth'
  torch.save(torchvision('r3d_18').state_dict(), path)
  with pytest.raises(WeightsError, match=r'looks like r3d_18\.'):
    convert.import_file('i3d_hassony2', str(path), str(tmp_path / 'x'))
