"""AIM's files, against its structure as `petl.official` writes it."""

import functools
import os

import converted
import jax
import numpy as np
import pytest

from vidpetl import backbones
from vidpetl.experiment import published
from vidpetl.parameters import storage, trainable, variables
from vidpetl.petl import bindings
from vidpetl.recipes import methods

torch = pytest.importorskip('torch')

from petl import official  # noqa: E402

pytestmark = pytest.mark.torch

D, PATCH, SIDE, FRAMES, CLASSES = 384, 8, 16, 4, 5
VIDEO = np.random.default_rng(0).normal(size=(2, FRAMES, SIDE, SIDE, 3))
VIDEO = VIDEO.astype(np.float32)


def state(second, depth=2):
  """Returns arrays under AIM's names, drawn at random."""
  tokens, hidden = (SIDE // PATCH) ** 2 + 1, D // 4
  shapes = {
    'class_embedding': (D,),
    'positional_embedding': (tokens, D),
    'temporal_embedding': (1, FRAMES, D),
    'conv1.weight': (D, 3, PATCH, PATCH),
  }
  norms, layers = ['ln_pre', 'ln_post'], {}
  adapters = ['T_Adapter', 'S_Adapter', 'MLP_Adapter']
  adapters += ['T_Adapter_in'] if second else []
  for i in range(depth):
    block = f'transformer.resblocks.{i}'
    norms += [f'{block}.ln_1', f'{block}.ln_2']
    shapes[f'{block}.attn.in_proj_weight'] = (3 * D, D)
    shapes[f'{block}.attn.in_proj_bias'] = (3 * D,)
    layers[f'{block}.attn.out_proj'] = (D, D)
    layers[f'{block}.mlp.c_fc'] = (4 * D, D)
    layers[f'{block}.mlp.c_proj'] = (D, 4 * D)
    for name in adapters:
      layers[f'{block}.{name}.D_fc1'] = (hidden, D)
      layers[f'{block}.{name}.D_fc2'] = (D, hidden)
  layers = {f'backbone.{name}': shape for name, shape in layers.items()}
  layers['cls_head.fc_cls'] = (CLASSES, D)
  shapes = {f'backbone.{name}': shape for name, shape in shapes.items()}
  for name in norms:
    shapes |= dict.fromkeys(
      [f'backbone.{name}.weight', f'backbone.{name}.bias'], (D,)
    )
  for name, shape in layers.items():
    shapes |= {f'{name}.weight': shape, f'{name}.bias': shape[:1]}
  generator = torch.Generator().manual_seed(0)
  return {
    name: 0.05 * torch.randn(shape, generator=generator)
    for name, shape in shapes.items()
  }


class Ours(dict):
  """Our arrays, by path, made of arrays under AIM's names."""

  def __init__(self, arrays):
    super().__init__()
    self.arrays = arrays

  def put(self, path, name, turn=lambda x: x):
    self[path] = turn(self.arrays[name])

  def dense(self, path, name):
    self.put(f'{path}/kernel', f'{name}.weight', lambda x: x.T)
    self.put(f'{path}/bias', f'{name}.bias')

  def norm(self, path, name):
    self.put(f'{path}/scale', f'{name}.weight')
    self.put(f'{path}/bias', f'{name}.bias')

  def attention(self, path, name):
    for leaf, array in (('kernel', 'weight'), ('bias', 'bias')):
      parts = self.arrays[f'{name}.in_proj_{array}'].chunk(3)
      for part, x in zip(('query', 'key', 'value'), parts):
        heads = x.T.reshape(*x.shape[1:], -1, 64)
        self[f'{path}/{part}/{leaf}'] = heads
    out = f'{name}.out_proj'
    self.put(
      f'{path}/out/kernel', f'{out}.weight', lambda x: x.T.reshape(-1, 64, D)
    )
    self.put(f'{path}/out/bias', f'{out}.bias')

  def block(self, path, name, second):
    self.attention(f'{path}/MultiHeadDotProductAttention_0', f'{name}.attn')
    self.norm(f'{path}/LayerNorm_0', f'{name}.ln_1')
    self.norm(f'{path}/LayerNorm_1', f'{name}.ln_2')
    self.dense(f'{path}/MlpBlock_0/Dense_0', f'{name}.mlp.c_fc')
    self.dense(f'{path}/MlpBlock_0/Dense_1', f'{name}.mlp.c_proj')
    for scope, adapter in (
      ('site_block_in/AIM/', 'T_Adapter'),
      ('site_attn/Adapter/', 'S_Adapter'),
      ('site_mlp/Adapter/', 'MLP_Adapter'),
      *([('site_block_in/AIM/inner_', 'T_Adapter_in')] if second else []),
    ):
      self.dense(f'{path}/{scope}down', f'{name}.{adapter}.D_fc1')
      self.dense(f'{path}/{scope}up', f'{name}.{adapter}.D_fc2')


def expected(arrays, second, scale):
  """Returns logits, by PyTorch, from arrays under AIM's names."""
  flat, encoder = Ours(arrays), 'SpatialTransformer'
  front = 'backbone.'
  flat.put('cls', f'{front}class_embedding', lambda x: x[None, None])
  conv = lambda x: x.permute(2, 3, 1, 0)[None]
  flat.put('embedding/kernel', f'{front}conv1.weight', conv)
  table = f'{encoder}/posembed_input/pos_embedding'
  flat.put(table, f'{front}positional_embedding', lambda x: x[None])
  moments = f'{encoder}/site_tokens/TimeEmbedding/table'
  flat.put(moments, f'{front}temporal_embedding', lambda x: x[0])
  flat.norm(f'{encoder}/pre_norm', f'{front}ln_pre')
  flat.norm('norm', f'{front}ln_post')
  for i in range(2):
    name = f'{front}transformer.resblocks.{i}'
    flat.block(f'{encoder}/encoderblock_{i}', name, second)
  run = functools.partial(official.aim, scale=scale, two=second)
  video = torch.from_numpy(VIDEO)
  summary, _ = official.of_frames(flat, video, run, 'norm_mean')
  head = [arrays[f'cls_head.fc_cls.{n}'] for n in ('weight', 'bias')]
  return torch.nn.functional.linear(summary, *head).numpy()


@pytest.mark.parametrize('second, scale', [(False, 0.5), (True, 1.0)])
def test_a_file_gives_backbone_adapters_and_head(tmp_path, second, scale):
  arrays = state(second)
  path = tmp_path / 'vit_b_clip.pth'
  torch.save({'state_dict': arrays, 'meta': {'epoch': 30}}, path)
  out = os.fspath(tmp_path / 'aim.safetensors')
  converted.convert_file('aim', path, out, head='dives')
  said = published.read_metadata(out)
  assert said['grid'] == [FRAMES, 2, 2]
  entries, _ = methods.make('aim', inner=second, scale=scale)
  assert [e['technique'] for e in said['petl']] == [
    e['technique'] for e in entries
  ]
  model = bindings.bind(backbones.build(said['backbone']), entries)
  tree = variables.unflatten(storage.load_arrays(out))['params']
  head = tree['heads_dives']['output_projection']
  features = jax.jit(
    lambda v: model.apply({'params': tree['backbone']}, v, False)
  )(VIDEO)
  logits = features.summary @ head['kernel'] + head['bias']
  theirs = expected(arrays, second, scale)
  np.testing.assert_allclose(logits, theirs, rtol=0, atol=1e-5)
  assert len(trainable.flatten(tree)) == len(storage.load_arrays(out))
