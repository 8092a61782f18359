"""V-JEPA 2 and 2.1: Meta's files against their structure in PyTorch."""

import converted
import numpy as np
import pytest

from vidpetl import convert
from vidpetl.experiment import published
from vidpetl.parameters import storage
from vidpetl.weights.errors import WeightsError

torch = pytest.importorskip('torch')
models = pytest.importorskip('vjepa2_models')
pytestmark = pytest.mark.torch

HEADS = {'heads': 2}


def encoder(kind):
  return converted.randomise(models.Encoder(kind))


def save(path, change=lambda nets: None, **nets):
  """Writes nets as training does, with what it leaves beside them."""
  saved = {
    name: {f'module.backbone.{k}': v for k, v in net.state_dict().items()}
    for name, net in nets.items()
  }
  saved['predictor'] = {
    'module.backbone.predictor_blocks.0.norm1.weight': torch.ones(4),
    'module.backbone.mask_tokens.0': torch.ones(1, 1, 4),
  }
  change(saved)
  torch.save({**saved, 'epoch': 3, 'opt': {'state': {}}}, path)
  return path


def tokens_of(net, video):
  with torch.no_grad():
    return net(torch.from_numpy(video.transpose(0, 4, 1, 2, 3).copy())).numpy()


@pytest.mark.parametrize('kind', ['v2', 'v2_1'])
@pytest.mark.parametrize('shape', [(4, 32, 32), (6, 24, 40), (2, 40, 16)])
def test_features_at_any_shape_of_clips(kind, shape, tmp_path):
  net = encoder(kind)
  path = save(tmp_path / 'vitl.pt', target_encoder=net, encoder=encoder(kind))
  video = converted.video(2, *shape, 3)
  ours, report = converted.encode(
    'vjepa2', path, video, tmp_path, settings=HEADS
  )
  assert not report.wrong
  t, h, w = shape[0] // 2, shape[1] // 8, shape[2] // 8
  theirs = tokens_of(net, video).reshape(2, t, h, w, 32)
  assert converted.relative_error(ours.grid, theirs) < 1e-5
  summary = theirs.mean((1, 2, 3))
  assert converted.relative_error(ours.summary, summary) < 1e-5


def kernel_of(path, tmp_path, **options):
  out = str(tmp_path / 'out.safetensors')
  convert.import_file('vjepa2', str(path), out, settings=HEADS, **options)
  return storage.load_arrays(out)['backbone/embedding/kernel']


def test_the_averaged_encoder_is_meant(tmp_path):
  """Of distilled models that is another entry, beside their teacher."""
  nets = {name: models.Encoder('v2') for name in ('a', 'b', 'c')}
  of = lambda net: net.patch_embed.proj.weight.detach().permute(2, 3, 4, 1, 0)
  path = tmp_path / 'a.pt'
  save(path, encoder=nets['a'], target_encoder=nets['b'])
  np.testing.assert_array_equal(kernel_of(path, tmp_path), of(nets['b']))
  found = kernel_of(path, tmp_path, entry='encoder')
  np.testing.assert_array_equal(found, of(nets['a']))
  save(path, encoder=nets['a'], target_encoder=nets['b'], ema_encoder=nets['c'])
  np.testing.assert_array_equal(kernel_of(path, tmp_path), of(nets['c']))
  save(path, encoder=nets['a'])
  np.testing.assert_array_equal(kernel_of(path, tmp_path), of(nets['a']))


def drop(name):
  return lambda saved: saved['target_encoder'].pop(f'module.backbone.{name}')


def add(name, *shape):
  full = f'module.backbone.{name}'
  return lambda saved: saved['target_encoder'].update({full: torch.ones(shape)})


@pytest.mark.parametrize(
  'change, match',
  [
    (drop('blocks.1.attn.proj.bias'), 'missing +blocks.1.attn.proj.bias'),
    (drop('norm.weight'), 'norm.weight is missing|missing +norm.weight'),
    (add('cls_token', 1, 1, 32), 'unexpected +cls_token'),
    (add('pos_embed', 1, 1568, 32), r'V-JEPA \(1\)'),
    (add('blocks.0.mlp.fc3.weight', 32, 48), 'SwiGLU'),
  ],
)
def test_another_net_is_refused_by_name(change, match, tmp_path):
  path = tmp_path / 'a.pt'
  save(path, change, target_encoder=encoder('v2'), encoder=encoder('v2'))
  with pytest.raises(WeightsError, match=match):
    kernel_of(path, tmp_path)


def test_positions_that_a_file_has_are_left_out(tmp_path):
  path = tmp_path / 'a.pt'
  save(path, add('pos_embed', 1, 8192, 32), target_encoder=encoder('v2'))
  assert kernel_of(path, tmp_path).shape == (2, 8, 8, 3, 32)


@pytest.mark.parametrize('kind', ['v2', 'v2_1'])
def test_round_trip_is_exact(kind, tmp_path):
  net = encoder(kind)
  path = save(tmp_path / 'a.pt', target_encoder=net)
  back = converted.round_trip('vjepa2', path, tmp_path, settings=HEADS)
  state = net.state_dict()
  for name, array in back.items():
    np.testing.assert_array_equal(array, state[name], err_msg=name)
  left = {name for name in state if name not in back}
  of_images = {'img_mod_embed', 'patch_embed_img.proj.weight'}
  assert of_images <= left if kind == 'v2_1' else not left


def test_heads_are_asked_for_by_preset():
  """A ViT-g has as many as no other of its width."""
  assert published.preset_settings('vjepa2_g')['heads'] == 22
  assert 'vjepa2_g' in published.presets_for(1408, 'vjepa2')
