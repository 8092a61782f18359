"""DINOv3's files against transformers' model and timm's."""

import functools

import converted
import handed
import ml_dtypes
import numpy as np
import pytest
import resized
import torchvision_build

from vidpetl import convert
from vidpetl.experiment import published
from vidpetl.weights.errors import WeightsError

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch

D, HEADS, PATCH = 32, 2, 4
SIZES = [(1, 2, 16, 16, 3), (1, 3, 12, 20, 3)]
OURS = {
  'name': 'dinov3',
  'width': D,
  'depth': 2,
  'heads': HEADS,
  'mlp': 64,
  'patch': PATCH,
}


def hugging_face(gated=False, **options):
  torchvision_build.load()
  import transformers  # noqa: PLC0415

  sizes = {
    'hidden_size': D,
    'num_hidden_layers': 2,
    'num_attention_heads': HEADS,
    'intermediate_size': 64,
    'image_size': 16,
    'patch_size': PATCH,
    'use_gated_mlp': gated,
    'hidden_act': 'silu' if gated else 'gelu',
    'num_register_tokens': 4,
  }
  config = transformers.DINOv3ViTConfig(**{**sizes, **options})
  net = converted.randomise(transformers.DINOv3ViTModel(config))
  # Its buffer, which was drawn as well.
  rope = type(net.rope_embeddings)(config)
  net.rope_embeddings.inv_freq.copy_(rope.inv_freq)
  return net


def metas(net):
  """Returns a model of transformers' as a file of Meta's, with its periods."""
  state = {k.removeprefix('model.'): v for k, v in net.state_dict().items()}
  found = {}
  names = {
    'embeddings.register_tokens': 'storage_tokens',
    'embeddings.patch_embeddings': 'patch_embed.proj',
    'embeddings.': '',
    'layer.': 'blocks.',
    'attention.o_proj': 'attn.proj',
    'layer_scale1.lambda1': 'ls1.gamma',
    'layer_scale2.lambda1': 'ls2.gamma',
  }
  gated = any('gate_proj' in name for name in state)
  names |= (
    {'gate_proj': 'w1', 'up_proj': 'w2', 'down_proj': 'w3'}
    if gated
    else {'up_proj': 'fc1', 'down_proj': 'fc2'}
  )
  for name, value in state.items():
    for theirs, new in names.items():
      name = name.replace(theirs, new)
    found[name] = value
  for i in range(2):
    at, new = f'blocks.{i}.attention.', f'blocks.{i}.attn.qkv.'
    weights = [found.pop(f'{at}{n}_proj.weight') for n in 'qkv']
    found[f'{new}weight'] = torch.cat(weights)
    q, v = (found.pop(f'{at}{n}_proj.bias', None) for n in 'qv')
    if q is not None:
      # What is masked is not used.
      found[f'{new}bias'] = torch.cat([q, torch.ones(D), v])
      found[f'{new}bias_mask'] = (
        torch.ones(3, D).index_fill(0, torch.tensor([1]), 0.0).flatten()
      )
  found['mask_token'] = found['mask_token'][0]
  rope = net.rope_embeddings
  periods = (1 / rope.inv_freq).numpy().astype(ml_dtypes.bfloat16)
  periods = torch.from_numpy(periods.astype(np.float32))
  rope.inv_freq.copy_(1 / periods)
  return {**found, 'rope_embed.periods': periods.to(torch.bfloat16)}


def timms(gated=False, bias=True):
  torchvision_build.load()
  from timm.models import eva  # noqa: PLC0415

  net = converted.randomise(
    eva.Eva(
      img_size=16,
      patch_size=PATCH,
      num_classes=0,
      dynamic_img_size=True,
      embed_dim=D,
      depth=2,
      num_heads=HEADS,
      qkv_bias=bias,
      mlp_ratio=2,
      swiglu_mlp=gated,
      swiglu_align_to=8,
      init_values=1e-5,
      rope_type='dinov3',
      rope_temperature=100,
      use_rot_pos_emb=True,
      use_abs_pos_emb=False,
      rope_rotate_half=True,
      use_fc_norm=False,
      num_reg_tokens=4,
      norm_layer=functools.partial(torch.nn.LayerNorm, eps=1e-5),
    )
  )
  net.rope.reset_parameters()
  for block in net.blocks:
    if bias:
      block.attn.k_bias.zero_()
  return net


def agrees(file, tokens, sizes=SIZES, patch=PATCH):
  """Holds a converted file against normalised tokens of frames."""
  for size in sizes:
    video = converted.video(*size)
    ours = resized.encode(file, video)
    with torch.no_grad():
      expected = tokens(resized.frames(video)).numpy()
    summary = expected[:, 0].mean(0, keepdims=True)
    assert converted.relative_error(ours.summary, summary) < 1e-5
    t, h, w = size[1], size[2] // patch, size[3] // patch
    patches = expected[:, 5:].reshape(1, t, h, w, -1)
    assert converted.relative_error(ours.grid, patches) < 1e-5


def to_ours(family, path, folder):
  out = str(folder / 'ours.safetensors')
  told = {'settings': {'heads': HEADS}}
  assert not converted.convert_file(family, path, out, **told).wrong
  return out


PUBLISHED = {
  'hidden_size': 384,
  'num_hidden_layers': 12,
  'num_attention_heads': 6,
  'intermediate_size': 1536,
  'image_size': 224,
  'patch_size': 16,
}


@pytest.mark.parametrize(
  'gated, options, sizes',
  [
    *((g, {}, SIZES) for g in (False, True)),
    pytest.param(
      True, PUBLISHED, [(1, 1, 224, 224, 3)], marks=pytest.mark.published
    ),
  ],
)
def test_features_of_hugging_faces_files(gated, options, sizes, tmp_path):
  net = hugging_face(gated, **options)
  net.save_pretrained(tmp_path)
  file = str(tmp_path / 'ours.safetensors')
  convert.import_file('dinov3_hf', str(tmp_path), file)
  patch = net.config.patch_size
  agrees(file, lambda x: net(x).last_hidden_state, sizes, patch)
  said = published.read_metadata(file)['backbone']
  assert (said['periods'], said['gated']) == ('float32', gated)


def test_features_of_names_in_memory_without_biases(tmp_path):
  """As the 7B has none of queries and values."""
  net = hugging_face(True, query_bias=False, value_bias=False)
  torch.save(net.state_dict(), path := tmp_path / 'model.pth')
  file = to_ours('dinov3_hf', path, tmp_path)
  agrees(file, lambda x: net(x).last_hidden_state, SIZES[:1])


@pytest.mark.parametrize('gated', [False, True])
def test_features_of_metas_files(gated, tmp_path):
  net = hugging_face(gated)
  torch.save(metas(net), path := tmp_path / 'model.pth')
  file = to_ours('dinov3', path, tmp_path)
  agrees(file, lambda x: net(x).last_hidden_state)
  assert published.read_metadata(file)['backbone']['periods'] == 'bfloat16'


@pytest.mark.parametrize('gated, bias', [(False, True), (True, False)])
def test_features_of_timms_files(gated, bias, tmp_path):
  net = timms(gated, bias)
  torch.save(net.state_dict(), path := tmp_path / 'model.pth')
  file = to_ours('dinov3', path, tmp_path)
  agrees(file, net.forward_features)


def test_a_mask_of_zeros_is_no_bias(tmp_path):
  net = hugging_face()
  state = metas(net)
  for name in [n for n in state if n.endswith('bias_mask')]:
    state[name] = torch.zeros(3 * D)
  for name, value in net.named_parameters():
    if name.endswith(('q_proj.bias', 'v_proj.bias')):
      value.data.zero_()
  torch.save(state, path := tmp_path / 'model.pth')
  file = to_ours('dinov3', path, tmp_path)
  agrees(file, lambda x: net(x).last_hidden_state, SIZES[:1])


@pytest.mark.parametrize(
  'name, value, match',
  [
    ('rope_embed.periods', torch.ones(4), 'not those of a base of 100'),
    ('blocks.0.attn.qkv.bias_mask', torch.ones(3 * D), 'keys have a bias'),
  ],
)
def test_another_net_is_refused(name, value, match, tmp_path):
  state = {**metas(hugging_face()), name: value}
  torch.save(state, path := tmp_path / 'model.pth')
  with pytest.raises(WeightsError, match=match):
    to_ours('dinov3', path, tmp_path)


@pytest.mark.parametrize('gated', [False, True])
def test_round_trip_to_metas_names(gated, tmp_path):
  state = metas(hugging_face(gated))
  torch.save(state, path := tmp_path / 'model.pth')
  told = {'settings': {'heads': HEADS}}
  back = converted.round_trip('dinov3', path, tmp_path, **told)
  assert {n: a.shape for n, a in back.items()} == {
    n: tuple(a.shape) for n, a in state.items()
  }


@pytest.mark.parametrize('gated', [False, True])
def test_transformers_takes_what_is_written(gated, tmp_path):
  backbone = {**OURS, 'gated': gated, 'periods': 'float32', 'epsilon': 1e-5}
  folder, ours, arrays, _ = handed.export(
    'dinov3_hf', backbone, (1, 4, 4), (1, 16, 16), tmp_path, head=''
  )
  handed.check_pooler(folder, ours, arrays, 16)


def test_periods_that_transformers_has_not_are_said(tmp_path):
  *_, report = handed.export(
    'dinov3_hf', OURS, (1, 4, 4), (1, 16, 16), tmp_path, head=''
  )
  assert any("'bfloat16'" in note for note in report.notes)
