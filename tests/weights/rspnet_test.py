"""RSPNet's checkpoints: its three nets, pretrained and fine-tuned."""

import converted
import numpy as np
import pytest

from vidpetl import convert
from vidpetl.parameters import storage
from vidpetl.weights.errors import WeightsError

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch

import networks  # noqa: E402

NETS = {
  'c3d': networks.C3D,
  'r3d': networks.Hara,
  'r2plus1d': networks.R2Plus1D,
}
CLIPS = {'c3d': (16, 37, 32), 'r3d': (16, 64, 36), 'r2plus1d': (9, 33, 20)}


class Wrapper(torch.nn.Module):
  """What pretraining puts around a net."""

  def __init__(self, net, width):
    super().__init__()
    self.encoder = net
    for name in ('fc1', 'fc2'):
      last = torch.nn.Linear(8 * width, 16)
      pool = torch.nn.AdaptiveAvgPool3d(1)
      self.add_module(name, torch.nn.Sequential(pool, torch.nn.Flatten(), last))


class MoCo(torch.nn.Module):
  """Both encoders and the queue."""

  def __init__(self, name, width):
    super().__init__()
    self.encoder_q = Wrapper(NETS[name](width=width, classes=1), width)
    self.encoder_k = Wrapper(NETS[name](width=width, classes=1), width)
    self.register_buffer('queue', torch.randn(16, 32))
    self.register_buffer('queue_ptr', torch.zeros(1, dtype=torch.long))


class FineTuned(torch.nn.Module):
  def __init__(self, name, width):
    super().__init__()
    self.encoder = NETS[name](width=width, classes=1)
    self.avg_pool = torch.nn.AdaptiveAvgPool3d(1)
    self.fc = torch.nn.Linear(8 * width, 7)


def save(model, path, prefix=''):
  """As RSPNet saves: PyTorch 1.6, with an optimizer of momentum."""
  model.train()
  optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
  sum(p.sum() for p in model.parameters()).backward()
  optimizer.step()
  model.eval()
  scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 200)
  state = {f'{prefix}{k}': v for k, v in model.state_dict().items()}
  torch.save(
    {
      'epoch': 200,
      'arch': 'net',
      'model': state,
      'best_loss': 1.5,
      'optimizer': optimizer.state_dict(),
      'scheduler': scheduler.state_dict(),
    },
    path,
  )


@pytest.mark.parametrize('name', NETS)
def test_features_of_the_queries_encoder(tmp_path, name):
  model = converted.randomise(MoCo(name, 8))
  path = tmp_path / 'model_best.pth.tar'
  save(model, path, 'module.' if name == 'c3d' else '')
  video = converted.video(1, *CLIPS[name], 3)
  ours, report = converted.encode(f'rspnet_{name}', path, video, tmp_path)
  expected = networks.features_of(model.encoder_q.encoder, video)
  assert converted.relative_error(ours.grid, expected) < 1e-4
  left = {r.theirs: r.note for r in report.rows if r.status == 'left out'}
  last = 'fc' if name == 'r3d' else 'linear'
  for key, why in {
    'queue': 'keys of other clips',
    'queue_ptr': 'keys of other clips',
    'fc1.2.weight': 'projections',
    'encoder_k.fc2.2.bias': "keys' encoder",
    'encoder_k.encoder.bn1.running_var': "keys' encoder",
    f'encoder_unused.{last}.weight': 'nothing has trained',
    'bn1.num_batches_tracked': 'counts',
  }.items():
    assert why in left[key], key
  assert "not read: ['epoch', 'arch', 'best_loss'" in ' '.join(report.notes)


@pytest.mark.parametrize('name', NETS)
def test_fine_tuned_files_have_a_classifier(tmp_path, name):
  """Which is `fc`, and not the net's own of one class."""
  model = converted.randomise(FineTuned(name, 8))
  path, out = tmp_path / 'model_best.pth.tar', str(tmp_path / 'a.safetensors')
  save(model, path)
  convert.import_file(f'rspnet_{name}', str(path), out, head='k')
  head = storage.load_arrays(out)['heads_k/output_projection/kernel']
  assert head.shape == (64, 7)
  assert (head == model.fc.weight.detach().numpy().T).all()


@pytest.mark.parametrize('name', NETS)
def test_round_trip_is_exact(tmp_path, name):
  """Of the net and, as fine-tuning calls it, the classifier."""
  net = converted.randomise(NETS[name](width=8, classes=7))
  state = {
    key.replace('linear.', 'fc.'): value
    for key, value in net.state_dict().items()
  }
  path = tmp_path / 'net.pth'
  torch.save(state, path)
  back = converted.round_trip(f'rspnet_{name}', path, tmp_path, head='k')
  counts = {key for key in state if key.endswith('num_batches_tracked')}
  state = {
    (key if key[:3] == 'fc.' else f'encoder.{key}'): value
    for key, value in state.items()
    if key not in counts
  }
  assert back.keys() == state.keys()
  for key, array in back.items():
    np.testing.assert_array_equal(array, state[key].numpy(), key)


@pytest.mark.parametrize(
  'name, params',
  [('c3d', 27_661_440), ('r3d', 33_203_904), ('r2plus1d', 14_365_303)],
)
def test_full_width_has_the_published_counts(tmp_path, name, params):
  with torch.device('meta'):
    net = Wrapper(NETS[name](classes=1), 64)
  state = {
    f'encoder_q.{key}': torch.ones(value.shape, dtype=torch.half)
    for key, value in net.state_dict().items()
  }
  path, out = tmp_path / 'net.pth.tar', str(tmp_path / 'net.safetensors')
  torch.save({'model': state, 'arch': name}, path)
  convert.import_file(f'rspnet_{name}', str(path), out)
  arrays = storage.load_arrays(out)
  trunk = [a.size for k, a in arrays.items() if k.startswith('backbone/')]
  assert sum(trunk) == params


def test_missing_and_extra_arrays_are_named(tmp_path):
  state = MoCo('r2plus1d', 8).state_dict()
  path, out = tmp_path / 'a.pth.tar', str(tmp_path / 'a.safetensors')
  name = 'conv3.block1.downsampleconv.bn.running_mean'
  del state[f'encoder_q.encoder.{name}']
  state |= {'encoder_q.encoder.conv3.blocks.0.conv1.bn.bias': torch.ones(3)}
  torch.save({'model': state}, path)
  with pytest.raises(WeightsError) as error:
    convert.import_file('rspnet_r2plus1d', str(path), out)
  assert f'missing     {name}' in str(error.value)
  assert 'unexpected  conv3.blocks.0.conv1.bn.bias' in str(error.value)
