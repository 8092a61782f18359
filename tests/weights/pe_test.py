"""Perception Encoder's files, Meta's and timm's, against timm's model."""

import functools

import converted
import damaged
import numpy as np
import pytest
import resized
import torchvision_build

from vidpetl import convert
from vidpetl.experiment import published
from vidpetl.weights.errors import WeightsError

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch

D, PATCH, SIDE = 32, 4, 16
SETTINGS = {'settings': {'heads': 4}}
# timm's names, and those of Meta's files.
RENAMED = (
  ('attn_pool.norm', 'attn_pool.layernorm'),
  ('attn_pool.latent', 'attn_pool.probe'),
  ('attn_pool.proj', 'attn_pool.attn.out_proj'),
  ('patch_embed.proj', 'conv1'),
  ('pos_embed', 'positional_embedding'),
  ('norm_pre', 'ln_pre'),
  ('blocks.', 'transformer.resblocks.'),
  ('norm1', 'ln_1'),
  ('norm2', 'ln_2'),
  ('attn.qkv.', 'attn.in_proj_'),
  ('attn.proj', 'attn.out_proj'),
  ('mlp.fc1', 'mlp.c_fc'),
  ('mlp.fc2', 'mlp.c_proj'),
)


def model(has_class=True, scaled=True, size=(SIDE, SIDE), **options):
  """Returns timm's model, whose rotary positions are scaled or not."""
  torchvision_build.load()
  import timm  # noqa: PLC0415

  side = SIDE // PATCH
  grid = tuple(edge // PATCH for edge in size)
  net = timm.models.eva.Eva(
    **{
      'img_size': size,
      'patch_size': PATCH,
      'embed_dim': D,
      'depth': 2,
      'num_heads': 4,
      'num_classes': 8,
      'global_pool': 'map',
      'attn_type': 'rope',
      'class_token': has_class,
      'use_pre_transformer_norm': True,
      'use_rot_pos_emb': True,
      'ref_feat_shape': (side, side) if scaled else grid,
      'rope_grid_offset': float(has_class),
      'rope_grid_indexing': 'xy',
      'attn_pool_num_heads': 8,
      'attn_pool_mlp_ratio': 4.0,
      'norm_layer': functools.partial(torch.nn.LayerNorm, eps=1e-5),
      **options,
    }
  )
  return drawn(net)


def drawn(net):
  """Draws parameters; buffers are computed, and no file has them."""
  kept = {name: value.clone() for name, value in net.named_buffers()}
  converted.randomise(net)
  for name, value in net.named_buffers():
    value.copy_(kept[name])
  return net


def metas(net):
  """Returns a model's arrays as Meta's code has them, a CLIP's."""
  state = dict(net.state_dict())
  for leaf in ('weight', 'bias'):
    q, kv = (state.pop(f'attn_pool.{n}.{leaf}') for n in ('q', 'kv'))
    state[f'attn_pool.attn.in_proj_{leaf}'] = torch.cat([q, kv])
  state['proj'] = state.pop('head.weight').T
  state.pop('head.bias')
  state['pos_embed'] = state['pos_embed'][0]
  if 'cls_token' in state:
    state['class_embedding'] = state.pop('cls_token')[0, 0]
  found = {}
  for name, array in state.items():
    for ours, theirs in RENAMED:
      name = name.replace(ours, theirs)
    name = 'ln_post' + name[4:] if name.startswith('norm.') else name
    found[f'visual.{name}'] = array
  return {
    **found,
    'positional_embedding': torch.zeros(7, D),
    'transformer.resblocks.0.ln_1.weight': torch.ones(D),
    'token_embedding.weight': torch.zeros(11, D),
    'text_projection': torch.zeros(D, 8),
    'logit_scale': torch.tensor(4.6),
  }


@torch.no_grad()
def expected(net, video, patch=PATCH):
  tokens = net.forward_features(resized.frames(video))
  b, t, h, w, _ = video.shape
  pooled = net.attn_pool(tokens).reshape(b, t, -1).mean(1)
  patches = tokens[:, net.num_prefix_tokens :]
  return pooled, patches.reshape(b, t, h // patch, w // patch, -1)


def agree(ours, theirs):
  for mine, other in zip((ours.summary, ours.grid), theirs):
    assert converted.relative_error(mine, other) < 1e-5


def enlarged(net, family, sizes, has_class):
  """Returns a model for other frames, as the code of a file resizes it."""
  if family == 'pe_timm':
    net.set_input_size(sizes)
    return net
  new = model(has_class, scaled=False, size=sizes)
  state, lead = net.state_dict(), int(has_class)
  side, grid = SIDE // PATCH, tuple(edge // PATCH for edge in sizes)
  table = state['pos_embed']
  old = table[:, lead:].reshape(1, side, side, D).permute(0, 3, 1, 2)
  old = torch.nn.functional.interpolate(old, size=grid, mode='bilinear')
  old = old.permute(0, 2, 3, 1).reshape(1, -1, D)
  state['pos_embed'] = torch.cat([table[:, :lead], old], 1)
  new.load_state_dict(state)
  return new


@pytest.mark.parametrize('has_class', [True, False])
@pytest.mark.parametrize('family', ['pe', 'pe_timm'])
def test_features_of_its_own_clips_and_of_others(tmp_path, family, has_class):
  net = model(has_class)
  path = tmp_path / 'PE-Core.pt'
  state = net.state_dict() if family == 'pe_timm' else metas(net)
  torch.save(state, path)
  video = converted.video(2, 2, SIDE, SIDE, 3)
  ours, report = converted.encode(family, path, video, tmp_path, **SETTINGS)
  agree(ours, expected(net, video))
  assert not report.wrong
  file = str(tmp_path / f'{family}.safetensors')
  said = published.read_metadata(file)['backbone']
  assert said['class_token'] == has_class
  assert said.get('reference', 0) == (4 if family == 'pe_timm' else 0)
  wide = converted.video(1, 3, 24, 20, 3)
  other = enlarged(net, family, (24, 20), has_class)
  agree(resized.encode(file, wide), expected(other, wide))


@pytest.mark.published
@pytest.mark.parametrize(
  'name, patch, side',
  [
    ('vit_pe_core_base_patch16_224', 16, 224),
    ('vit_pe_core_large_patch14_336', 14, 336),
  ],
)
def test_features_of_a_published_size(tmp_path, name, patch, side):
  torchvision_build.load()
  import timm  # noqa: PLC0415

  net = drawn(timm.create_model(name, img_size=side, num_classes=8))
  path = tmp_path / 'model.pt'
  torch.save(metas(net), path)
  video = converted.video(1, 1, side, side, 3)
  ours, _ = converted.encode('pe', path, video, tmp_path)
  for mine, other in zip(
    (ours.summary, ours.grid), expected(net, video, patch)
  ):
    error = converted.relative_error(mine, other)
    print(f'{name}: {error:.1e}')
    assert error < 1e-5


def test_files_of_meta_are_those_that_timm_converts():
  net = model()
  convert_theirs = __import__('timm').models.eva.checkpoint_filter_fn
  found = convert_theirs(metas(net), net)
  assert found.keys() == net.state_dict().keys()


@pytest.mark.parametrize('family', ['pe', 'pe_timm'])
def test_round_trip_is_exact(tmp_path, family):
  net = model().half()
  state = net.state_dict() if family == 'pe_timm' else metas(net)
  path = tmp_path / 'model.pt'
  torch.save(state, path)
  back = converted.round_trip(family, path, tmp_path, **SETTINGS)
  own = {n for n in state if 'visual.' in n or family == 'pe_timm'}
  gone = {n for n in own if n.startswith('head.') or n == 'visual.proj'}
  assert back.keys() == own - gone
  for name, array in back.items():
    np.testing.assert_array_equal(array, state[name].numpy(), err_msg=name)


def test_the_tower_within_transformers_video_model_is_read(tmp_path):
  net = model()
  at = 'video_encoder.embedder.vision_model.timm_model.'
  state = {at + name: x for name, x in net.state_dict().items()}
  state |= {
    'text_model.embeddings.norm.weight': torch.ones(4),
    'video_encoder.norm.weight': torch.ones(4),
    'video_encoder.embedder.proj.weight': torch.ones(4, 4),
  }
  path = tmp_path / 'model.pt'
  torch.save(state, path)
  damaged.refuse('pe_timm', path, 'two arrays .*--entry names the part')
  video = converted.video(1, 1, SIDE, SIDE, 3)
  options = {**SETTINGS, 'entry': at.rstrip('.')}
  ours, _ = converted.encode('pe_timm', path, video, tmp_path, **options)
  agree(ours, expected(net, video))


def test_pe_lang_and_spatial_are_refused_by_name(tmp_path):
  path, out = tmp_path / 'model.pt', str(tmp_path / 'out.safetensors')
  net = model(init_values=0.1)
  torch.save(net.state_dict(), path)
  with pytest.raises(WeightsError, match='PE-lang and PE-spatial'):
    convert.import_file('pe_timm', str(path), out)


def test_damaged_files_are_refused(tmp_path):
  path = tmp_path / 'model.pt'
  damaged.check(
    'pe',
    {n: x for n, x in metas(model()).items() if n.startswith('visual.')},
    lambda state: torch.save(state, path),
    path,
    block='visual.transformer.resblocks.0.',
    norm='visual.ln_post.weight',
    other='dinov2_hf',
  )
