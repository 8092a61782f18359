"""Small models of transformers, their weights under our names, and videos."""

import jax
import numpy as np

from vidpetl.parameters import trainable

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
  model = cls(config).eval()
  for p in model.parameters():
    p.data.normal_(0, 0.1)
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


def clip_params(w):
  """Our parameters of CLIP's image tower."""
  return {
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
