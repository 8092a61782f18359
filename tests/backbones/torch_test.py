"""Against PyTorch's own transformer block, patch convolution and softmax."""

import jax
import numpy as np
import pytest

from vidpetl.backbones import layers, site

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch


def draw(module, x):
  """Parameters that are nowhere zero, so that none can be left out."""
  shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), x))
  rng = np.random.default_rng(0)
  return jax.tree.map(
    lambda s: rng.normal(0, 0.1, s.shape).astype(np.float32), shapes
  )


def test_block_is_torchs_pre_norm_encoder_layer():
  d, heads, hidden = 16, 4, 32
  x = np.random.default_rng(1).normal(size=(2, 7, d)).astype(np.float32)
  block = layers.Block(heads=heads, mlp=hidden, grid=site.Grid(7, 1, 1))
  params = draw(block, x)
  own = params['params']
  other = torch.nn.TransformerEncoderLayer(
    d,
    heads,
    hidden,
    dropout=0.0,
    activation=lambda y: torch.nn.functional.gelu(y, approximate='tanh'),
    layer_norm_eps=1e-6,
    batch_first=True,
    norm_first=True,
  )
  attention = own['MultiHeadDotProductAttention_0']
  projections = [attention[k] for k in ('query', 'key', 'value')]
  mlp = own['MlpBlock_0']
  state = {
    'self_attn.in_proj_weight': np.concatenate(
      [p['kernel'].reshape(d, d).T for p in projections]
    ),
    'self_attn.in_proj_bias': np.concatenate(
      [p['bias'].reshape(d) for p in projections]
    ),
    'self_attn.out_proj.weight': attention['out']['kernel'].reshape(d, d).T,
    'self_attn.out_proj.bias': attention['out']['bias'],
    'linear1.weight': mlp['Dense_0']['kernel'].T,
    'linear1.bias': mlp['Dense_0']['bias'],
    'linear2.weight': mlp['Dense_1']['kernel'].T,
    'linear2.bias': mlp['Dense_1']['bias'],
  }
  for i in (0, 1):
    norm = own[f'LayerNorm_{i}']
    state[f'norm{i + 1}.weight'] = norm['scale']
    state[f'norm{i + 1}.bias'] = norm['bias']
  other.load_state_dict(
    {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in state.items()}
  )
  with torch.no_grad():
    expected = other.train()(torch.from_numpy(x)).numpy()
  np.testing.assert_allclose(block.apply(params, x), expected, atol=2e-5)


def test_embedding_is_torchs_strided_convolution():
  video = np.random.default_rng(1).normal(size=(2, 4, 8, 12, 3))
  video = video.astype(np.float32)
  embedding = layers.Embedding(width=5, tubelet=(2, 4, 4))
  params = draw(embedding, video)
  kernel = params['params']['kernel'].transpose(4, 3, 0, 1, 2)
  expected = torch.nn.functional.conv3d(
    torch.from_numpy(video.transpose(0, 4, 1, 2, 3).copy()),
    torch.from_numpy(kernel.copy()),
    torch.from_numpy(params['params']['bias']),
    stride=(2, 4, 4),
  ).numpy()
  np.testing.assert_allclose(
    embedding.apply(params, video),
    expected.transpose(0, 2, 3, 4, 1),
    atol=2e-5,
  )
