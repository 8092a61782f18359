"""SigLIP's files against transformers' model."""

import converted
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

D, HEADS, PATCH = 16, 2, 4
SIZES = [(1, 2, 16, 16, 3), (1, 3, 12, 20, 3)]
TOLD = {'settings': {'heads': HEADS}}
OURS = {
  'name': 'siglip',
  'width': D,
  'depth': 2,
  'heads': HEADS,
  'mlp': 24,
  'patch': PATCH,
}


def hugging_face(**options):
  torchvision_build.load()
  import transformers  # noqa: PLC0415

  sizes = {
    'hidden_size': D,
    'num_hidden_layers': 2,
    'num_attention_heads': HEADS,
    'intermediate_size': 24,
    'image_size': 16,
    'patch_size': PATCH,
  }
  config = transformers.SiglipVisionConfig(**{**sizes, **options})
  return converted.randomise(transformers.SiglipVisionModel(config))


def agrees(file, net, sizes=SIZES):
  """Holds a converted file against a model of transformers."""
  for size in sizes:
    video = converted.video(*size)
    ours = resized.encode(file, video)
    with torch.no_grad():
      out = net(resized.frames(video), interpolate_pos_encoding=True)
    pooled = out.pooler_output.mean(0, keepdims=True)
    assert converted.relative_error(ours.summary, pooled) < 1e-5
    patch = net.config.patch_size
    t, h, w = size[1], size[2] // patch, size[3] // patch
    patches = out.last_hidden_state.reshape(1, t, h, w, -1)
    assert converted.relative_error(ours.grid, patches) < 1e-5


def big_visions(net):
  """Returns a model of transformers' as big_vision's flat tree."""
  state = {k: v.numpy() for k, v in net.state_dict().items()}
  found = {
    'embedding/kernel': state['embeddings.patch_embedding.weight'].transpose(
      2, 3, 1, 0
    ),
    'embedding/bias': state['embeddings.patch_embedding.bias'],
    'pos_embedding': state['embeddings.position_embedding.weight'][None],
    'MAPHead_0/probe': state['head.probe'],
  }

  def dense(theirs, new, split=()):
    weight, bias = state[f'{theirs}.weight'].T, state[f'{theirs}.bias']
    found[f'{new}/kernel'] = weight.reshape(*(split or weight.shape))
    found[f'{new}/bias'] = bias.reshape(
      split[1:] if split[2:] == (D // HEADS,) else -1
    )

  def norm(theirs, new):
    found[f'{new}/scale'] = state[f'{theirs}.weight']
    found[f'{new}/bias'] = state[f'{theirs}.bias']

  def attention(theirs, new, names):
    for name, of in zip(names, ('query', 'key', 'value')):
      dense(f'{theirs}.{name}', f'{new}/{of}', (D, HEADS, D // HEADS))
    dense(f'{theirs}.out_proj', f'{new}/out', (HEADS, D // HEADS, D))

  for leaf in ('weight', 'bias'):
    parts = np.split(state[f'head.attention.in_proj_{leaf}'], 3)
    state |= {f'head.attention.{n}.{leaf}': x for n, x in zip('qkv', parts)}
  mha = 'MultiHeadDotProductAttention_0'
  attention('head.attention', f'MAPHead_0/{mha}', 'qkv')
  norm('head.layernorm', 'MAPHead_0/LayerNorm_0')
  norm('post_layernorm', 'Transformer/encoder_norm')
  places = [('head.mlp', 'MAPHead_0')]
  for i in range(2):
    at, new = f'encoder.layers.{i}', f'Transformer/encoderblock_{i}'
    names = [f'{n}_proj' for n in 'qkv']
    attention(f'{at}.self_attn', f'{new}/{mha}', names)
    for n in range(2):
      norm(f'{at}.layer_norm{n + 1}', f'{new}/LayerNorm_{n}')
    places.append((f'{at}.mlp', new))
  for theirs, new in places:
    for n in range(2):
      dense(f'{theirs}.fc{n + 1}', f'{new}/MlpBlock_0/Dense_{n}')
  return found


def save_npz(path, tree):
  text = {'params/txt/head/kernel': np.ones((2, 2), np.float32)}
  text['params/t'] = np.ones(1, np.float32)
  np.savez(path, **{f'params/img/{k}': v for k, v in tree.items()}, **text)


PUBLISHED = {
  'hidden_size': 768,
  'num_hidden_layers': 12,
  'num_attention_heads': 12,
  'intermediate_size': 3072,
  'image_size': 224,
  'patch_size': 16,
}


@pytest.mark.parametrize(
  'options, sizes',
  [
    ({}, SIZES),
    pytest.param(PUBLISHED, [(1, 1, 224, 224, 3)], marks=pytest.mark.published),
  ],
)
def test_features_of_hugging_faces_files(options, sizes, tmp_path):
  net = hugging_face(**options)
  net.save_pretrained(tmp_path)
  out = str(tmp_path / 'ours.safetensors')
  convert.import_file('siglip_hf', str(tmp_path), out)
  agrees(out, net, sizes)
  said = published.read_metadata(out)
  assert said['backbone']['heads'] == net.config.num_attention_heads
  assert said['positions'] == 'bicubic'


def test_features_of_big_visions_files(tmp_path):
  net = hugging_face()
  save_npz(path := tmp_path / 'siglip.npz', big_visions(net))
  out = str(tmp_path / 'ours.safetensors')
  assert not convert.import_file('siglip', str(path), out).wrong
  agrees(out, net, SIZES[:1])
  said = published.read_metadata(out)
  assert said['backbone']['heads'] == HEADS and said['positions'] == 'linear'


def test_the_mean_is_a_summary_as_well(tmp_path):
  net = hugging_face()
  net.save_pretrained(tmp_path)
  video = converted.video(*SIZES[0])
  ours, _ = converted.encode(
    'siglip_hf', tmp_path, video, tmp_path, fields={'summary': 'mean'}
  )
  with torch.no_grad():
    out = net(resized.frames(video)).last_hidden_state
  mean = out.mean((0, 1))[None]
  assert converted.relative_error(ours.summary, mean) < 1e-5


def test_naflex_is_refused(tmp_path):
  state = dict(hugging_face().state_dict())
  name = 'embeddings.patch_embedding.weight'
  state[name] = state[name].flatten(1)
  torch.save(state, path := tmp_path / 'model.pth')
  with pytest.raises(WeightsError, match='a NaFlex model of SigLIP 2'):
    convert.import_file('siglip_hf', str(path), str(tmp_path / 'o'), **TOLD)
  tree = big_visions(hugging_face())
  tree['embedding/kernel'] = tree['embedding/kernel'].reshape(-1, D)
  save_npz(path := tmp_path / 'siglip.npz', tree)
  with pytest.raises(WeightsError, match='a NaFlex model of SigLIP 2'):
    convert.import_file('siglip', str(path), str(tmp_path / 'o'))


def test_round_trips(tmp_path):
  net = hugging_face()
  torch.save(net.state_dict(), path := tmp_path / 'model.pth')
  back = converted.round_trip('siglip_hf', path, tmp_path, **TOLD)
  for name, value in net.state_dict().items():
    np.testing.assert_array_equal(back[name], value.numpy())
  tree = big_visions(net)
  save_npz(path := tmp_path / 'siglip.npz', tree)
  back = converted.round_trip('siglip', path, tmp_path)
  assert back.keys() == tree.keys()
  for name, value in tree.items():
    np.testing.assert_array_equal(back[name], value)


def test_transformers_takes_what_is_written(tmp_path):
  folder, ours, arrays, _ = handed.export(
    'siglip_hf', OURS, (1, 4, 4), (1, 16, 16), tmp_path, head=''
  )
  handed.check_pooler(folder, ours, arrays, 16)
