"""DINOv2's files against transformers' models and timm's."""

import converted
import damaged
import handed
import numpy as np
import pytest
import resized
import torchvision_build

from vidpetl import convert
from vidpetl.experiment import published
from vidpetl.weights.errors import WeightsError

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch

D, HEADS = 16, 2
SIZES = [(1, 2, 28, 28, 3), (1, 3, 21, 35, 3)]
OURS = {
  'name': 'vit',
  'kind': 'dinov2',
  'width': D,
  'depth': 2,
  'heads': HEADS,
  'mlp': 48,
  'patch': 7,
}


def hugging_face(registers=0, gated=False, **options):
  torchvision_build.load()
  import transformers  # noqa: PLC0415

  kind = 'Dinov2WithRegisters' if registers else 'Dinov2'
  more = {'num_register_tokens': registers} if registers else {}
  sizes = {
    'hidden_size': D,
    'num_hidden_layers': 2,
    'num_attention_heads': HEADS,
    'mlp_ratio': 3,
    'image_size': 28,
    'patch_size': 7,
    'use_swiglu_ffn': gated,
  }
  config = getattr(transformers, f'{kind}Config')(
    **{**sizes, **more, **options}
  )
  return converted.randomise(getattr(transformers, f'{kind}Model')(config))


def timms(registers=0, gated=False):
  torchvision_build.load()
  import timm  # noqa: PLC0415

  swiglu = {'act_layer': torch.nn.SiLU, 'mlp_layer': timm.layers.SwiGLUPacked}
  return converted.randomise(
    timm.models.vision_transformer.VisionTransformer(
      img_size=28,
      patch_size=7,
      embed_dim=D,
      depth=2,
      num_heads=HEADS,
      mlp_ratio=3,
      num_classes=0,
      init_values=1e-5,
      dynamic_img_size=True,
      reg_tokens=registers,
      no_embed_class=registers > 0,
      **(swiglu if gated else {}),
    )
  )


def metas(state):
  """Returns a state_dict of timm's as Meta's files have it."""
  state = dict(state)
  if 'reg_token' in state:
    state['register_tokens'] = state.pop('reg_token')
    first = torch.linspace(-1, 1, D).reshape(1, 1, D)
    state['cls_token'] = state['cls_token'] - first
    state['pos_embed'] = torch.cat([first, state['pos_embed']], 1)
  if (
    state['blocks.0.mlp.fc1.weight'].shape[0]
    == 2 * state['blocks.0.mlp.fc2.weight'].shape[1]
  ):
    for name in [n for n in state if '.mlp.' in n]:
      new = name.replace('fc1', 'w12').replace('fc2', 'w3')
      state[new] = state.pop(name)
  return {**state, 'mask_token': torch.zeros(1, D)}


def agrees(file, tokens, registers, size, patch=7):
  """Holds a converted file against normalised tokens of frames."""
  video = converted.video(*size)
  ours = resized.encode(file, video)
  with torch.no_grad():
    expected = tokens(resized.frames(video)).numpy()
  summary = expected[:, 0].mean(0, keepdims=True)
  assert converted.relative_error(ours.summary, summary) < 1e-5
  t, h, w = size[1], size[2] // patch, size[3] // patch
  patches = expected[:, 1 + registers :].reshape(1, t, h, w, -1)
  assert converted.relative_error(ours.grid, patches) < 1e-5


def to_ours(family, path, folder):
  out = str(folder / 'ours.safetensors')
  report = converted.convert_file(family, path, out, settings={'heads': HEADS})
  assert not report.wrong
  return out


PUBLISHED = {
  'hidden_size': 384,
  'num_hidden_layers': 12,
  'num_attention_heads': 6,
  'mlp_ratio': 4,
  'image_size': 518,
  'patch_size': 14,
}


@pytest.mark.parametrize(
  'registers, gated, options, sizes',
  [
    *((r, g, {}, SIZES) for r in (0, 4) for g in (False, True)),
    pytest.param(
      4, False, PUBLISHED, [(1, 1, 224, 224, 3)], marks=pytest.mark.published
    ),
  ],
)
def test_features_of_hugging_faces_files(
  registers, gated, options, sizes, tmp_path
):
  net = hugging_face(registers, gated, **options)
  net.save_pretrained(tmp_path)
  family = 'dinov2_registers_hf' if registers else 'dinov2_hf'
  file = str(tmp_path / 'ours.safetensors')
  convert.import_file(family, str(tmp_path), file)
  patch = net.config.patch_size
  for size in sizes:
    agrees(file, lambda x: net(x).last_hidden_state, registers, size, patch)


def test_features_of_names_in_memory(tmp_path):
  net = hugging_face(4, gated=True)
  torch.save(net.state_dict(), path := tmp_path / 'model.pth')
  file = to_ours('dinov2_registers_hf', path, tmp_path)
  agrees(file, lambda x: net(x).last_hidden_state, 4, SIZES[0])


@pytest.mark.parametrize('by', ['meta', 'timm'])
@pytest.mark.parametrize('registers, gated', [(0, True), (4, False)])
def test_features_of_metas_and_timms_files(by, registers, gated, tmp_path):
  net = timms(registers, gated)
  state = net.state_dict()
  state = metas(state) if by == 'meta' else state
  torch.save(state, path := tmp_path / 'model.pth')
  family = 'dinov2_registers' if registers else 'dinov2'
  file = to_ours(family, path, tmp_path)
  agrees(file, net.forward_features, registers, SIZES[0])
  said = published.read_metadata(file)
  assert said['backbone']['kind'] == 'dinov2' and said['grid'] == [1, 4, 4]
  rule = 'bicubic_antialias' if registers else 'bicubic'
  assert said['positions'] == rule


def test_a_sibling_is_named(tmp_path):
  path = tmp_path / 'model.pth'
  torch.save(metas(timms(4).state_dict()), path)
  damaged.refuse('dinov2', path, '--from=dinov2_registers, or')
  torch.save(metas(timms().state_dict()), path)
  damaged.refuse('dinov2_registers', path, 'no register tokens: --from=dinov2')


@pytest.mark.parametrize(
  'family, registers, gated',
  [('dinov2', 0, True), ('dinov2', 0, False), ('dinov2_registers', 4, True)],
)
def test_round_trip_to_metas_names(family, registers, gated, tmp_path):
  state = metas(timms(registers, gated).state_dict())
  torch.save(state, path := tmp_path / 'model.pth')
  back = converted.round_trip(family, path, tmp_path, settings={'heads': HEADS})
  assert {n: a.shape for n, a in back.items()} == {
    n: tuple(a.shape) for n, a in state.items()
  }


@pytest.mark.parametrize('registers, gated', [(0, True), (4, False)])
def test_transformers_takes_what_is_written(registers, gated, tmp_path):
  family = 'dinov2_registers_hf' if registers else 'dinov2_hf'
  # 32 = (16 x 3 x 2 / 3) channels behind a gate, as its code rounds them.
  backbone = {**OURS, 'registers': registers, 'gated': gated}
  backbone |= {'mlp': 32} if gated else {}
  folder, ours, arrays, _ = handed.export(
    family, backbone, (1, 4, 4), (1, 28, 28), tmp_path, head=''
  )
  handed.check_pooler(folder, ours, arrays, 28)


def test_it_is_written_as_timms(tmp_path):
  net = timms()
  torch.save(net.state_dict(), path := tmp_path / 'model.pth')
  first, back = to_ours('dinov2', path, tmp_path), tmp_path / 'b.safetensors'
  convert.export_run('timm', first, str(back), '')
  kept = converted.storage.load_arrays(str(back))
  x = net.blocks[0].ls1.gamma.detach()
  np.testing.assert_allclose(
    kept['blocks.0.attn.proj.bias'],
    (net.blocks[0].attn.proj.bias.detach() * x).numpy(),
    rtol=1e-6,
  )


def test_an_mlp_that_no_config_says_is_refused(tmp_path):
  with pytest.raises(WeightsError, match='mlp=40 is not'):
    handed.export(
      'dinov2_hf',
      {**OURS, 'mlp': 40},
      (1, 4, 4),
      (1, 28, 28),
      tmp_path,
      head='',
    )


def test_a_folder_is_read_with_its_config(tmp_path):
  hugging_face(4, gated=True).save_pretrained(tmp_path)
  out = str(tmp_path / 'ours.safetensors')
  convert.import_file('dinov2_registers_hf', str(tmp_path), out)
  said = published.read_metadata(out)['backbone']
  assert {k: said[k] for k in ('heads', 'mlp', 'registers', 'gated')} == {
    'heads': HEADS, 'mlp': 32, 'registers': 4, 'gated': True,
  }  # fmt: skip


def test_a_family_without_a_classifier_says_so(tmp_path):
  path = tmp_path / 'dinov2.pth'
  torch.save(hugging_face().state_dict(), path)
  out = str(tmp_path / 'out.safetensors')
  with pytest.raises(WeightsError, match='has no classifier that is read'):
    convert.import_file('dinov2_hf', str(path), out, head='k')
