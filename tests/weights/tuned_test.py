"""Tuned models, as the codes of their papers save them, against PyTorch."""

import converted
import jax
import numpy as np
import pytest

from vidpetl import backbones, convert
from vidpetl.experiment import published
from vidpetl.parameters import storage, variables
from vidpetl.petl import bindings
from vidpetl.tasks.quality import core_tree, tsa_head, usdl
from vidpetl.weights import importing
from vidpetl.weights.errors import WeightsError

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch

import clip_test  # noqa: E402
import mae_test  # noqa: E402
import networks  # noqa: E402
import swin_models  # noqa: E402
from networks import I3D  # noqa: E402
from tuned_models import (  # noqa: E402
  Decoder,
  Evaluator,
  Scorer,
  Segmentation,
  Tree,
)

D = 128  # Features of an I3D whose first layer has 8 filters.


def i3d(by, front):
  """The arrays of an I3D, below a name, as several devices save them."""
  net = converted.randomise(I3D(by, 8, 5))
  return {f'module.{front}{name}': v for name, v in net.state_dict().items()}


def spread(net):
  return {f'module.{name}': value for name, value in net.state_dict().items()}


def head_of(family, saved, tmp_path):
  """Converts what a code saves; returns the variables of its head."""
  path, out = str(tmp_path / 'saved.pth'), str(tmp_path / 'ours.safetensors')
  more = {'epoch': 7, 'optimizer': {'state': {0: {'exp_avg': torch.ones(3)}}}}
  torch.save({**saved, **more}, path)
  report = convert.import_file(family, path, out, head='q')
  assert not report.wrong
  tree = variables.unflatten(storage.load_arrays(out))
  return {
    name: part['heads_q'] for name, part in tree.items() if 'heads_q' in part
  }


def test_core(tmp_path):
  tree = converted.randomise(Tree(2 * D + 1))
  saved = {
    'base_model': i3d('hassony2', 'backbone.'),
    'regressor': spread(tree),
  }
  head = head_of('core', saved, tmp_path)
  x = converted.video(3, 2 * D + 1)
  exemplar, query, reference = x[:, :D], x[:, D:-1], x[:, -1]
  ours = core_tree.RegressionTree().apply(head, query, exemplar, reference)
  theirs = tree(torch.from_numpy(x))
  for mine, other in zip(ours, theirs, strict=True):
    assert converted.relative_error(np.asarray(mine), other) < 1e-5


@pytest.mark.parametrize(
  'family, judges, bins', [('usdl', 0, 101), ('musdl', 7, 21), ('musdl', 6, 5)]
)
def test_musdl(tmp_path, family, judges, bins):
  net = converted.randomise(Evaluator(D, bins, judges))
  saved = {'i3d': i3d('piergiaj', ''), 'evaluator': spread(net)}
  head = head_of(family, saved, tmp_path)
  x = converted.video(3, D)
  ours = usdl.DistributionHead(bins, judges, (256, 128)).apply(head, x[:, None])
  assert converted.relative_error(
    np.asarray(ours), net(torch.from_numpy(x))
  ) < (1e-5)


def test_tsa(tmp_path):
  steps, decoder = Segmentation(9, D), Decoder(D // 16)
  score = Scorer(D // 16, 256, 64, 1)
  nets = {'psnet_model': steps, 'decoder': decoder, 'regressor_delta': score}
  saved = {name: spread(converted.randomise(net)) for name, net in nets.items()}
  saved['base_model'] = i3d('hassony2', 'backbone.')
  head = head_of('tsa', saved, tmp_path)
  ours = tsa_head.TsaHead(96)
  x = converted.video(2, 9, D)
  grid = np.zeros((2, 9, 1, 1, 1, D), np.float32)
  u, logits, _ = ours.apply(head, x, grid, False, method='segment')
  features, p = steps(torch.from_numpy(x))
  assert converted.relative_error(np.asarray(u), features) < 1e-5
  assert converted.relative_error(np.asarray(logits), p) < 1e-5
  query = converted.video(2, 3, 5, D // 16)
  exemplar = converted.video(2, 3, 20, D // 16)[:, :, ::-1].copy()
  mine = ours.apply(head, query, exemplar, method='difference')
  flat = lambda a: torch.from_numpy(a).flatten(0, 1)
  theirs = score(decoder(flat(query), flat(exemplar)))
  theirs = theirs.reshape(2, -1).mean(1)
  assert converted.relative_error(np.asarray(mine), theirs) < 1e-5


def both(tmp_path, plain, before, family, after, **options):
  """Converts a backbone's file, and that of the same backbone tuned.

  Returns:
    Arrays of the former, what the latter has beyond these, and what is known
    of the latter.
  """
  found = []
  for name, saved, more in ((plain, before, {}), (family, after, options)):
    path, out = (str(tmp_path / f'{name}.{e}') for e in ('pth', 'safetensors'))
    torch.save(saved, path)
    report = converted.convert_file(name, path, out, **more)
    assert not report.wrong
    found.append(storage.load_arrays(out))
  base, tuned = found
  for name, array in base.items():
    np.testing.assert_array_equal(array, tuned.pop(name), err_msg=name)
  return base, tuned, published.read_metadata(out)


def drawn(shapes):
  generator = torch.Generator().manual_seed(1)
  return {n: torch.randn(s, generator=generator) for n, s in shapes.items()}


def layer(name, *shape):
  return {f'{name}.weight': shape, f'{name}.bias': shape[:1]}


def placed(entries):
  return {(entry['site'], entry['technique']) for entry in entries}


def test_vpetl(tmp_path):
  state = swin_models.official(swin_models.for_clips().state_dict())
  state = {n: v for n, v in state.items() if not n.startswith('cls_head')}
  shapes = layer('fc.0', 5, 256, 1, 1, 1)
  for stage, depth in enumerate((2, 1, 1, 1)):
    d = 32 * 2**stage
    for block in range(depth):
      at = f'layers.{stage}.blocks.{block}'
      shapes |= layer(f'{at}.attn.qkv_adapter.0', 6, d)
      shapes |= layer(f'{at}.attn.qkv_adapter.2', 2 * d, 6)
      shapes |= layer(f'{at}.mlp.adaptmlp.down_proj', 4, d)
      shapes |= layer(f'{at}.mlp.adaptmlp.up_proj', d, 4)
  added = drawn(shapes)
  _, tuned, said = both(
    tmp_path, 'swin', state, 'vpetl', {'model': state | added}, head='a'
  )
  assert placed(said['petl']) == {('attn_qkv', 'patt'), ('mlp', 'adapter')}
  assert [entry['bottleneck'] for entry in said['petl']] == [6, 4]
  assert said['backbone']['summary'] == 'vpetl'
  attention = 'backbone/stage_1/block_0/MultiHeadDotProductAttention_0'
  ours = tuned[f'{attention}/site_attn_qkv/PATT/up/kernel']
  theirs = added['layers.1.blocks.0.attn.qkv_adapter.2.weight']
  np.testing.assert_array_equal(ours, theirs.T)
  kernel = tuned['heads_a/output_projection/kernel']
  np.testing.assert_array_equal(kernel, added['fc.0.weight'][..., 0, 0, 0].T)


def unfused(state):
  """Returns timm's arrays with layers of their own for query, key and value."""
  found = {}
  for name, array in state.items():
    if '.attn.qkv.' not in name:
      found[name.replace('.mlp.fc', '.fc')] = array
      continue
    for letter, part in zip('qkv', array.chunk(3)):
      found[name.replace('.qkv.', f'.{letter}_proj.')] = part
  return found


def test_adaptformer(tmp_path):
  d = 384
  state = mae_test.model(global_pool='token').state_dict()
  net = {n: v for n, v in state.items() if not n.startswith('head')}
  norm = {'head.0.running_mean': (d,), 'head.0.running_var': (d,)}
  shapes = layer('head.1', 5, d) | norm
  for block in range(2):
    at = f'blocks.{block}.adaptmlp'
    shapes |= layer(f'{at}.down_proj', 8, d) | layer(f'{at}.up_proj', d, 8)
  added = drawn(shapes)
  added['head.0.running_var'].abs_()
  added['head.0.num_batches_tracked'] = torch.tensor(3)
  _, tuned, said = both(
    tmp_path, 'mae', net, 'adaptformer', unfused(net) | added, head='a'
  )
  assert placed(said['petl']) == {('mlp_residual', 'adapter')}
  assert said['backbone']['summary'] == 'cls' and said['positions'] == 'bicubic'
  mean = tuned['batch_stats/heads_a/norm/mean']
  np.testing.assert_array_equal(mean, added['head.0.running_mean'])
  block = 'backbone/SpatialTransformer/encoderblock_1/site_mlp_residual/Adapter'
  theirs = added['blocks.1.adaptmlp.down_proj.weight']
  np.testing.assert_array_equal(tuned[f'{block}/down/kernel'], theirs.T)


@pytest.mark.parametrize('sites', [('attn', 'mlp'), ('mlp',)])
def test_st_adapter_on_a_tower(tmp_path, sites):
  """Published files hold what was trained; a code's own hold CLIP as well."""
  state = clip_test.visual(clip_test.model())
  d = state['visual.class_embedding'].shape[0]
  blocks = {int(n.split('.')[3]) for n in state if 'resblocks' in n}
  shapes = layer('fc', 5, d)
  for block in blocks:
    for site in sites:
      at = f'transformer.resblocks.{block}.adapter_pre_{site}'
      shapes |= layer(f'{at}.fc1', 6, d) | layer(f'{at}.fc2', d, 6)
      shapes |= layer(f'{at}.conv', 6, 1, 3, 1, 1)
  added = drawn(shapes)
  with pytest.raises(WeightsError, match='--base=FILE'):
    both(tmp_path, 'clip', state, 'st_adapter', added, head='a')
  base = str(tmp_path / 'clip.safetensors')
  _, tuned, said = both(
    tmp_path, 'clip', state, 'st_adapter', added, head='a', base=base
  )
  published_file = str(tmp_path / 'published.safetensors')
  storage.save_arrays(published_file, {'norm/scale': np.ones(d)})
  with pytest.raises(WeightsError, match='has no arrays of a backbone'):
    path = str(tmp_path / 'st_adapter.pth')
    importing.load('st_adapter', path, base=published_file)
  own = {n.removeprefix('visual.'): v for n, v in state.items()}
  own.pop('proj', None)
  _, whole, _ = both(
    tmp_path, 'clip', state, 'st_adapter', own | added, head='a'
  )
  assert said['backbone']['summary'] == 'mean_norm'
  assert len(said['petl']) == len(sites)
  assert tuned.keys() == whole.keys()
  block = 'backbone/SpatialTransformer/encoderblock_0/site_attn_residual'
  theirs = added['transformer.resblocks.0.adapter_pre_mlp.conv.weight']
  np.testing.assert_array_equal(
    tuned[f'{block}/STAdapter/conv/kernel'], theirs[:, 0].permute(1, 2, 3, 0)
  )


class Tuned(torch.nn.Module):
  """PECoP's 3D-Adapter behind a module (eq. 1)."""

  def __init__(self, d):
    super().__init__()
    self.conv1 = torch.nn.Conv3d(d, d // 4, 3, padding=1, groups=d // 4)
    self.conv2 = torch.nn.Conv3d(d // 4, d, 1)
    self.se = torch.nn.Parameter(torch.randn(1, d, 1, 1, 1))

  def forward(self, module, inputs, x):
    return x + self.se * self.conv2(torch.relu(self.conv1(x)))


def test_pecop(tmp_path):
  net = I3D('hassony2', 32, 5)
  for name in networks.WIDTHS:
    mixed = getattr(net, f'mixed_{name}')
    widths = [w // 2 for w in networks.WIDTHS[name]]
    mixed.tuning_module = Tuned(sum(widths[i] for i in (0, 2, 4, 5)))
    mixed.register_forward_hook(mixed.tuning_module)
  net = converted.randomise(net)
  for module in net.modules():
    if isinstance(module, torch.nn.BatchNorm3d):
      module.eps = 1e-5
  path, out = (str(tmp_path / n) for n in ('gait.pth.tar', 'a.safetensors'))
  torch.save({'state_dict': spread(net), 'epoch': 8}, path)
  assert not convert.import_file('pecop', path, out).wrong
  said = published.read_metadata(out)
  model = bindings.bind(backbones.build(said['backbone']), said['petl'])
  tree = variables.unflatten(storage.load_arrays(out))
  tree = {name: part['backbone'] for name, part in tree.items()}
  video = converted.video(1, 16, 32, 32, 3)
  ours = jax.jit(lambda v: model.apply(v, video, False))(tree)
  theirs = networks.features_of(net, video)
  assert converted.relative_error(ours.grid, theirs) < 1e-4
