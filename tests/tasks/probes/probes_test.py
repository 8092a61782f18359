"""Probes read tokens of any backbone, and cost no backward through it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from vidpetl import parts
from vidpetl.backbones import features as features_lib
from vidpetl.backbones import i3d
from vidpetl.petl import adapted
from vidpetl.studies import flops
from vidpetl.tasks import heads, probes, roi_align
from vidpetl.tasks.probes import building
from vidpetl.tasks.quality import segments

KINDS = parts.names(probes, 'build')
GRID = np.random.default_rng(0).normal(size=(2, 3, 4, 4, 8)).astype(np.float32)
LEAD = np.random.default_rng(1).normal(size=(2, 3, 1, 8)).astype(np.float32)
BOXES = jnp.array([[[0, 0, 16, 16], [8, 8, 32, 30.0]], [[2, 4, 9, 20]] * 2])
SIZE = (32, 32)


def make(kind, **fields):
  where = 'config.tasks.a.probe'
  return building.make({'kind': kind, **fields}, where)


def block(grid=GRID, lead=None):
  return features_lib.Block(grid, lead)


def some_features(grid=GRID, tube=None, blocks=None):
  mean = grid.mean((-4, -3, -2))
  return features_lib.Features(grid, mean, tube, blocks or {})


def drawn(module, *args, **options):
  """Returns random variables of a module that is called with arguments."""
  tree = jax.eval_shape(
    lambda: module.init(jax.random.key(0), *args, **options)
  )
  leaves, structure = jax.tree.flatten(tree)
  rng = np.random.default_rng(0)
  arrays = [rng.normal(size=x.shape).astype(np.float32) for x in leaves]
  return jax.tree.unflatten(structure, arrays)


def read(probe, features, variables=None):
  """Returns what a probe makes of clips, by random parameters if not given."""
  if variables is None:
    variables = drawn(probe, features, False, method='of_clips')
  return jax.jit(lambda v: probe.apply(v, features, False, method='of_clips'))(
    variables
  )


def close(a, b, atol=1e-5):
  return bool(np.allclose(a, b, atol=atol))


MODELS = {**tiny.BACKBONES, 'i3d': lambda: i3d.build(variant='pecop', width=8)}


@pytest.mark.parametrize('name', MODELS)
def test_blocks_of_every_backbone_are_read(name):
  probe = make('attentive', layers=(0, -1), combine='concat')
  model = adapted.Adapted(MODELS[name](), blocks=probe.blocks())
  video = np.zeros((2, 8, 32, 32, 3)) if name == 'i3d' else tiny.VIDEO

  def forward():
    features = model.init_with_output(tiny.key(0), video, False)[0]
    options = {'method': 'of_clips'}
    return probe.init_with_output(tiny.key(0), features, True, **options)[0]

  assert jax.eval_shape(forward).shape[:-1] == (2,)


@pytest.mark.parametrize(
  'kind, ordered',
  [
    ('frame_coded', True),
    ('attentive', False),
    ('efficient', False),
    ('mean', False),
  ],
)
def test_the_order_of_frames_counts_where_they_are_coded(kind, ordered):
  probe = make(kind)
  variables = drawn(probe, some_features(), False, method='of_clips')
  z = read(probe, some_features(), variables)
  backwards = read(probe, some_features(GRID[:, ::-1].copy()), variables)
  assert close(z, backwards) is not ordered


def test_weighted_blocks_are_a_mean_of_normalised_ones_at_first():
  blocks = {0: block(), 5: block(3 * GRID[..., ::-1].copy() + 1)}
  features = some_features(blocks=blocks)
  probe = make('mean', layers=(0, 5))
  variables = probe.init(jax.random.key(0), features, False, method='of_clips')
  normal = lambda x: (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
  each = [normal(b.grid).mean((1, 2, 3)) for b in blocks.values()]
  assert close(read(probe, features, variables), sum(each) / 2)
  variables['params']['layer_weights'] = np.array([0.0, 30.0], np.float32)
  assert close(read(probe, features, variables), each[1])
  both = make('mean', layers=(0, 5), combine='concat')
  assert close(read(both, features), np.concatenate(each, -1))


def test_blocks_of_stages_meet_on_the_last_ones_grid():
  blocks = {0: block(), 1: block(GRID[:, :, :2, :2, :6].copy())}
  probe = make('mean', layers=(0, 1), combine='concat')
  assert read(probe, some_features(blocks=blocks)).shape == (2, 14)
  with pytest.raises(ValueError, match=r"'weighted'.*\[8, 6\].*'concat'"):
    read(make('mean', layers=(0, 1)), some_features(blocks=blocks))


@pytest.mark.parametrize('kind', KINDS)
def test_class_tokens_are_read_if_wanted(kind):
  probe = make(kind, lead=True)
  assert probe.blocks() == (-1,)
  features = some_features(blocks={-1: block(lead=LEAD)})
  variables = drawn(probe, features, False, method='of_clips')
  other = some_features(blocks={-1: block(lead=LEAD[..., ::-1].copy())})
  assert not close(
    read(probe, features, variables), read(probe, other, variables)
  )
  without = some_features(blocks={-1: block(lead=LEAD[:, :, :0])})
  with pytest.raises(ValueError, match=r'probe\.lead.*has none'):
    read(probe, without)


@pytest.mark.parametrize('kind', KINDS)
def test_views_and_segments_are_read_one_by_one(kind):
  probe = make(kind)
  variables = drawn(probe, some_features(), False, method='of_clips')
  z = read(probe, some_features(), variables)
  split = read(probe, some_features(GRID[None]), variables)
  np.testing.assert_allclose(split, z[None], atol=1e-5)


@pytest.mark.parametrize('kind', KINDS)
def test_any_number_of_clips_is_exported(kind):
  blocks = {0: block(), -1: block(GRID[:, :, :2, :2].copy(), LEAD)}
  probe = make(kind, layers=(0, -1))
  features = some_features(blocks=blocks)
  variables = drawn(probe, features, False, method='of_clips')
  (b,) = jax.export.symbolic_shape('b')
  any_batch = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct((b, *x.shape[1:]), x.dtype), features
  )
  apply = lambda v, x: probe.apply(v, x, False, method='of_clips')
  exported = jax.export.export(jax.jit(apply))(variables, any_batch)
  assert exported.out_avals[0].shape[0] == b


def test_a_tube_is_run_over_the_means_of_frames():
  features = some_features(tube=lambda x: 2 * x)
  assert close(read(make('mean'), features), 2 * GRID.mean((1, 2, 3)))


@pytest.mark.parametrize('kind', KINDS)
def test_a_person_is_read_by_the_bins_of_each_moment(kind):
  features = some_features(blocks={-1: block(lead=LEAD), 0: block()})
  probe = make(kind, layers=(0, -1), lead=False, norm='layer')
  head = heads.LocalisationHead(3, pool=(2, 2), probe=probe)
  variables = drawn(head, features, BOXES, SIZE)
  logits = jax.jit(lambda v: head.apply(v, features, BOXES, SIZE))(variables)
  bins = roi_align.roi_align(GRID, BOXES, stride=(8, 8), output=(2, 2))
  person = bins[1, 0][None]
  z = probe.apply(
    {'params': variables['params'].get('probe', {})},
    [block(person), block(person)],
    False,
  )
  last = variables['params']['output_projection']
  expected = z @ last['kernel'] + last['bias']
  np.testing.assert_allclose(logits[1, 0], expected[0], atol=1e-4)


def test_bins_of_many_people_are_never_all_in_memory():
  b, t, n, d = 1, 16, 64, 64
  head = heads.LocalisationHead(5, probe=make('attentive'))
  grid = jax.ShapeDtypeStruct((b, t, 16, 16, d), jnp.float32)
  boxes = jax.ShapeDtypeStruct((b, n, 4), jnp.float32)

  def loss(variables, grid, boxes):
    features = features_lib.Features(grid, grid.mean((1, 2, 3)))
    return head.apply(variables, features, boxes, (256, 256)).sum()

  init = lambda grid, boxes: head.init(
    jax.random.key(0),
    features_lib.Features(grid, grid.mean((1, 2, 3))),
    boxes,
    (256, 256),
  )
  variables = jax.eval_shape(init, grid, boxes)
  compiled = jax.jit(jax.grad(loss)).lower(variables, grid, boxes).compile()
  memory = compiled.memory_analysis()
  assert memory.temp_size_in_bytes < 4 * b * n * t * 7 * 7 * d / 4, memory


@pytest.mark.parametrize('kind', KINDS)
def test_no_backward_runs_through_the_backbone(kind):
  """A deeper one costs a step its forward, and nothing else."""
  probe = make(kind, layers=(0, -1))
  video = jnp.asarray(tiny.VIDEO)

  def costs(depth):
    model = adapted.Adapted(
      tiny.vit.build(kind='clip', patch=8, **{**tiny.SIZE, 'depth': depth}),
      blocks=probe.blocks(),
    )
    frozen = jax.eval_shape(lambda: model.init(tiny.key(0), video, False))

    def loss(trained, frozen, video):
      features = model.apply(frozen, video, False)
      return probe.apply(trained, features, True, method='of_clips').sum()

    def init(frozen):
      features = model.apply(frozen, video, False)
      return probe.init(tiny.key(0), features, False, method='of_clips')

    trained = jax.eval_shape(init, frozen)
    args = trained, frozen, video
    traced = jax.make_jaxpr(jax.grad(loss))(*args)
    products = str(traced).count('dot_general')
    return (
      flops.products(jax.grad(loss), *args),
      flops.products(loss, *args),
      products,
      str(jax.make_jaxpr(loss)(*args)).count('dot_general'),
    )

  shallow, deep = costs(2), costs(3)
  step, forward, in_step, in_forward = (b - a for a, b in zip(shallow, deep))
  assert step == forward > 0
  assert in_step == in_forward > 0


@pytest.mark.parametrize(
  'fields, match',
  [
    ({'kind': 'no'}, r"probe\.kind='no'; there are: attentive, efficient, "),
    ({'kind': ''}, None),
    ({'kind': 'mean', 'queries': 2}, r'probe has no field queries'),
    ({'kind': 'attentive', 'queries': 0}, r'probe\.queries=0: .* at least 1'),
    ({'kind': 'mean', 'layers': 'a'}, r"probe\.layers='a': .* a list"),
    ({'kind': 'mean', 'dropout': 1.0}, r'probe\.dropout=1\.0: .* below 1'),
    ({'depth': 2}, r"probe\.kind=''; there are"),
  ],
)
def test_fields_are_held_against_their_ranges(fields, match):
  where = 'config.tasks.a.probe'
  if match is None:
    assert building.make(fields, where) is None
    return
  with pytest.raises(ValueError, match=match):
    building.make(fields, where)


@pytest.mark.parametrize(
  'fields, match',
  [
    ({'kind': 'attentive', 'heads': 3}, r'heads=3: 8 channels .* 2 would do'),
    ({'kind': 'frame_coded', 'heads': 3}, r'heads=3: 8 channels'),
    ({'kind': 'efficient', 'queries': 3}, r'queries=3 .* 8, .*; 2 does'),
    ({'kind': 'efficient', 'reduction': 3}, r'reduction=3 does not divide 8'),
  ],
)
def test_what_a_width_does_not_allow_is_said(fields, match):
  with pytest.raises(ValueError, match=match):
    read(make(**fields), some_features())


def test_videos_that_lack_a_segment_lack_its_blocks_too():
  grid = np.stack([GRID, 2 * GRID], 1)
  features = some_features(grid, blocks={0: block(grid)})
  less = segments.without_each(features)
  np.testing.assert_array_equal(less.blocks[0].grid, less.grid)


@pytest.mark.parametrize('kind', ['attentive', 'efficient'])
def test_time_tells_the_order_of_moments(kind):
  forth, back = some_features(), some_features(GRID[:, ::-1])
  blind, told = make(kind), make(kind, time=True)
  assert close(read(blind, forth), read(blind, back))
  assert not close(read(told, forth), read(told, back), atol=1e-2)
  variables = drawn(told, forth, False, method='of_clips')
  variables['params']['time'] = np.zeros_like(variables['params']['time'])
  assert close(read(told, forth, variables), read(told, back, variables))
