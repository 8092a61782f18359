"""Every technique on every transformer.

One table; what holds for all of it, and what is refused with which reason.
"""

import functools
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.backbones import swin, vit, vivit
from vidpetl.parameters import trainable
from vidpetl.petl import bindings

VIDEO = np.random.default_rng(0).normal(size=(2, 4, 16, 16, 3))
VIDEO = VIDEO.astype(np.float32)
SIZE = {'width': 8, 'depth': 1, 'heads': 2, 'mlp': 8}


def make_vivit(attention, **fields):
  options = {'tubelet': (2, 8, 8), 'stochastic_depth': 0.0, **fields}
  return vivit.build(attention=attention, **SIZE, **options)


BACKBONES = {
  'dense': lambda **o: make_vivit('factorised_encoder', temporal_depth=1, **o),
  'spacetime': lambda **o: make_vivit('spacetime', classifier='token', **o),
  'self_attention': lambda **o: make_vivit('factorised_self_attention', **o),
  'dot_product': lambda **o: make_vivit('factorised_dot_product', **o),
  'mae': lambda **o: vit.build(kind='mae', patch=8, **SIZE, **o),
  'videomae': lambda **o: vit.build(kind='videomae', patch=8, **SIZE, **o),
  'clip': lambda **o: vit.build(kind='clip', patch=8, **SIZE, **o),
  # Its windows are padded and shifted in the first stage, and cut in the next.
  'swin': lambda **o: swin.build(
    width=8, depths=(2, 1), heads=(2, 4), window=(2, 3, 3), **o
  ),
}

# What is bound -> (entry, whether it starts at the identity).
TECHNIQUES = {
  'adapter': ({'site': 'mlp', 'bottleneck': 6}, True),
  'adapter behind': (
    {
      'site': 'mlp',
      'ratio': 0.5,
      'mode': 'sequential',
      'scale': 'learned',
      'activation': 'none',
    },
    True,
  ),
  'adapter on the stream': (
    {
      'site': 'mlp_residual',
      'bottleneck': 6,
      'norm': 'in',
      'activation': 'gelu',
    },
    True,
  ),
  'adapter normalised': (
    {'site': 'mlp', 'bottleneck': 6, 'norm': 'out', 'initial': 'houlsby'},
    False,
  ),
  'patt': ({'site': 'attn_qkv', 'bottleneck': 6}, False),
  'patt of queries': ({'site': 'attn_qkv', 'bottleneck': 6, 'to': 'q'}, False),
  'patt concatenated': (
    {'site': 'attn_qkv', 'bottleneck': 6, 'combine': 'concat'},
    False,
  ),
  'patt learned': (
    {'site': 'attn_qkv', 'bottleneck': 6, 'source': 'learned'},
    False,
  ),
  'prefix': ({'site': 'attn_qkv', 'tokens': 2, 'middle': 3}, False),
  'prompt': ({'site': 'block_in', 'tokens': 2}, False),
  'prompt shallow': (
    {'site': 'tokens', 'tokens': 2, 'initial': 'xavier'},
    False,
  ),
  'lora': ({'site': 'attn_qkv', 'rank': 2, 'to': 'qkv'}, True),
  'st_adapter': ({'site': 'block_in', 'bottleneck': 4}, True),
  'aim': ({'site': 'block_in', 'inner': True}, True),
  'time_embedding': ({'site': 'tokens'}, True),
  'mst_adapter': ({'site': 'mlp_residual', 'bottleneck': 4}, True),
  'cls_shift': ({'site': 'block_in'}, False),
  'adapter3d': ({'site': 'mlp_residual'}, False),
}

_NO_TOKEN = 'needs a class token in every frame'
_NO_PLACE = 'no place for tokens'
REFUSED = {
  **{
    ('cls_shift', backbone): _NO_TOKEN
    for backbone in BACKBONES
    if backbone not in ('mae', 'clip')
  },
  ('prompt', 'self_attention'): _NO_PLACE,
  ('prompt shallow', 'self_attention'): _NO_PLACE,
  ('prompt', 'dot_product'): _NO_PLACE,
  ('prompt shallow', 'dot_product'): _NO_PLACE,
  ('prefix', 'dot_product'): _NO_PLACE,
  ('patt concatenated', 'dot_product'): _NO_PLACE,
  ('aim', 'dot_product'): 'attention takes any rows',
}
# Variants of a technique are tried on two backbones.
CASES = [
  (t, b)
  for b in BACKBONES
  for t in TECHNIQUES
  if ' ' not in t or b in ('swin', 'clip')
]


def entry(technique):
  return {'technique': technique.split()[0], **TECHNIQUES[technique][0]}


def at_a_site(path):
  return '/site_' in '/' + path


def key(seed):
  """Of a generator that compiles quickly."""
  return jax.random.key(seed, impl='unsafe_rbg')


def shapes(model):
  tree = jax.eval_shape(lambda: model.init(key(0), VIDEO, False))
  flat = trainable.flatten(tree['params'])
  return {path: x.shape for path, x in flat.items()}


def random(shapes):
  return {
    path: np.random.default_rng(zlib.crc32(path.encode()))
    .normal(scale=0.3, size=shape)
    .astype(np.float32)
    for path, shape in shapes.items()
  }


def wave(y):
  return jnp.cos(jnp.arange(y.size)).reshape(y.shape)


def run(model):
  """Jitted params by path -> (features, gradients of those at sites)."""

  def loss(learned, frozen):
    params = trainable.unflatten({**frozen, **learned})
    out = model.apply({'params': params}, VIDEO, False)
    # A class token does not see what the last block does to the grid.
    read = (out.summary, out.grid)
    return sum((y * wave(y)).sum() for y in read), read

  grad = jax.jit(jax.grad(loss, has_aux=True))

  def call(params):
    learned = {p: x for p, x in params.items() if at_a_site(p)}
    grads, (summary, grid) = grad(
      learned, {p: x for p, x in params.items() if p not in learned}
    )
    return np.concatenate([summary.ravel(), grid.ravel()]), grads

  return call


@functools.cache
def base(name):
  """Parameters of a backbone by path, and what it makes of the video."""
  model = BACKBONES[name]()
  params = random(shapes(model))
  return params, run(model)(params)[0]


@pytest.mark.parametrize('technique, backbone', CASES)
def test_technique_on_backbone(technique, backbone):
  model = bindings.bind(BACKBONES[backbone](), [entry(technique)])
  if reason := REFUSED.get((technique, backbone)):
    with pytest.raises(ValueError, match=reason):
      shapes(model)
    return
  frozen, before = base(backbone)
  bound = shapes(model)
  own = {path: x for path, x in bound.items() if not at_a_site(path)}
  assert own == {path: x.shape for path, x in frozen.items()}

  def initial():
    params = trainable.flatten(model.init(key(2), VIDEO, False)['params'])
    return {path: x for path, x in params.items() if at_a_site(path)}

  call = run(model)
  after, _ = call({**jax.jit(initial)(), **frozen})
  assert after.shape == before.shape
  starts_as_it_was = np.abs(after - before).max() < 1e-5
  assert starts_as_it_was == TECHNIQUES[technique][1]
  _, grads = call({**random(bound), **frozen})
  assert set(grads) == set(bound) - set(own)
  assert bool(grads) == (technique != 'cls_shift')
  for path, grad in grads.items():
    assert np.isfinite(grad).all() and np.abs(grad).max() > 0, path


@pytest.mark.parametrize('backbone', ['dense', 'clip', 'swin'])
def test_all_at_once_and_recomputed(backbone):
  models = [
    bindings.bind(BACKBONES[backbone](remat=remat), together(backbone))
    for remat in (False, True)
  ]
  params = random(shapes(models[0]))
  (plain, grads), (remat, again) = (run(model)(params) for model in models)
  np.testing.assert_allclose(plain, remat, rtol=1e-4, atol=1e-5)
  assert set(grads) == set(again)
  for path, grad in grads.items():
    scale = np.abs(grad).max()
    np.testing.assert_allclose(grad / scale, again[path] / scale, atol=1e-3)


def together(backbone):
  """Entries that can be bound to one backbone at once.

  (Not so some variants: shallow prompts would give way to deep ones.)
  """
  names = [t for t in TECHNIQUES if ' ' not in t]
  return [entry(t) for t in names if (t, backbone) not in REFUSED]


@pytest.mark.parametrize('backbone', ['clip', 'swin'])
def test_half_precision_stays_half(backbone):
  model = bindings.bind(
    BACKBONES[backbone](dtype='bfloat16'), together(backbone)
  )
  out, variables = jax.eval_shape(
    lambda: model.init_with_output(key(0), VIDEO, False)
  )
  assert out.grid.dtype == jnp.bfloat16
  leaves = jax.tree.leaves(variables)
  assert all(leaf.dtype == jnp.float32 for leaf in leaves)


@pytest.mark.parametrize(
  'entry, match',
  [
    ({'technique': 'adapter', 'site': 'mlp'}, 'either bottleneck or ratio'),
    (
      {'technique': 'adapter', 'site': 'mlp', 'bottleneck': 1, 'mode': 'x'},
      "adapter: mode 'x' is none of 'parallel', 'sequential'",
    ),
    (
      {'technique': 'adapter', 'site': 'mlp', 'bottleneck': 0},
      'adapter: bottleneck must be at least 1',
    ),
    (
      {'technique': 'adapter', 'site': 'block_in', 'bottleneck': 1},
      "nothing runs parallel to this site; mode='sequential' works",
    ),
    (
      {'technique': 'adapter', 'site': 'attn_qkv', 'bottleneck': 1},
      'adapter: works on tokens, and attn_qkv has',
    ),
    ({'technique': 'lora', 'site': 'mlp'}, 'lora: works at the site attn_qkv'),
    ({'technique': 'lora', 'site': 'attn_qkv', 'to': 'qq'}, "to 'qq' is no"),
    (
      {
        'technique': 'patt',
        'site': 'attn_qkv',
        'to': 'q',
        'combine': 'concat',
      },
      "combine='concat' needs to='kv'",
    ),
    ({'technique': 'aim', 'site': 'mlp'}, 'aim: works at block_in'),
    ({'technique': 'cls_shift', 'site': 'mlp', 'div': 1}, 'at least 2'),
    (
      {'technique': 'adapter3d', 'site': 'mlp', 'reduction': 3},
      'reduction 3 does not divide the 8 channels',
    ),
  ],
)
def test_what_cannot_be_is_refused(entry, match):
  with pytest.raises(ValueError, match=match):
    model = bindings.bind(BACKBONES['clip'](), [entry])
    shapes(model)
