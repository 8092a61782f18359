"""Probes against PyTorch: poolers of transformers, equations written out."""

import importlib

import jax
import numpy as np
import pytest
import torchvision_build

from vidpetl.backbones import features as features_lib
from vidpetl.parameters import trainable
from vidpetl.tasks.probes import building

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch

D, HEADS = 16, 2
GRID = np.random.default_rng(0).normal(size=(2, 3, 2, 2, D)).astype(np.float32)
TOKENS = torch.tensor(GRID.reshape(2, -1, D))


@pytest.fixture
def models():
  pytest.importorskip('transformers')
  torchvision_build.load()
  return importlib.import_module('transformers.models')


def probe_of(**fields):
  probe = building.make(fields, 'config.tasks.a.probe')
  shapes = jax.eval_shape(
    lambda: probe.init(jax.random.key(0), [features_lib.Block(GRID)], False)
  )
  flat = trainable.flatten(shapes['params'])
  rng = np.random.default_rng(1)
  params = {
    path: rng.normal(scale=0.3, size=x.shape).astype(np.float32)
    for path, x in flat.items()
  }
  return probe, params


def run(probe, params):
  tree = {'params': trainable.unflatten(params)}
  return jax.jit(
    lambda v, grid: probe.apply(v, [features_lib.Block(grid)], False)
  )(tree, GRID)


def state_of(params, names):
  """Returns parameters of a PyTorch module: its name -> ours, joined by '/'."""
  state = {}
  for theirs, ours in names.items():
    for leaf in ('kernel', 'scale', 'bias'):
      if f'{ours}/{leaf}' not in params:
        continue
      array = params[f'{ours}/{leaf}']
      if leaf == 'kernel':
        array = array.reshape(array.shape[0], -1) if array.ndim == 3 else array
        array = array.T
      word = 'bias' if leaf == 'bias' else 'weight'
      state[f'{theirs}.{word}'] = torch.tensor(
        array.reshape(-1) if leaf == 'bias' else array
      )
  return state


def attention(theirs, ours='attention'):
  each = ('query', 'key', 'value')
  return {f'{theirs}.{name[0]}_proj': f'{ours}/{name}' for name in each}


def test_attentive_is_transformers_vjepa2_attentive_pooler(models):
  vjepa2 = models.vjepa2
  probe, params = probe_of(kind='attentive', depth=2, heads=HEADS)
  config = vjepa2.VJEPA2Config(
    hidden_size=D, num_attention_heads=HEADS, num_pooler_layers=2
  )
  config._attn_implementation = 'eager'
  pooler = vjepa2.modeling_vjepa2.VJEPA2AttentivePooler(config).eval()
  cross = 'cross_attention_layer'
  names = attention(f'{cross}.cross_attn') | {
    f'{cross}.layer_norm1': 'attention_norm',
    f'{cross}.layer_norm2': 'mlp_norm',
    f'{cross}.mlp.fc1': 'mlp/Dense_0',
    f'{cross}.mlp.fc2': 'mlp/Dense_1',
  }
  for i in range(2):
    layer = f'self_attention_layers.{i}'
    inner = f'block_{i}/MultiHeadDotProductAttention_0'
    names |= attention(f'{layer}.self_attn', inner) | {
      f'{layer}.layer_norm1': f'block_{i}/LayerNorm_0',
      f'{layer}.layer_norm2': f'block_{i}/LayerNorm_1',
      f'{layer}.mlp.fc1': f'block_{i}/MlpBlock_0/Dense_0',
      f'{layer}.mlp.fc2': f'block_{i}/MlpBlock_0/Dense_1',
      f'{layer}.self_attn.out_proj': f'{inner}/out',
    }
  state = state_of(params, names)
  for i in range(2):  # [heads, c, d] of ours.
    out = params[f'block_{i}/MultiHeadDotProductAttention_0/out/kernel']
    state[f'self_attention_layers.{i}.self_attn.out_proj.weight'] = (
      torch.tensor(out.reshape(D, D).T)
    )
  state['query_tokens'] = torch.tensor(params['queries'][None])
  # A bias of keys, which here is none, changes nothing.
  state[f'{cross}.cross_attn.k_proj.bias'] = torch.arange(D) * 1.0
  pooler.load_state_dict(state)
  with torch.no_grad():
    theirs = pooler(TOKENS)
  np.testing.assert_allclose(run(probe, params), theirs, atol=1e-5)


def test_attentive_is_transformers_videoprism_pooling_head(models):
  videoprism = pytest.importorskip('transformers.models.videoprism')
  probe, params = probe_of(
    kind='attentive', pooler='videoprism', heads=HEADS, mlp_ratio=2
  )
  config = videoprism.VideoPrismVisionConfig(
    hidden_size=D, num_attention_heads=HEADS, intermediate_size=2 * D
  )
  config._attn_implementation = 'eager'
  head = videoprism.modeling_videoprism.VideoPrismMultiheadAttentionPoolingHead(
    config
  )
  norm = videoprism.modeling_videoprism.VideoPrismLayerNorm(D, eps=1e-6)
  state = state_of(params, attention('head') | {'head.o_proj': 'out'})
  state = {k.removeprefix('head.'): v for k, v in state.items()}
  state['k_proj.bias'] = torch.arange(2 * D) * 0.1
  state['per_dim_scale'] = torch.tensor(params['attention/per_dim_scale'])
  state['pooling_attention_query'] = torch.tensor(params['queries'][None])
  head.load_state_dict(state)
  scale = torch.tensor(params['out_norm/scale']) - 1.0
  bias = torch.tensor(params['out_norm/bias'])
  norm.load_state_dict({'weight': scale, 'bias': bias})
  with torch.no_grad():
    theirs = norm(head.eval()(TOKENS)[0])[:, 0]
  np.testing.assert_allclose(run(probe, params), theirs, atol=1e-5)


def test_efficient_is_its_equation_with_values_of_every_token():
  probe, params = probe_of(kind='efficient', queries=4, reduction=2)
  q = torch.tensor(params['queries'])
  weights = torch.softmax(TOKENS @ q.T / D**0.5, 1)  # [b, n, m]
  kernel = torch.tensor(params['value/kernel']).reshape(D, D // 2)
  values = (TOKENS @ kernel).reshape(2, -1, 4, D // 8)
  theirs = torch.einsum('bnm,bnmc->bmc', weights, values).reshape(2, -1)
  np.testing.assert_allclose(run(probe, params), theirs, atol=1e-5)


@pytest.mark.parametrize('residual', [False, True])
def test_frame_coded_is_the_class_tokens_row_of_self_attention(residual):
  probe, params = probe_of(kind='frame_coded', heads=HEADS, residual=residual)
  arrays = {k: torch.tensor(v) for k, v in params.items()}
  x = torch.tensor(GRID) + arrays['frame_codes'][:, None, None]
  g = arrays['class_token'].expand(2, 1, D)
  x = stream = torch.cat([g, x.reshape(2, -1, D)], 1)
  norm = lambda x, name: torch.nn.functional.layer_norm(
    x, (D,), arrays[f'{name}/scale'], arrays[f'{name}/bias'], 1e-6
  )
  x = norm(x, 'attention_norm') if residual else x
  both = torch.nn.MultiheadAttention(D, HEADS, batch_first=True)
  each = [f'attention/{name}' for name in ('query', 'key', 'value')]
  weight = [arrays[f'{name}/kernel'].reshape(D, D).T for name in each]
  zero = torch.zeros(D)
  bias = [arrays.get(f'{name}/bias', zero).reshape(-1) for name in each]
  state = {
    'in_proj_weight': torch.cat(weight),
    'in_proj_bias': torch.cat(bias),
    'out_proj.weight': arrays['out/kernel'].T,
    'out_proj.bias': arrays['out/bias'],
  }
  both.load_state_dict(state)
  with torch.no_grad():
    theirs = both(x, x, x)[0]
    if residual:
      theirs = norm(stream + theirs, 'norm_out')
  np.testing.assert_allclose(run(probe, params), theirs[:, 0], atol=1e-5)
