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


def tokens_of(net, video, layers=None):
  pixels = torch.from_numpy(video.transpose(0, 4, 1, 2, 3).copy())
  with torch.no_grad():
    return net(pixels, layers).numpy()


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


def probe_file(path, net, *more):
  """Writes classifiers as the authors' evaluations do."""
  states = [
    {f'module.{k}': v for k, v in each.state_dict().items()}
    for each in (net, *more)
  ]
  torch.save({'classifiers': states, 'epoch': 20, 'opt': [{}]}, path)
  return path


def base_of(tmp_path, net):
  """Returns the converted file of an encoder."""
  out = str(tmp_path / 'base.safetensors')
  path = save(tmp_path / 'vitl.pt', target_encoder=net)
  convert.import_file('vjepa2', str(path), out, settings=HEADS)
  return out


@pytest.mark.parametrize('blocks, layers', [(3, 'last'), (0, (0, 1))])
def test_logits_of_a_published_probe(blocks, layers, tmp_path):
  """SSv2's read the last block, Diving48's the tokens of several."""
  net = encoder('v2')
  classifier = converted.randomise(models.Classifier(blocks=blocks))
  path = probe_file(tmp_path / 'ssv2-vitl.pt', classifier)
  video = converted.video(2, 4, 32, 24, 3)
  base = base_of(tmp_path, net)
  ours = converted.classify(
    'vjepa2_probe',
    path,
    video,
    tmp_path,
    base=base,
    settings={'probe_layers': layers},
  )
  with torch.no_grad():
    tokens = tokens_of(net, video, None if layers == 'last' else layers)
    theirs = classifier(torch.from_numpy(tokens))
  assert converted.relative_error(ours, theirs) < 1e-5
  file = str(tmp_path / 'vjepa2_probe.safetensors')
  said = published.read_metadata(file)['probes']['k']
  wanted = {'depth': blocks, 'heads': 16, 'queries': 1, 'epsilon': 1e-5}
  assert wanted.items() <= said.items()
  back = str(tmp_path / 'back.safetensors')
  convert.export_run('vjepa2_probe', file, back, 'k')
  state = classifier.state_dict()
  kept = storage.load_arrays(back)
  assert kept.keys() == state.keys()
  for name, array in kept.items():
    if name.endswith('xattn.kv.bias'):  # That of keys is 0 here.
      state[name][:32] = 0
    np.testing.assert_array_equal(array, state[name], err_msg=name)


def test_a_probe_needs_its_encoder_and_a_task(tmp_path):
  classifier = models.Classifier(blocks=1)
  path = str(probe_file(tmp_path / 'a.pt', classifier))
  out = str(tmp_path / 'out.safetensors')
  load = lambda **o: convert.import_file('vjepa2_probe', path, out, **o)
  with pytest.raises(WeightsError, match=r'probe_layers=last .* 17,19,21,23'):
    load(head='k', base=base_of(tmp_path, models.Encoder('v2')))
  with pytest.raises(WeightsError, match='--base=FILE'):
    load(head='k')
  with pytest.raises(WeightsError, match='--head=<task>'):
    load()
  wide = base_of(tmp_path, models.Encoder('v2', d=48))
  with pytest.raises(WeightsError, match=r'32 wide, and those of .* 48'):
    load(head='k', base=wide)
  probe_file(tmp_path / 'a.pt', classifier, models.Classifier(blocks=1))
  with pytest.raises(WeightsError, match='--entry=classifiers/1'):
    load(head='k')
