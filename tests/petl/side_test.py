"""Side networks: on every transformer, without a backward pass through it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from vidpetl import backbones
from vidpetl.backbones import features, tapping
from vidpetl.parameters import package, trainable, variables
from vidpetl.petl import adapted, bindings, side
from vidpetl.studies import flops

TECHNIQUES = {
  'ladder': {'reduction': 2, 'heads': 2},
  'losa': {'rank': 2},
  'side4video': {'width': 8},
}
CONVOLUTIONAL = {
  'c3d': {'name': 'c3d', 'width': 4},
  'resnet3d': {'name': 'resnet3d', 'variant': 'r3d_18', 'width': 4},
}


def entry(technique, **options):
  own = {**TECHNIQUES[technique], **options}
  return {'site': 'features', 'technique': technique, **own}


def drawn(model, video=tiny.VIDEO):
  """Returns variables by name, drawn at random; statistics as they start."""
  shapes = jax.eval_shape(lambda: model.init(tiny.key(0), video, False))
  params = trainable.flatten(shapes['params'])
  params = tiny.random({path: x.shape for path, x in params.items()})
  statistics = jax.tree.map(
    lambda x: np.ones(x.shape, x.dtype), shapes.get('batch_stats', {})
  )
  return params, statistics


def loss_of(model, statistics, train=False):
  """Returns (what is learned, the rest) -> a number."""

  def loss(learned, frozen):
    params = trainable.unflatten({**frozen, **learned})
    out, _ = model.apply(
      variables.make(params, statistics),
      tiny.VIDEO,
      train,
      rngs={'dropout': tiny.key(1)} if train else {},
      mutable=['batch_stats'],
    )
    return sum(
      (x * jnp.cos(jnp.arange(x.size)).reshape(x.shape)).sum()
      for x in (out.grid, out.summary)
    )

  return loss


def parted(params):
  learned = {p: x for p, x in params.items() if tiny.at_a_site(p)}
  return learned, {p: x for p, x in params.items() if p not in learned}


def _cases():
  for backbone in tiny.BACKBONES:
    for technique in TECHNIQUES:
      fast = backbone == 'clip' or (technique, backbone) == ('ladder', 'swin')
      marks = () if fast else pytest.mark.slow
      yield pytest.param(technique, backbone, marks=marks)


@pytest.mark.table(10)
@pytest.mark.parametrize('technique, backbone', list(_cases()))
def test_everything_in_it_learns_on_every_transformer(technique, backbone):
  plain = tiny.BACKBONES[backbone]()
  model = bindings.bind(plain, [entry(technique)])
  params, statistics = drawn(model)
  learned, frozen = parted(params)
  assert set(frozen) == set(tiny.shapes(plain))
  assert all(path.startswith('site_features/') for path in learned)
  grads = jax.jit(jax.grad(loss_of(model, statistics)))(learned, frozen)
  for path, grad in grads.items():
    # What is added to all keys alike changes nothing.
    if not path.endswith('key/bias'):
      assert np.isfinite(grad).all() and np.abs(grad).max() > 0, path


def test_what_is_bound_to_layers_leaves_those_of_a_side_network_alone():
  lora = {'site': 'layer', 'technique': 'lora', 'rank': 2}
  model = bindings.bind(tiny.BACKBONES['clip'](), [lora, entry('ladder')])
  with adapted.layers() as kernels:
    paths = tiny.shapes(model)
  learned = [path for path in paths if 'site_features' in path]
  assert learned and not any('LoRA' in path for path in learned)
  assert kernels and all(path in paths for path in kernels)


@pytest.mark.parametrize('technique', TECHNIQUES)
def test_no_product_runs_backward_through_the_trunk(technique):
  plain = tiny.BACKBONES['clip']()
  model = bindings.bind(plain, [entry(technique)])
  params, statistics = drawn(model)
  learned, frozen = parted(params)
  loss = loss_of(model, statistics, train=True)
  trunk = flops.products(
    loss_of(plain, {}), {}, {p: jnp.asarray(x) for p, x in frozen.items()}
  )
  forward = flops.products(loss, learned, frozen)
  step = flops.products(jax.grad(loss), learned, frozen)
  # Of the side network: forward, again, and backward twice.
  assert step <= trunk + 4 * (forward - trunk)


@pytest.mark.parametrize('technique', TECHNIQUES)
@pytest.mark.parametrize('every', [1, 2])
def test_of_the_trunk_what_blocks_made_is_kept_and_nothing_else(
  technique, every
):
  depth, width, mlp = 4, 24, 80
  trunk = {'width': width, 'depth': depth, 'heads': 2, 'mlp': mlp, 'patch': 8}
  plain = backbones.build({'name': 'vit', 'kind': 'clip', **trunk})
  own = {'width': 16} if technique == 'side4video' else {}
  model = bindings.bind(plain, [entry(technique, every=every, **own)])
  params, statistics = drawn(model)
  learned, frozen = parted(params)

  def summary(learned):
    params = trainable.unflatten({**frozen, **learned})
    made, _ = model.apply(
      variables.make(params, statistics),
      tiny.VIDEO,
      True,
      rngs={'dropout': tiny.key(1)},
      mutable=['batch_stats'],
    )
    return made.summary

  kept = jax.eval_shape(lambda x: jax.vjp(summary, x)[1], learned)
  sizes = [x.size for x in jax.tree.leaves(kept)]
  # Rows of a frame have a class token; what blocks made is parted from it.
  rows, cells = 2 * 4 * 5, 2 * 4 * 4
  assert not {rows * width, rows * mlp} & set(sizes)
  blocks = depth // every
  # A path of the width of the trunk is kept as well, and the last LayerNorm.
  most = 2 * blocks + 3 if technique == 'losa' else blocks
  assert blocks <= sizes.count(cells * width) <= most


def test_where_gradients_are_asked_for_they_pass_through_blocks():
  entries = [entry('ladder'), {'site': 'attn_qkv', 'technique': 'lora'}]
  model = bindings.bind(tiny.BACKBONES['videomae'](), entries)
  params, statistics = drawn(model)
  learned, frozen = parted(params)
  grads = jax.jit(jax.grad(loss_of(model, statistics)))(learned, frozen)
  lora = [np.abs(x).max() for p, x in grads.items() if '/LoRA/' in p]
  assert lora and min(lora) > 0


@pytest.mark.parametrize('backbone', CONVOLUTIONAL)
@pytest.mark.parametrize('technique', TECHNIQUES)
def test_convolutional_networks_have_them(technique, backbone):
  fields = CONVOLUTIONAL[backbone]
  model = bindings.bind(backbones.build(fields), [entry(technique)])
  video = jax.ShapeDtypeStruct((2, 16, 32, 32, 3), jnp.float32)
  out, made = jax.eval_shape(
    lambda v: model.init_with_output(tiny.key(0), v, False), video
  )
  assert out.grid.shape[-1:] == out.summary.shape[1:]
  assert any(map(tiny.at_a_site, trainable.flatten(made['params'])))


def test_side4video_needs_a_grid_that_divides_the_video():
  backbone = backbones.build(CONVOLUTIONAL['resnet3d'])
  model = bindings.bind(backbone, [entry('side4video')])
  video = jax.ShapeDtypeStruct((2, 15, 32, 32, 3), jnp.float32)
  with pytest.raises(ValueError, match='needs a grid whose sizes divide'):
    jax.eval_shape(lambda v: model.init(tiny.key(0), v, False), video)


@pytest.mark.parametrize(
  'bound, match',
  [
    (entry('ladder', last=7), 'block 7 is asked for: the backbone has blocks'),
    (entry('losa', first=-4), 'block -4 is asked for'),
    (entry('ladder', first=2, last=1), 'no block is between first=2 and last'),
    (
      entry('ladder', every=0),
      'every=0: it must be a whole number, at least 1',
    ),
    (entry('side4video', width=100), 'width=100: it must be a multiple of 64'),
    ({**entry('losa'), 'site': 'mlp'}, 'works at the site features alone'),
    (
      {'technique': 'adapter', 'site': 'features'},
      r'petl\[0\].site: .*at features are side networks alone',
    ),
  ],
)
def test_what_cannot_be_is_refused(bound, match):
  with pytest.raises(ValueError, match=match):
    tiny.shapes(bindings.bind(tiny.BACKBONES['swin'](), [bound]))


def test_every_k_th_block_is_read_back_from_the_last():
  assert tapping.Span().numbers(3) == [0, 1, 2]
  assert tapping.Span(every=2).numbers(12) == [1, 3, 5, 7, 9, 11]
  assert tapping.Span(first=2, last=-3, every=3).numbers(12) == [3, 6, 9]


def test_other_grids_are_brought_over_by_means():
  x = np.random.default_rng(0).normal(size=(2, 4, 6, 5, 3)).astype('f')
  y = np.asarray(side.resized(x, (2, 6, 10)))
  means = x.reshape(2, 2, 2, 6, 5, 3).mean(2)
  np.testing.assert_allclose(y, means.repeat(2, 3), rtol=1e-6)
  # Of 5 cells, the middle one is shared by 2 of twice the size.
  y = np.asarray(side.resized(x, (4, 6, 2)))
  two = [x[..., :3, :].mean(3), x[..., 2:, :].mean(3)]
  np.testing.assert_allclose(y, np.stack(two, 3), rtol=1e-5, atol=1e-6)


def test_the_site_is_listed_with_what_is_bound():
  video = jax.ShapeDtypeStruct(tiny.VIDEO.shape, jnp.float32)
  for entries, names in (([], ()), ([entry('losa')], ('LoSA',))):
    model = bindings.bind(tiny.BACKBONES['clip'](), entries)
    place = adapted.sites(model, video, train=False)[-1]
    assert (place.path, place.name, place.techniques) == ('', 'features', names)
    assert place.value == ((2, 4, 2, 2, 8), (2, 8))


def test_scaled_by_nothing_the_trunk_s_features_are_left():
  plain = tiny.BACKBONES['clip']()
  model = bindings.bind(plain, [entry('ladder')])
  params, _ = drawn(model)
  _, frozen = parted(params)

  def summary(model, params, scale=None):
    model = model if scale is None else model.clone(scale=scale)
    tree = {'params': trainable.unflatten(params)}
    return model.apply(tree, tiny.VIDEO, False).summary

  own, trunk = summary(model, params), summary(plain, frozen)
  np.testing.assert_allclose(summary(model, params, 0.0), trunk, atol=1e-5)
  np.testing.assert_allclose(
    summary(model, params, 0.5), (own + trunk) / 2, atol=1e-4
  )


def test_of_another_width_it_cannot_be_scaled():
  model = bindings.bind(
    tiny.BACKBONES['clip'](), [entry('side4video', width=4)]
  ).clone(scale=0.5)
  with pytest.raises(ValueError, match='Side4Video cannot be scaled: it makes'):
    tiny.shapes(model)


def test_people_are_pooled_from_its_grid():
  trunk = tiny.make_vivit(
    'factorised_encoder', temporal='per_person', temporal_depth=1
  )
  model = bindings.bind(trunk, [entry('ladder')])
  out = jax.eval_shape(
    lambda: model.init_with_output(tiny.key(0), tiny.VIDEO, False)[0]
  )
  assert out.tube is None and out.grid.shape == (2, 2, 2, 2, 8)
  with pytest.raises(ValueError, match='of people it makes no tubes'):
    tiny.shapes(model.clone(scale=0.5))


@pytest.mark.parametrize('backbone', ['clip', 'swin'])
def test_half_precision_stays_half(backbone):
  trunk = tiny.BACKBONES[backbone](dtype='bfloat16')
  for technique in TECHNIQUES:
    model = bindings.bind(trunk, [entry(technique)])
    out, made = jax.eval_shape(
      lambda model=model: model.init_with_output(tiny.key(0), tiny.VIDEO, False)
    )
    assert out.grid.dtype == out.summary.dtype == jnp.bfloat16
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(made))


def test_running_statistics_are_part_of_a_package():
  path = 'batch_stats/backbone/site_features/Side4Video/norm/mean'
  assert package.belongs(path, False)


def test_blocks_are_on_the_grid_of_the_features():
  """A line of moments stands at each location, and attends over time."""
  line = features.Block(jnp.ones((2, 4, 1, 1, 8)), None, 'clip')
  y = features.Features(jnp.ones((2, 4, 3, 3, 8)), jnp.ones((2, 8)))
  trunk = features.Trunk(jnp.ones(tiny.VIDEO.shape), lambda _: [line])
  (block,) = side.Side().read('', y, trunk)
  assert block.grid.shape == y.grid.shape and block.rows == 'location'
