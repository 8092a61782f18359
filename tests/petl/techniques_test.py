"""Every technique on every transformer.

One table; what holds for all of it, and what is refused with which reason.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from vidpetl.parameters import trainable
from vidpetl.petl import bindings

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
  'adapter of groups': (
    {
      'site': 'attn_in',
      'bottleneck': 4,
      'groups': 2,
      'mode': 'sequential',
      'activation': 'none',
      'initial': 'xavier',
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
  'lora of layers': (
    {'site': 'layer', 'rank': 2, 'dora': True, 'where': 'out|De|red|query|emb'},
    True,
  ),
  'lora of attn_proj': ({'site': 'attn_proj', 'rank': 2}, True),
  'lora of mlp_fc1': ({'site': 'mlp_fc1', 'rank': 2}, True),
  'lora of mlp_fc2': ({'site': 'mlp_fc2', 'rank': 2}, True),
  'st_adapter': ({'site': 'block_in', 'bottleneck': 4}, True),
  'aim': ({'site': 'block_in', 'inner': True}, True),
  'time_embedding': ({'site': 'tokens'}, True),
  'mst_adapter': ({'site': 'mlp_residual', 'bottleneck': 4}, True),
  'cls_shift': ({'site': 'block_in'}, False),
  'head_shift': ({'site': 'attn_qkv', 'offsets': (-1,)}, False),
  'ia3': ({'site': 'attn_qkv'}, True),
  'ia3 of the mlp': ({'site': 'mlp_hidden'}, True),
  # What shifts all keys alike is without effect.
  'ssf': ({'site': 'attn_qkv', 'to': 'qv'}, False),
  'ssf of a norm': ({'site': 'attn_in'}, False),
  'ssf of a dense layer': ({'site': 'mlp_fc1'}, False),
  'adapter3d': ({'site': 'mlp_residual'}, False),
}

_NO_TOKEN = 'needs a class token in every frame'
_NO_PLACE = 'no place for tokens'
REFUSED = {
  **{
    ('cls_shift', backbone): _NO_TOKEN
    for backbone in tiny.BACKBONES
    if backbone not in ('mae', 'clip')
  },
  **{
    ('head_shift', backbone): 'whose frames attend by themselves'
    for backbone in tiny.BACKBONES
    if backbone not in ('mae', 'clip')
  },
  ('prompt', 'self_attention'): _NO_PLACE,
  ('prompt shallow', 'self_attention'): _NO_PLACE,
  ('prompt', 'dot_product'): _NO_PLACE,
  ('prompt shallow', 'dot_product'): _NO_PLACE,
  ('prefix', 'dot_product'): _NO_PLACE,
  ('patt concatenated', 'dot_product'): _NO_PLACE,
  ('aim', 'dot_product'): 'attention takes any rows',
  ('aim', 'hiera'): 'attention takes any rows',
  ('aim', 'mvit'): 'attention takes any rows',
}


def entry(technique):
  return {'technique': technique.split()[0], **TECHNIQUES[technique][0]}


def wave(y):
  return jnp.cos(jnp.arange(y.size)).reshape(y.shape)


def run(model):
  """Jitted params by path -> (features, gradients of those at sites)."""

  def loss(learned, frozen):
    params = trainable.unflatten({**frozen, **learned})
    out = model.apply({'params': params}, tiny.VIDEO, False)
    # A class token does not see what the last block does to the grid.
    read = (out.summary, out.grid)
    return sum((y * wave(y)).sum() for y in read), read

  grad = jax.jit(jax.grad(loss, has_aux=True))

  def call(params):
    learned = {p: x for p, x in params.items() if tiny.at_a_site(p)}
    grads, (summary, grid) = grad(
      learned, {p: x for p, x in params.items() if p not in learned}
    )
    return np.concatenate([summary.ravel(), grid.ravel()]), grads

  return call


@functools.cache
def base(name):
  """Parameters of a backbone by path, and what it makes of the video."""
  model = tiny.BACKBONES[name]()
  params = tiny.random(tiny.shapes(model))
  return params, run(model)(params)[0]


def bound_to(backbone, techniques):
  """Returns a model of both, and the shapes of what is at its sites."""
  entries = [entry(technique) for technique in techniques]
  model = bindings.bind(tiny.BACKBONES[backbone](), entries)
  shapes = tiny.shapes(model)
  frozen, _ = base(backbone)
  own = {path: x for path, x in shapes.items() if not tiny.at_a_site(path)}
  assert own == {path: x.shape for path, x in frozen.items()}
  return model, {p: x for p, x in shapes.items() if p not in own}


def initial(model):
  """Returns what is at the sites of a model before it trains."""

  def draw():
    params = model.init(tiny.key(2), tiny.VIDEO, False)['params']
    return {
      path: x
      for path, x in trainable.flatten(params).items()
      if tiny.at_a_site(path)
    }

  return jax.jit(draw)()


def check_gradients(grads, learned):
  assert set(grads) == set(learned)
  for path, grad in grads.items():
    assert np.isfinite(grad).all() and np.abs(grad).max() > 0, path


@pytest.mark.parametrize(
  'technique', [t for t in TECHNIQUES if (t, 'clip') not in REFUSED]
)
def test_technique_on_clip(technique):
  model, learned = bound_to('clip', [technique])
  frozen, before = base('clip')
  call = run(model)
  after, _ = call({**initial(model), **frozen})
  assert after.shape == before.shape
  starts_as_it_was = np.abs(after - before).max() < 1e-5
  assert starts_as_it_was == TECHNIQUES[technique][1]
  assert bool(learned) == (technique not in ('cls_shift', 'head_shift'))
  check_gradients(call({**tiny.random(learned), **frozen})[1], learned)


@pytest.mark.table(4)
@pytest.mark.tail(1)
@pytest.mark.parametrize('backbone', [b for b in tiny.BACKBONES if b != 'clip'])
def test_techniques_that_start_as_it_was_on_backbone(backbone):
  """All at once, since each of them leaves what it finds."""
  model, learned = bound_to(backbone, some(backbone, True))
  frozen, before = base(backbone)
  call = run(model)
  after, _ = call({**initial(model), **frozen})
  np.testing.assert_allclose(after, before, atol=1e-5)
  check_gradients(call({**tiny.random(learned), **frozen})[1], learned)


@pytest.mark.table(4)
@pytest.mark.tail(1)
@pytest.mark.parametrize('backbone', [b for b in tiny.BACKBONES if b != 'clip'])
def test_other_techniques_on_backbone(backbone):
  model, learned = bound_to(backbone, some(backbone, False))
  frozen, before = base(backbone)
  after, grads = run(model)({**tiny.random(learned), **frozen})
  assert after.shape == before.shape
  check_gradients(grads, learned)


@pytest.mark.parametrize('technique, backbone', REFUSED)
def test_a_technique_without_a_place_is_refused(technique, backbone):
  model = bindings.bind(tiny.BACKBONES[backbone](), [entry(technique)])
  with pytest.raises(ValueError, match=REFUSED[technique, backbone]):
    tiny.shapes(model)


@pytest.mark.table(2)
@pytest.mark.slow
@pytest.mark.parametrize('backbone', ['dense', 'clip', 'swin'])
def test_all_at_once_and_recomputed(backbone):
  models = [
    bindings.bind(tiny.BACKBONES[backbone](remat=remat), together(backbone))
    for remat in (False, True)
  ]
  params = tiny.random(tiny.shapes(models[0]))
  (plain, grads), (remat, again) = (run(model)(params) for model in models)
  np.testing.assert_allclose(plain, remat, rtol=1e-4, atol=1e-5)
  assert set(grads) == set(again)
  for path, grad in grads.items():
    scale = np.abs(grad).max()
    np.testing.assert_allclose(grad / scale, again[path] / scale, atol=1e-3)


def some(backbone, starts_as_it_was):
  """Returns techniques that can be bound to one backbone at once.

  Variants are tried on two backbones; not those that would give way to others.
  """
  variants = {t for t in TECHNIQUES if ' ' in t} - {
    'prompt shallow',
    'patt concatenated',
  }
  return [
    t
    for t, (_, identity) in TECHNIQUES.items()
    if identity == starts_as_it_was
    and (t, backbone) not in REFUSED
    and (' ' not in t or (backbone == 'swin' and t in variants))
  ]


def together(backbone):
  """Entries of all techniques that can be bound to one backbone at once."""
  return [
    entry(technique)
    for starts_as_it_was in (True, False)
    for technique in some(backbone, starts_as_it_was)
    if ' ' not in technique
  ]


@pytest.mark.parametrize('backbone', ['clip', 'swin'])
def test_half_precision_stays_half(backbone):
  model = bindings.bind(
    tiny.BACKBONES[backbone](dtype='bfloat16'), together(backbone)
  )
  variables = jax.eval_shape(lambda: model.init(tiny.key(0), tiny.VIDEO, False))
  leaves = jax.tree.leaves(variables)
  assert all(leaf.dtype == jnp.float32 for leaf in leaves)

  def loss(variables):
    out = model.apply(variables, tiny.VIDEO, False)
    assert out.grid.dtype == jnp.bfloat16
    return out.grid.astype(jnp.float32).sum()

  step = jax.make_jaxpr(jax.grad(loss))(variables).jaxpr
  products = [e for e in tiny.equations(step) if e.primitive.name in PRODUCTS]
  assert products
  for eqn in products:
    if eqn.outvars[0].aval.shape[0] == 1:
      continue  # Gradients of biases are summed in float32.
    assert {v.aval.dtype for v in eqn.invars} == {jnp.dtype('bfloat16')}, eqn


PRODUCTS = ('dot_general', 'conv_general_dilated')


@pytest.mark.parametrize(
  'entry, match',
  [
    (
      {'technique': 'adapter', 'site': 'mlp', 'bottleneck': 0},
      'adapter: bottleneck=0: it must be at least 1',
    ),
    (
      {'technique': 'adapter', 'site': 'block_in', 'bottleneck': 1},
      "nothing runs parallel to this site; mode='sequential' works",
    ),
    (
      {'technique': 'adapter', 'site': 'attn_qkv', 'bottleneck': 1},
      'adapter: works on tokens, and attn_qkv has',
    ),
    (
      {'technique': 'lora', 'site': 'mlp'},
      'lora: works right behind a dense layer, at layer, attn_qkv, attn_proj, '
      'mlp_fc1, mlp_fc2; mlp is no such site',
    ),
    (
      {'technique': 'patt', 'site': 'attn_out'},
      'patt: works at the site attn_qkv alone',
    ),
    ({'technique': 'lora', 'site': 'attn_qkv', 'to': 'qq'}, 'letters'),
    (
      {
        'technique': 'patt',
        'site': 'attn_qkv',
        'to': 'q',
        'combine': 'concat',
      },
      "combine='concat' needs to='kv'",
    ),
    (
      {'technique': 'lora', 'site': 'mlp_fc1', 'dora': True},
      "lora: dora=True needs W, so it works at the site 'layer'",
    ),
    (
      {'technique': 'adapter', 'site': 'layer', 'mode': 'sequential'},
      'adapter: works on tokens, and this layer gives 2 axes of channels',
    ),
    ({'technique': 'aim', 'site': 'mlp'}, 'aim: works at block_in'),
    ({'technique': 'cls_shift', 'site': 'attn_qkv'}, 'works on tokens'),
    (
      {'technique': 'prompt', 'site': 'mlp_hidden'},
      'prompt: lengthens rows, so .* mlp_hidden is inside a branch',
    ),
    (
      {'technique': 'adapter3d', 'site': 'mlp', 'reduction': 3},
      'reduction 3 does not divide the 8 channels',
    ),
  ],
)
def test_what_cannot_be_is_refused(entry, match):
  with pytest.raises(ValueError, match=match):
    model = bindings.bind(tiny.BACKBONES['clip'](), [entry])
    tiny.shapes(model)
