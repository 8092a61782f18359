"""Against the models of Hugging Face's transformers, on random weights.

Everything within 1e-4, in float32; activations are of the order of 1.
"""

import jax
import numpy as np
import pytest

from vidpetl.backbones import vit, vivit
from vidpetl.petl import trainable

torch = pytest.importorskip('torch')
transformers = pytest.importorskip('transformers')
pytestmark = pytest.mark.torch

D, HEADS, LAYERS, MLP, IMAGE = 16, 2, 2, 32, 24
SIZES = {
  'hidden_size': D,
  'num_attention_heads': HEADS,
  'num_hidden_layers': LAYERS,
  'intermediate_size': MLP,
  'image_size': IMAGE,
}
FIELDS = {'width': D, 'heads': HEADS, 'depth': LAYERS, 'mlp': MLP}


def model_and_weights(cls, config):
  """A model with weights from N(0, 0.1) and the same as arrays by name."""
  torch.manual_seed(0)
  model = cls(config).eval()
  with torch.no_grad():
    for p in model.parameters():
      p.normal_(0, 0.1)
  return model, {k: v.numpy() for k, v in model.state_dict().items()}


def block(w, q, k, v, out, mlp, norms):
  """Our parameters of a block, from prefixes of theirs."""

  def dense(name, shape=None):
    kernel = w[f'{name}.weight'].T
    found = {'kernel': kernel.reshape(shape) if shape else kernel}
    if f'{name}.bias' in w:
      bias = w[f'{name}.bias']
      found['bias'] = bias.reshape(shape[1:]) if shape else bias
    return found

  heads = (D, HEADS, D // HEADS)
  after = dense(out)
  after['kernel'] = after['kernel'].reshape(HEADS, D // HEADS, D)
  return {
    'MultiHeadDotProductAttention_0': {
      'query': dense(q, heads),
      'key': dense(k, heads),
      'value': dense(v, heads),
      'out': after,
    },
    'MlpBlock_0': {f'Dense_{i}': dense(name) for i, name in enumerate(mlp)},
    **{f'LayerNorm_{i}': norm(w, name) for i, name in enumerate(norms)},
  }


def norm(w, name):
  return {'scale': w[f'{name}.weight'], 'bias': w[f'{name}.bias']}


def apply(model, params, video):
  """Runs our model, which must have exactly these parameters."""
  shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), video, False))[
    'params'
  ]
  wanted = {k: v.shape for k, v in trainable.flatten(shapes).items()}
  assert wanted == {k: v.shape for k, v in trainable.flatten(params).items()}
  return jax.jit(lambda p: model.apply({'params': p}, video, False))(params)


def video(frames):
  rng = np.random.default_rng(1)
  return rng.normal(size=(2, frames, IMAGE, IMAGE, 3)).astype(np.float32)


def close(ours, theirs):
  theirs = theirs.detach().numpy()
  assert np.abs(theirs).max() > 0.1
  np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=1e-4)


def test_clip():
  config = transformers.CLIPVisionConfig(patch_size=8, **SIZES)
  model, w = model_and_weights(transformers.CLIPVisionModel, config)
  params = {
    'embedding': {
      'kernel': w['embeddings.patch_embedding.weight'].transpose(2, 3, 1, 0)[
        None
      ]
    },
    'cls': w['embeddings.class_embedding'][None, None],
    'SpatialTransformer': {
      'posembed_input': {
        'pos_embedding': w['embeddings.position_embedding.weight'][None]
      },
      'pre_norm': norm(w, 'pre_layrnorm'),
      **{
        f'encoderblock_{i}': block(
          w,
          *(f'{at}.self_attn.{n}_proj' for n in ('q', 'k', 'v', 'out')),
          [f'{at}.mlp.fc1', f'{at}.mlp.fc2'],
          [f'{at}.layer_norm1', f'{at}.layer_norm2'],
        )
        for i in range(LAYERS)
        for at in [f'encoder.layers.{i}']
      },
    },
    'norm': norm(w, 'post_layernorm'),
  }
  x = video(3)
  out = apply(vit.build(kind='clip', patch=8, **FIELDS), params, x)
  images = torch.from_numpy(x.reshape(6, IMAGE, IMAGE, 3).transpose(0, 3, 1, 2))
  theirs = model(images)
  close(out.summary, theirs.pooler_output.reshape(2, 3, D).mean(1))
  patches = model.post_layernorm(theirs.last_hidden_state[:, 1:])
  close(out.grid, patches.reshape(2, 3, 3, 3, D))


def tubelets(w):
  name = 'embeddings.patch_embeddings.projection'
  return {
    'kernel': w[f'{name}.weight'].transpose(2, 3, 4, 1, 0),
    'bias': w[f'{name}.bias'],
  }


def test_videomae():
  config = transformers.VideoMAEConfig(
    patch_size=8, num_frames=4, use_mean_pooling=True, **SIZES
  )
  model, w = model_and_weights(transformers.VideoMAEModel, config)
  params = {
    'embedding': tubelets(w),
    'Transformer': {
      f'encoderblock_{i}': block(
        w,
        *(f'{at}.attention.attention.{n}' for n in ('query', 'key', 'value')),
        f'{at}.attention.output.dense',
        [f'{at}.intermediate.dense', f'{at}.output.dense'],
        [f'{at}.layernorm_before', f'{at}.layernorm_after'],
      )
      for i in range(LAYERS)
      for at in [f'encoder.layer.{i}']
    },
    'norm': {'scale': np.ones(D), 'bias': np.zeros(D)},
  }
  x = video(4)
  # Theirs has LayerNorms of 1e-12; the published code has 1e-6.
  ours = vit.build(kind='videomae', patch=8, epsilon=1e-12, **FIELDS)
  out = apply(ours, params, x)
  theirs = model(torch.from_numpy(x.transpose(0, 1, 4, 2, 3).copy()))
  last = torch.nn.functional.layer_norm(theirs.last_hidden_state, (D,))
  close(out.grid, last.reshape(2, 2, 3, 3, D))
  pooled = theirs.last_hidden_state.mean(1)
  close(out.summary, torch.nn.functional.layer_norm(pooled, (D,)))


def test_vivit():
  config = transformers.VivitConfig(
    tubelet_size=[2, 8, 8], num_frames=4, **SIZES
  )
  model, w = model_and_weights(transformers.VivitModel, config)
  params = {
    'embedding': tubelets(w),
    'cls': w['embeddings.cls_token'],
    'Transformer': {
      'posembed_input': {'pos_embedding': w['embeddings.position_embeddings']},
      **{
        f'encoderblock_{i}': block(
          w,
          *(f'{at}.attention.{n}_proj' for n in 'qkvo'),
          [f'{at}.mlp.fc1', f'{at}.mlp.fc2'],
          [f'{at}.layernorm_before', f'{at}.layernorm_after'],
        )
        for i in range(LAYERS)
        for at in [f'layers.{i}']
      },
      'encoder_norm': norm(w, 'layernorm'),
    },
  }
  x = video(4)
  ours = vivit.build(
    attention='spacetime', classifier='token', tubelet=(2, 8, 8), **FIELDS
  )
  out = apply(ours, params, x)
  theirs = model(torch.from_numpy(x.transpose(0, 1, 4, 2, 3).copy()))
  close(out.summary, theirs.last_hidden_state[:, 0])
  close(out.grid, theirs.last_hidden_state[:, 1:].reshape(2, 2, 3, 3, D))
