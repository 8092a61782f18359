"""EVA's files, BAAI's and timm's, against timm's model."""

import converted
import damaged
import numpy as np
import pytest
import resized
import torchvision_build

from vidpetl import convert
from vidpetl.experiment import published
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.families import eva_clip

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch

D, PATCH, SIDE = 32, 4, 16
GATED = {
  'qkv_fused': False,
  'swiglu_mlp': True,
  'scale_mlp': True,
  'use_rot_pos_emb': True,
  'ref_feat_shape': (16, 16),
  'mlp_ratio': 2.67,
}
KINDS = {
  'eva01': {},
  'eva02': GATED,
  'eva02_clip': {**GATED, 'scale_attn_inner': True},
}
HEADS = {'settings': {'heads': 4}}
# timm's names, and those of BAAI's files.
RENAMED = (
  ('mlp.fc1_g', 'mlp.w1'),
  ('mlp.fc1_x', 'mlp.w2'),
  ('mlp.norm', 'mlp.ffn_ln'),
  ('attn.norm', 'attn.inner_attn_ln'),
  ('q_proj.bias', 'q_bias'),
  ('v_proj.bias', 'v_bias'),
)


def model(kind, pool='avg', size=SIDE, **options):
  torchvision_build.load()
  import timm  # noqa: PLC0415

  return drawn(
    timm.models.eva.Eva(
      **{
        'img_size': size,
        'patch_size': PATCH,
        'embed_dim': D,
        'depth': 2,
        'num_heads': 4,
        'num_classes': 5,
        'global_pool': pool,
        **KINDS[kind],
        **options,
      }
    )
  )


def drawn(net):
  """Draws parameters; buffers are computed, and no file has them."""
  kept = {name: value.clone() for name, value in net.named_buffers()}
  converted.randomise(net)
  for name, value in net.named_buffers():
    value.copy_(kept[name])
  return net


def baais(net, kind, front=''):
  """Returns a model's arrays as BAAI's code has them."""
  state = {}
  for name, array in net.state_dict().items():
    for ours, theirs in RENAMED if kind != 'eva01' else ():
      name = name.replace(ours, theirs)
    if kind != 'eva01':
      name = name.replace('mlp.fc2', 'mlp.w3')
    state[front + name] = array
  if kind != 'eva01':
    for at in ('', 'blocks.0.attn.', 'blocks.1.attn.'):
      for wave in ('cos', 'sin'):
        state[f'{front}{at}rope.freqs_{wave}'] = torch.ones(16, D // 4)
  return state


def clip_of(net, kind, tower=None):
  """Returns the state of a CLIP whose image tower a model is."""
  return {
    **(tower or baais(net, kind, 'visual.')),
    'text.positional_embedding': torch.zeros(7, D),
    'text.transformer.resblocks.0.ln_1.weight': torch.ones(D),
    'logit_scale': torch.tensor(4.6),
  }


def expected(net, video, patch=PATCH):
  """Returns the summary [b, d] and the grid [b, t, h, w, d] of a clip."""
  b, t, h, w, _ = video.shape
  frames = torch.from_numpy(video.reshape(b * t, h, w, 3).transpose(0, 3, 1, 2))
  with torch.no_grad():
    tokens = net.forward_features(frames.contiguous())
    read = net.forward_head(tokens, pre_logits=True)
    patches = net.fc_norm(tokens)[:, 1:]
  grid = (b, t, h // patch, w // patch, -1)
  return read.reshape(b, t, -1).mean(1), patches.reshape(grid)


def agree(ours, theirs):
  for mine, other in zip((ours.summary, ours.grid), theirs):
    assert converted.relative_error(mine, other) < 1e-5


def save(kind, family, net, path):
  if family == 'eva_timm' and kind == 'eva02_clip':  # As open_clip has it.
    tower = {f'visual.trunk.{n}': x for n, x in net.state_dict().items()}
    torch.save(clip_of(net, kind, tower), path)
  elif family == 'eva_timm':
    torch.save(net.state_dict(), path)
  elif family in ('eva01', 'eva02'):
    torch.save({'module': baais(net, kind)}, path)
  else:
    torch.save(clip_of(net, kind), path)
  return path


def enlarge(net, family, sizes):
  """Resizes what a model has for its frames as the code of a file does."""
  table = net.pos_embed.detach()
  old = SIDE // PATCH
  new = tuple(size // PATCH for size in sizes)
  net.set_input_size(sizes)
  if family != 'eva_timm':
    grid = table[:, 1:].reshape(1, old, old, D).permute(0, 3, 1, 2)
    grid = torch.nn.functional.interpolate(grid, size=new, mode='bicubic')
    grid = grid.permute(0, 2, 3, 1).reshape(1, -1, D)
    net.pos_embed.data = torch.cat([table[:, :1], grid], 1)


@pytest.mark.parametrize(
  'kind, family, pool',
  [
    ('eva02', 'eva02', 'avg'),
    ('eva01', 'eva01', 'token'),
    ('eva02_clip', 'eva_clip', 'token'),
    ('eva01', 'eva_clip', 'token'),
    ('eva02', 'eva_timm', 'token'),
    ('eva02_clip', 'eva_timm', 'token'),
  ],
)
def test_features_of_its_own_clips_and_of_others(tmp_path, kind, family, pool):
  net = model(kind, pool)
  path = save(kind, family, net, tmp_path / 'model.pt')
  video = converted.video(2, 2, SIDE, SIDE, 3)
  ours, report = converted.encode(family, path, video, tmp_path, **HEADS)
  agree(ours, expected(net, video))
  assert not report.wrong
  said = published.read_metadata(str(tmp_path / f'{family}.safetensors'))
  assert said['backbone']['kind'] == kind and said['grid'] == [1, 4, 4]
  enlarge(net, family, (24, 20))
  wide = converted.video(1, 3, 24, 20, 3)
  ours = resized.encode(tmp_path / f'{family}.safetensors', wide)
  agree(ours, expected(net, wide))


@pytest.mark.published
@pytest.mark.parametrize(
  'name, patch, kind',
  [
    ('eva02_base_patch16_clip_224', 16, 'eva02_clip'),
    ('eva02_large_patch14_224', 14, 'eva02'),
  ],
)
def test_features_of_a_published_size(tmp_path, name, patch, kind):
  torchvision_build.load()
  import timm  # noqa: PLC0415

  net = drawn(timm.create_model(name, num_classes=0))
  path = save(kind, 'eva_timm', net, tmp_path / 'model.pt')
  video = converted.video(1, 1, 224, 224, 3)
  ours, _ = converted.encode('eva_timm', path, video, tmp_path)
  for mine, other in zip(
    (ours.summary, ours.grid), expected(net, video, patch)
  ):
    error = converted.relative_error(mine, other)
    print(f'{name}: {error:.1e}')
    assert error < 1e-5


@pytest.mark.parametrize('kind', KINDS)
def test_files_of_baai_are_those_that_timm_converts(kind):
  timms = model(kind)
  convert_theirs = __import__('timm').models.eva.checkpoint_filter_fn
  found = convert_theirs(baais(timms, kind), timms)
  assert found.keys() == timms.state_dict().keys()


def test_pretraining_leaves_the_mean_of_patches_to_be_read(tmp_path):
  net = model('eva02', 'token', num_classes=0)
  state = baais(net, 'eva02') | {
    'mask_token': torch.zeros(1, 1, D),
    'lm_head.weight': torch.zeros(8, D),
    'lm_head.bias': torch.zeros(8),
  }
  path = tmp_path / 'eva02_B_pt_in21k_p14.pt'
  torch.save({'model': state}, path)
  video = converted.video(1, 2, SIDE, SIDE, 3)
  ours, _ = converted.encode('eva02', path, video, tmp_path, **HEADS)
  with torch.no_grad():
    x = torch.from_numpy(video[0].transpose(0, 3, 1, 2).copy())
    tokens = net.patch_embed(x)
    tokens, rope = net._pos_embed(tokens)
    for block in net.blocks:
      tokens = block(tokens, rope=rope)
    read = net.norm(tokens[:, 1:].mean(1)).mean(0, keepdims=True)
  assert converted.relative_error(ours.summary, read) < 1e-5


@pytest.mark.parametrize(
  'kind, family',
  [('eva02', 'eva02'), ('eva02_clip', 'eva_clip'), ('eva01', 'eva_timm')],
)
def test_round_trip_is_exact(tmp_path, kind, family):
  net = model(kind, 'avg' if family == 'eva02' else 'token').half()
  path = save(kind, family, net, tmp_path / 'model.pt')
  head = {} if family == 'eva_clip' else {'head': 'k'}
  back = converted.round_trip(family, path, tmp_path, **head, **HEADS)
  whole = {
    'eva02': lambda: baais(net, kind),
    'eva_clip': lambda: baais(net, kind, 'visual.'),
    'eva_timm': net.state_dict,
  }[family]()
  left = {n for n in whole if 'rope' in n or n.startswith('visual.head.')}
  assert back.keys() == whole.keys() - left
  for name, array in back.items():
    np.testing.assert_array_equal(array, whole[name].numpy(), err_msg=name)


def test_siblings_are_refused_by_name(tmp_path):
  path, out = tmp_path / 'model.pt', str(tmp_path / 'out.safetensors')

  def load(family, state):
    torch.save(state, path)
    convert.import_file(family, str(path), out)

  small = baais(model('eva02', scale_mlp=False, qkv_fused=True), 'eva01')
  small = {n.replace('mlp.fc1', 'mlp.w12'): x for n, x in small.items()}
  with pytest.raises(WeightsError, match='EVA-02 Ti and S'):
    load('eva02', small)
  scaled = model('eva01', init_values=0.1)
  with pytest.raises(WeightsError, match='LayerScales'):
    load('eva01', baais(scaled, 'eva01'))
  biased = baais(model('eva01'), 'eva01')
  biased['blocks.0.attn.relative_position_bias_table'] = torch.zeros(52, 4)
  with pytest.raises(WeightsError, match='relative position'):
    load('eva01', biased)
  with pytest.raises(WeightsError, match='it is E/14'):
    eva_clip.check({'visual.blocks.0.norm1.weight': (1792,)})


def test_damaged_files_are_refused(tmp_path):
  path = tmp_path / 'model.pt'
  damaged.check(
    'eva02',
    baais(model('eva02'), 'eva02'),
    lambda state: torch.save(state, path),
    path,
    block='blocks.0.',
    norm='fc_norm.weight',
    other='clip_hf',
  )
