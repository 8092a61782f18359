import functools

import flax
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gaussian import normal

from vidpetl.backbones import mlp, vivit
from vidpetl.backbones import site as site_lib
from vidpetl.tasks import heads

TINY = {'width': 16, 'depth': 2, 'heads': 2, 'mlp': 24, 'tubelet': (2, 8, 8)}
MODELS = [
  {'temporal': 'dense'},
  {'temporal': 'per_person'},
  {'temporal': 'pooled'},
  {'temporal': 'pooled', 'classifier': 'token'},
  {'attention': 'spacetime'},
  {'attention': 'spacetime', 'classifier': 'token'},
  {'attention': 'factorised_self_attention'},
  {'attention': 'factorised_dot_product'},
]


VIDEO = normal(2, 4, 16, 24, 3)


def tiny(**kwargs):
  if kwargs.get('attention', 'factorised_encoder') == 'factorised_encoder':
    kwargs = {'temporal_depth': 1, **kwargs}
  return vivit.build(**{**TINY, **kwargs})


@functools.cache
def _params(items):
  """Parameters far from their start, so that every one of them matters."""
  model = tiny(**dict(items))
  shapes = jax.eval_shape(
    lambda v: model.init(jax.random.key(0), v, train=False), VIDEO
  )
  return jax.tree.map(lambda x: 0.3 * normal(*x.shape, seed=x.size), shapes)


def params_of(**kwargs):
  return _params(tuple(kwargs.items()))


@functools.cache
def _forward(items, train):
  model = tiny(**dict(items))

  @jax.jit
  def forward(params, video, key):
    rngs = {'dropout': key} if train else None
    out = model.apply(params, video, train=train, rngs=rngs)
    return out.grid, out.summary

  return forward


def run(params, video, train=False, **kwargs):
  """Applies a tiny model under jit; returns (grid, summary)."""
  forward = _forward(tuple(kwargs.items()), train)
  return forward(params, video, jax.random.key(0))


def shapes_of(model, video, num_classes=400):
  """Shapes of a classifier's parameters; nothing is computed."""

  class Classifier(nn.Module):
    backbone: nn.Module

    def setup(self):
      nn.share_scope(self, self.backbone)

    @nn.compact
    def __call__(self, video):
      return heads.ClassificationHead(num_classes, name='head')(
        self.backbone(video, train=False)
      )

  params = jax.eval_shape(
    Classifier(model).init,
    jax.random.key(0),
    jax.ShapeDtypeStruct(video, jnp.float32),
  )['params']
  return {
    k.removeprefix('head/'): v.shape
    for k, v in flax.traverse_util.flatten_dict(params, sep='/').items()
  }


PUBLISHED = [
  ('B', {'temporal': 'pooled', 'classifier': 'token'}, 115_062_928),
  ('L', {'temporal': 'pooled', 'classifier': 'token'}, 354_903_440),
  (
    'L',
    {'temporal': 'pooled', 'classifier': 'token', 'temporal_depth': 24},
    606_827_920,
  ),
  ('B', {'attention': 'spacetime', 'classifier': 'token'}, 88_954_000),
  ('B', {'attention': 'factorised_self_attention'}, 117_319_312),
  ('B', {'attention': 'factorised_dot_product'}, 88_952_464),
]


@pytest.mark.parametrize('variant, kwargs, count', PUBLISHED)
def test_parameter_counts_are_the_published_ones(variant, kwargs, count):
  model = vivit.build(variant=variant, **kwargs)
  shapes = shapes_of(model, (1, 32, 224, 224, 3))
  assert sum(np.prod(s) for s in shapes.values()) == count


def block_shapes(prefix, d, heads_, mlp, norms=(0, 1), attention=('_0',)):
  shapes = {}
  for norm in norms:
    shapes[f'LayerNorm_{norm}/scale'] = shapes[f'LayerNorm_{norm}/bias'] = (d,)
  for suffix in attention:
    name = f'MultiHeadDotProductAttention{suffix}'
    for x in ('query', 'key', 'value'):
      shapes[f'{name}/{x}/kernel'] = (d, heads_, d // heads_)
      shapes[f'{name}/{x}/bias'] = (heads_, d // heads_)
    shapes[f'{name}/out/kernel'] = (heads_, d // heads_, d)
    shapes[f'{name}/out/bias'] = (d,)
  name = 'MlpBlock_0' if 0 in norms else 'MlpBlock'
  shapes[f'{name}/Dense_0/kernel'] = (d, mlp)
  shapes[f'{name}/Dense_0/bias'] = (mlp,)
  shapes[f'{name}/Dense_1/kernel'] = (mlp, d)
  shapes[f'{name}/Dense_1/bias'] = (d,)
  return {f'{prefix}/{k}': v for k, v in shapes.items()}


def encoder_shapes(name, tokens, depth, *block, **kwargs):
  d = block[0]
  shapes = {
    f'{name}/posembed_input/pos_embedding': (1, tokens, d),
    f'{name}/encoder_norm/scale': (d,),
    f'{name}/encoder_norm/bias': (d,),
  }
  for i in range(depth):
    shapes |= block_shapes(f'{name}/encoderblock_{i}', *block, **kwargs)
  return shapes


def ends(d, classes=400):
  return {
    'embedding/kernel': (2, 16, 16, 3, d),
    'embedding/bias': (d,),
    'output_projection/kernel': (d, classes),
    'output_projection/bias': (classes,),
  }


def test_names_and_shapes_are_those_of_the_public_checkpoints():
  base = (768, 12, 3072)
  token = ends(768) | {
    'cls_SpatialTransformer': (1, 1, 768),
    'cls_TemporalTransformer': (1, 1, 768),
  }
  token |= encoder_shapes('SpatialTransformer', 197, 2, *base)
  token |= encoder_shapes('TemporalTransformer', 17, 4, *base)
  clip = (1, 32, 224, 224, 3)
  build = functools.partial(vivit.build, variant='B', depth=2)
  model = build(temporal='pooled', classifier='token')
  assert shapes_of(model, clip) == token

  gap = ends(768) | encoder_shapes('SpatialTransformer', 1024, 2, *base)
  gap |= encoder_shapes('TemporalTransformer', 16, 4, *base)
  for temporal in ('dense', 'per_person', 'pooled'):
    model = build(temporal=temporal)
    assert shapes_of(model, (1, 32, 512, 512, 3)) == gap

  joint = ends(768) | encoder_shapes('Transformer', 3137, 2, *base)
  joint |= {'cls': (1, 1, 768)}
  model = build(attention='spacetime', classifier='token')
  assert shapes_of(model, clip) == joint

  three = ends(768) | encoder_shapes(
    'Transformer',
    3136,
    2,
    *base,
    norms=('time', 'space', 'mlp'),
    attention=('_time', '_space'),
  )
  assert shapes_of(build(attention='factorised_self_attention'), clip) == three

  four = ends(768) | encoder_shapes('Transformer', 3136, 2, *base)
  assert shapes_of(build(attention='factorised_dot_product'), clip) == four


@pytest.mark.parametrize('temporal, gflop', [('pooled', 566), ('dense', 744)])
def test_forward_cost(temporal, gflop):
  model = vivit.build(variant='B', temporal=temporal)
  video = jax.ShapeDtypeStruct((1, 32, 224, 224, 3), jnp.float32)
  params = jax.eval_shape(
    lambda v: model.init(jax.random.key(0), v, train=False), video
  )
  forward = jax.jit(lambda p, v: model.apply(p, v, train=False).summary)
  cost = forward.lower(params, video).cost_analysis()
  assert cost['flops'] / 1e9 == pytest.approx(gflop, rel=0.02)


@pytest.mark.parametrize('kwargs', MODELS)
def test_any_aspect_and_length(kwargs):
  model = tiny(**kwargs)
  for size, grid in [((6, 8, 24), (3, 1, 3)), ((2, 32, 16), (1, 4, 2))]:
    video = jax.ShapeDtypeStruct((3, *size, 3), jnp.float32)
    out = jax.eval_shape(
      lambda v: model.init_with_output(jax.random.key(0), v, train=False)[0],
      video,
    )
    assert out.grid.shape == (3, *grid, 16)
    assert out.summary.shape == (3, 16)


@pytest.mark.parametrize('kwargs', MODELS)
def test_clips_are_independent(kwargs):
  params = params_of(**kwargs)
  other = np.concatenate([VIDEO[:1] + 1, VIDEO[1:]])
  outs = (run(params, video, **kwargs) for video in (VIDEO, other))
  for x, y in zip(*outs):
    np.testing.assert_array_equal(x[1], y[1])
    assert not np.allclose(x[0], y[0])


def test_jit_changes_nothing():
  kwargs = {'temporal': 'dense'}
  params = params_of(**kwargs)
  grid, summary = run(params, VIDEO, **kwargs)
  eager = tiny(**kwargs).apply(params, VIDEO, train=False)
  np.testing.assert_allclose(grid, eager.grid, atol=1e-4)
  np.testing.assert_allclose(summary, eager.summary, atol=1e-4)


def test_dense_equals_the_classifier_where_a_frame_is_uniform():
  """With equal tokens in a frame, where the mean is taken does not matter."""
  params = params_of(temporal='dense')
  table = params['params']['SpatialTransformer']['posembed_input']
  table = {'pos_embedding': np.repeat(table['pos_embedding'][:, :1], 6, axis=1)}
  params = flax.core.copy(params)
  params['params']['SpatialTransformer']['posembed_input'] = table
  patch = normal(2, 4, 8, 8, 3, seed=1)
  video = np.tile(patch, (1, 1, 2, 3, 1))
  grid, dense = run(params, video, temporal='dense')
  _, pooled = run(params, video, temporal='pooled')
  np.testing.assert_allclose(dense, pooled, atol=1e-5)
  np.testing.assert_allclose(
    grid, np.broadcast_to(grid[:, :, :1, :1], grid.shape), atol=1e-5
  )
  _, other = run(params, VIDEO, temporal='dense')
  _, pooled = run(params, VIDEO, temporal='pooled')
  assert np.abs(other - pooled).max() > 1e-2  # In general it does.


def test_per_person_summary_is_the_classifiers():
  params = params_of(temporal='dense')
  grid, summary = run(params, VIDEO, temporal='per_person')
  expected_grid, expected = run(params, VIDEO, temporal='pooled')
  np.testing.assert_allclose(summary, expected, atol=1e-5)
  np.testing.assert_allclose(grid, expected_grid, atol=1e-5)


def test_a_head_runs_the_tube_with_the_backbones_parameters():

  class Localiser(nn.Module):
    @nn.compact
    def __call__(self, video, boxes):
      backbone = tiny(temporal='per_person').clone(parent=self, name='backbone')
      features = backbone(video, train=False)
      tube = features.tube(features.grid.mean((2, 3)))
      head = heads.LocalisationHead(3, spatial_pool='mean', name='head')
      return tube.mean(1), features.summary, head(features, boxes, (16, 24))

  boxes = np.array([[[0, 0, 24, 16]] * 4] * 2, np.float32)
  params = {
    'backbone': params_of(temporal='dense')['params'],
    'head': {
      'output_projection': {'kernel': normal(16, 3), 'bias': np.zeros(3)}
    },
  }
  tube, summary, logits = jax.jit(Localiser().apply)(
    {'params': params}, VIDEO, boxes
  )
  np.testing.assert_allclose(tube, summary, atol=1e-5)
  assert logits.shape == (2, 4, 3) and not np.allclose(logits, 0)


def masked_block(params, x, same_frame, same_location, space_first):
  """Models 3 and 4 as full attention under masks; one block."""
  norm = nn.LayerNorm(epsilon=1e-6)

  def part(module, name, *args, **kwargs):
    return module.apply({'params': params[name]}, *args, **kwargs)

  if 'LayerNorm_time' in params:
    axes = [('time', same_location), ('space', same_frame)]
    for axis, mask in reversed(axes) if space_first else axes:
      y = part(norm, f'LayerNorm_{axis}', x)
      attention = nn.MultiHeadDotProductAttention(2)
      name = f'MultiHeadDotProductAttention_{axis}'
      x = x + part(attention, name, y, mask=mask[None, None])
    names = 'LayerNorm_mlp', 'MlpBlock'
  else:
    y = part(norm, 'LayerNorm_0', x)
    mask = jnp.stack([same_location, same_frame])[None]  # One per head.
    attention = nn.MultiHeadDotProductAttention(2)
    x = x + part(attention, 'MultiHeadDotProductAttention_0', y, mask=mask)
    names = 'LayerNorm_1', 'MlpBlock_0'
  return x + part(mlp.Mlp(24), names[1], part(norm, names[0], x))


@pytest.mark.parametrize(
  'block',
  [vivit.SelfAttentionBlock, vivit.SpaceFirstBlock, vivit.DotProductBlock],
)
def test_factorised_attention_is_masked_attention(block):
  t, h, w = 3, 2, 2
  grid = site_lib.Grid(t, h, w)
  x = normal(2, t * h * w, 16)
  module = block(heads=2, mlp=24, grid=grid)
  shapes = jax.eval_shape(module.init, jax.random.key(1), x)
  params = jax.tree.map(lambda x: 0.3 * normal(*x.shape, seed=x.size), shapes)
  frame = np.repeat(np.arange(t), h * w)
  location = np.tile(np.arange(h * w), t)
  expected = jax.jit(masked_block, static_argnums=4)(
    params['params'],
    x,
    frame[:, None] == frame,
    location[:, None] == location,
    block is vivit.SpaceFirstBlock,
  )
  out = jax.jit(module.apply)(params, x)
  np.testing.assert_allclose(out, expected, atol=1e-4)


def test_bf16_is_close_and_keeps_float32_parameters():
  params = params_of(temporal='dense')
  exact, _ = run(params, VIDEO, temporal='dense')
  kwargs = {'temporal': 'dense', 'dtype': 'bfloat16'}
  grid, summary = run(params, VIDEO, **kwargs)
  assert grid.dtype == summary.dtype == jnp.bfloat16
  assert np.abs(grid.astype(np.float32) - exact).mean() < 0.05
  shapes = jax.eval_shape(
    lambda: tiny(**kwargs).init(jax.random.key(0), VIDEO, False)
  )
  assert {x.dtype for x in jax.tree.leaves(shapes)} == {jnp.dtype('float32')}


def test_stochastic_depth_is_per_clip_and_off_in_evaluation():
  params = params_of(temporal='dense')
  kwargs = {'temporal': 'dense', 'stochastic_depth': 0.5}
  still, _ = run(params, VIDEO, **kwargs)  # Needs no rng.
  plain, _ = run(params, VIDEO, temporal='dense', stochastic_depth=0.0)
  np.testing.assert_array_equal(still, plain)
  clips = np.tile(VIDEO[:1], (32, 1, 1, 1, 1))
  grid, _ = run(params, clips, True, **kwargs)
  kinds = np.unique(np.asarray(grid).round(3).reshape(32, -1), axis=0)
  # The last block of the spatial encoder may drop either of its two branches.
  assert len(kinds) == 4


@pytest.mark.parametrize(
  'kwargs, match',
  [
    ({'variant': 'H'}, "variant='H' of Dense; there are: Ti, B, L"),
    ({'variant': 'B', 'dropout': 0.1}, "no field 'dropout'. Its fields"),
    ({'variant': 'B', 'parent': None}, "no field 'parent'"),
    ({'width': 8, 'heads': 2}, 'needs depth, mlp as well'),
    ({'variant': 'B', 'classifier': 'token'}, "temporal='dense'"),
    (
      {'variant': 'B', 'attention': 'spacetime', 'temporal': 'dense'},
      'no ViViT with',
    ),
    (
      {'variant': 'B', 'attention': 'spacetime', 'temporal_depth': 4},
      "JointMean has no field 'temporal_depth'",
    ),
  ],
)
def test_what_there_is_not_is_named(kwargs, match):
  with pytest.raises(ValueError, match=match):
    vivit.build(**kwargs)


def test_fields_precede_the_variant():
  model = vivit.build(variant='Ti', depth=3, tubelet=[1, 8, 8])
  assert (model.width, model.depth, model.heads) == (192, 3, 3)
  assert model.tubelet == (1, 8, 8)
