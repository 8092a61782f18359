"""Convolutional backbones: counts, shapes, sites, statistics, mistakes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.backbones import c3d, i3d, resnet3d, slowfast, x3d
from vidpetl.petl import adapted
from vidpetl.petl.techniques import adapter3d

PUBLISHED = {
  'i3d': (i3d, {'variant': 'pecop'}),
  'c3d': (c3d, {}),
  'hara': (resnet3d, {'variant': 'hara'}),
  'r3d_18': (resnet3d, {'variant': 'r3d_18'}),
  'r2plus1d_18': (resnet3d, {'variant': 'r2plus1d_18'}),
  'r2plus1d_vcop': (resnet3d, {'variant': 'r2plus1d_vcop'}),
  'slowfast_r50': (slowfast, {'variant': 'R50'}),
  'slow_r50': (slowfast, {'variant': 'R50', 'fast': False}),
  'x3d_m': (x3d, {'variant': 'M'}),
  'x3d_l': (x3d, {'variant': 'L'}),
}
TOYS = {
  'i3d': {'width': 8},
  'c3d': {'width': 4},
  'hara': {'width': 4, 'depths': (1, 2)},
  'r2plus1d_18': {'width': 4, 'depths': (1, 1)},
  'r2plus1d_vcop': {'width': 4, 'depths': (1, 1)},
}


def published(name, **fields):
  module, settings = PUBLISHED[name]
  return module.build(**settings, **fields)


def toy(name, **fields):
  return published(name, **TOYS[name], **fields)


@functools.cache
def shapes(name, frames=16, size=112, bindings=()):
  """Returns features and variables of a published network."""
  model = adapted.Adapted(published(name), bindings)
  video = jax.ShapeDtypeStruct((2, frames, size, size, 3), jnp.float32)
  return jax.eval_shape(
    lambda v: model.init_with_output(jax.random.key(0), v, False), video
  )


def count(tree):
  return sum(x.size for x in jax.tree.leaves(tree))


def clip(frames=8, size=32, b=2):
  rng = np.random.default_rng(1)
  return rng.normal(size=(b, frames, size, size, 3)).astype(np.float32)


def draw(model, video):
  """Variables that are nowhere as they start, at their usual scale."""
  start = jax.jit(model.init, static_argnums=2)(
    jax.random.key(0), video[:1], False
  )
  rng = np.random.default_rng(0)
  return jax.tree.map(
    lambda x: x * rng.uniform(0.8, 1.2, x.shape) + 0.01, start
  )


@pytest.mark.parametrize(
  'name, parameters, statistics',
  [
    # With a classifier of 400 or 101 classes, and without.
    ('i3d', 12_697_264 - 400 * 1025, 2 * 7280),
    ('c3d', 27_713_253 - 101 * 513, 2 * 2752),
    ('hara', 33_255_717 - 101 * 513, 2 * 4800),
    ('r3d_18', 33_371_472 - 400 * 513, 2 * 4800),
    ('r2plus1d_18', 31_505_325 - 400 * 513, 2 * 12_675),
    ('r2plus1d_vcop', 14_417_116 - 101 * 513, 2 * 7175),
    # 34.57 and 32.45 millions with a classifier of 400.
    ('slowfast_r50', 33_644_488, 2 * 30_344),
    ('slow_r50', 31_634_496, 2 * 26_560),
    # 3.8 and 6.2 millions with a classifier of 400.
    ('x3d_m', 2_974_722, 2 * 15_732),
    ('x3d_l', 5_333_832, 2 * 33_156),
  ],
)
def test_counts_are_those_published(name, parameters, statistics):
  _, variables = shapes(name)
  assert count(variables['params']) == parameters
  assert count(variables['batch_stats']) == statistics
  leaves = jax.tree_util.tree_leaves_with_path(variables['params'])
  affine = [x for path, x in leaves if path[-2].key == 'norm']
  assert count(affine) == statistics


def test_counts_of_i3d_by_stage():
  _, variables = shapes('i3d')
  assert {k: count(v) for k, v in variables['params'].items()} == {
    'conv_1a': 65_984,
    'conv_2b': 4_224,
    'conv_2c': 332_160,
    'mixed_3b': 386_272,
    'mixed_3c': 837_888,
    'mixed_4b': 737_760,
    'mixed_4c': 904_464,
    'mixed_4d': 1_103_664,
    'mixed_4e': 1_356_672,
    'mixed_4f': 1_799_168,
    'mixed_5b': 1_974_272,
    'mixed_5c': 2_784_736,
  }


@pytest.mark.parametrize(
  'name, site, added',
  [
    ('i3d', 'block_out', 1_109_068),
    ('hara', 'conv', 230_240),
    ('r3d_18', 'block_out', 230_240),
  ],
)
def test_counts_with_3d_adapters(name, site, added):
  _, without = shapes(name)
  bindings = (adapted.At(site, adapter3d.Adapter3D()),)
  _, variables = shapes(name, bindings=bindings)
  assert count(variables['params']) - count(without['params']) == added


@pytest.mark.parametrize(
  'name, width, rates',
  [
    ('i3d', 1024, (8, 32)),
    ('c3d', 512, (8, 16)),
    ('hara', 512, (16, 32)),
    ('r3d_18', 512, (8, 16)),
    ('r2plus1d_vcop', 512, (8, 16)),
  ],
)
@pytest.mark.parametrize('frames, size', [(16, 112), (32, 224), (64, 112)])
def test_features_of_usual_clips(name, width, rates, frames, size):
  out, _ = shapes(name, frames, size)
  t, side = frames // rates[0], -(-size // rates[1])
  assert out.grid.shape == (2, t, side, side, width)
  assert out.summary.shape == (2, width)


def test_features_of_odd_clips():
  assert shapes('hara', 19, 90)[0].grid.shape == (2, 2, 3, 3, 512)


def test_paddings_of_i3d_differ_in_odd_clips():
  def grid(frames, padding):
    model = toy('i3d', padding=padding)
    video = jax.ShapeDtypeStruct((1, frames, 34, 34, 3), jnp.float32)
    out, _ = jax.eval_shape(
      lambda v: model.init_with_output(jax.random.key(0), v, False), video
    )
    return out.grid.shape[1:4]

  assert [grid(17, name) for name in i3d.PADDINGS] == [
    (3, 2, 2), (3, 2, 2), (2, 2, 2)
  ]  # fmt: skip


def test_pairs_weigh_the_ends_half():
  volume = jnp.arange(4.0).reshape(1, 4, 1, 1, 1) ** 2
  pairs, mean = (
    toy('i3d', summary=name).summarise(volume)[0, 0] for name in i3d.SUMMARIES
  )
  np.testing.assert_allclose(pairs, np.dot([1, 2, 2, 1], [0, 1, 4, 9]) / 6)
  np.testing.assert_allclose(mean, 14 / 4)
  one = toy('i3d').summarise(volume[:, :1] + 3)
  np.testing.assert_allclose(one[0, 0], 3)


def test_statistics_move_in_training_unless_frozen():
  video = clip()
  name = 'r2plus1d_18'
  free, frozen = toy(name), toy(name, norm_statistics='frozen')
  variables = draw(free, video)

  @jax.jit
  def run(video):
    return {
      (model.norm_statistics, train): model.apply(
        variables, video, train, mutable='batch_stats'
      )
      for model in (free, frozen)
      for train in (True, False)
    }

  got = run(video)
  start = variables['batch_stats']
  kept = [key for key in got if key != ('batch', True)]
  for key in kept:
    jax.tree.map(
      np.testing.assert_array_equal, got[key][1]['batch_stats'], start
    )
    np.testing.assert_allclose(
      got[key][0].summary, got[kept[0]][0].summary, rtol=1e-5
    )
  out, moved = got['batch', True]
  assert np.abs(out.summary - got[kept[0]][0].summary).max() > 1e-3
  changes = jax.tree.map(
    lambda a, b: np.abs(a - b).max(), moved['batch_stats'], start
  )
  assert min(jax.tree.leaves(changes)) > 0


def test_recomputed_blocks_change_nothing():
  video = clip()
  variables = draw(toy('hara'), video)

  def value(model):
    def loss(params):
      out, moved = model.apply(
        {**variables, 'params': params}, video, True, mutable='batch_stats'
      )
      return (out.summary**2).sum(), moved

    return jax.jit(jax.value_and_grad(loss, has_aux=True))(variables['params'])

  (plain, moved), grads = value(toy('hara'))
  (again, moved_again), grads_again = value(toy('hara', remat=True))
  close = lambda a, b: np.testing.assert_allclose(
    a, b, rtol=1e-3, atol=1e-4 * max(1, np.abs(a).max())
  )
  close(plain, again)
  jax.tree.map(close, moved, moved_again)
  jax.tree.map(close, grads, grads_again)


@pytest.mark.parametrize('name, blocks', [('i3d', 9), ('c3d', 5), ('hara', 3)])
def test_what_is_recomputed(name, blocks):
  def program(remat):
    model = toy(name, remat=remat)
    apply = lambda v: model.apply(v, clip(), False).grid
    init = lambda: model.init(jax.random.key(0), clip(), False)
    return str(jax.make_jaxpr(apply)(jax.eval_shape(init)))

  assert program(False).count('prevent_cse') == 0
  assert program(True).count('prevent_cse') == blocks


def test_half_precision_is_near():
  video = clip()
  exact, half = toy('hara'), toy('hara', dtype='bfloat16')
  variables = draw(exact, video)
  run = jax.jit(
    lambda: tuple(m.apply(variables, video, False) for m in (exact, half))
  )
  out, rough = run()
  scale = np.abs(out.summary).max()
  np.testing.assert_allclose(
    rough.summary.astype(np.float32), out.summary, atol=0.05 * scale
  )


@pytest.mark.parametrize('name', list(TOYS))
def test_half_precision_stays_half(name):
  half = toy(name, dtype='bfloat16')
  variables, (out, moved) = jax.eval_shape(
    lambda: (
      variables := half.init(jax.random.key(0), clip(), False),
      half.apply(variables, clip(), True, mutable='batch_stats'),
    )
  )
  assert out.grid.dtype == out.summary.dtype == jnp.bfloat16
  kinds = jax.tree.map(lambda x: x.dtype, (moved, variables))
  assert set(jax.tree.leaves(kinds)) == {jnp.dtype('float32')}


def places(name):
  video = jax.ShapeDtypeStruct((1, 16, 64, 64, 3), jnp.float32)
  found = adapted.sites(toy(name), video, train=False)
  return [p for p in found if p.name != 'layer']


def test_sites_of_i3d_are_around_its_nine_inception_modules():
  found = places('i3d')
  assert len(found) == 18
  last = [p for p in found if p.path == 'mixed_5c']
  assert [p.name for p in last] == ['block_in', 'block_out']
  grid = last[1].grid
  assert (grid.t, grid.h, grid.w) == (2, 2, 2)
  assert last[1].value == (1, 2, 2, 2, 128)
  assert last[1].given == (1, 2, 2, 2, 104)


def test_sites_of_residual_blocks():
  found = [p for p in places('hara') if p.path == 'stage2_block0']
  assert {p.name: (p.value, p.given) for p in found} == {
    'block_in': ((1, 8, 16, 16, 4), None),
    'conv_in': ((1, 8, 16, 16, 4), None),
    'conv': ((1, 4, 8, 8, 8), (1, 8, 16, 16, 4)),
    'conv_residual': ((1, 4, 8, 8, 8), (1, 4, 8, 8, 8)),
    'block_out': ((1, 4, 8, 8, 8), (1, 8, 16, 16, 4)),
  }
  grid = next(p for p in found if p.name == 'conv').grid
  assert (grid.t, grid.h, grid.w) == (4, 8, 8)


def test_sites_of_c3d_are_around_its_five_stages():
  assert [p.path for p in places('c3d')][::2] == [
    f'conv{i}' for i in range(1, 6)
  ]


@pytest.mark.slow
def test_adapters_act_in_training():
  video = clip()
  technique = adapter3d.Adapter3D(reduction=2)
  bare = toy('hara', remat=True)
  model = adapted.Adapted(bare, (adapted.At('conv', technique),))
  variables = draw(model, video)

  @jax.jit
  def gradient(params):
    def loss(params):
      out, _ = model.apply(
        {**variables, 'params': params}, video, True, mutable='batch_stats'
      )
      return (out.summary**2).sum()

    return jax.grad(loss)(params)

  leaves = jax.tree_util.tree_leaves_with_path(gradient(variables['params']))
  own = [x for path, x in leaves if 'site_conv' in str(path)]
  assert own and all(np.any(x) for x in own)


@pytest.mark.parametrize(
  'module, fields, match',
  [
    (i3d, {'variant': 'x'}, "variant='x' of I3D; there are: deepmind"),
    (i3d, {}, 'I3D needs padding, epsilon, momentum'),
    (
      i3d,
      {'variant': 'pecop', 'padding': 'x'},
      "padding='x': it must be one of 'same'",
    ),
    (
      i3d,
      {'variant': 'pecop', 'summary': 'x'},
      "summary='x': it must be one of",
    ),
    (i3d, {'variant': 'pecop', 'width': 12}, 'width=12 of I3D is no multiple'),
    (c3d, {'depth': 1}, "C3D has no field 'depth'"),
    (
      c3d,
      {'norm_statistics': 'x'},
      "norm_statistics='x': it must be one of 'batch'",
    ),
    (resnet3d, {'variant': 'x'}, "variant='x' of ResNet3D; there are: r3d_18"),
    (
      resnet3d,
      {'variant': 'hara', 'factorised': 'x'},
      "factorised='x': it must be",
    ),
    (
      resnet3d,
      {'variant': 'hara', 'kernel_init': 'x'},
      "kernel_init='x': it must be",
    ),
  ],
)
def test_mistakes_are_named(module, fields, match):
  with pytest.raises(ValueError, match=match):
    module.build(**fields)


def test_c3d_says_what_it_needs():
  with pytest.raises(ValueError, match='C3D needs videos of at least 8 frames'):
    shapes('c3d', frames=4)
