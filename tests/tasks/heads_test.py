import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.backbones import features as features_lib
from vidpetl.data import examples
from vidpetl.tasks import heads, roi_align
from vidpetl.tasks import task as task_lib

SIZE = (32, 48)
BOXES = jnp.array([[[0, 0, 16, 16], [8, 8, 40, 30.0]], [[2, 4, 9, 20]] * 2])


def some_features(tube=None, shape=(2, 3, 4, 6, 5)):
  grid = jax.random.normal(jax.random.key(0), shape)
  return features_lib.Features(grid, grid.mean((1, 2, 3)), tube)


def apply(head, features, *args, kernel=0.0, bias=0.0):
  d = features.grid.shape[-1]
  params = {
    'kernel': jnp.full((d, head.num_classes), kernel),
    'bias': jnp.full((head.num_classes,), bias),
  }
  run = jax.jit(lambda *x: head.apply(*x, *args[1:]))
  return run({'params': {'output_projection': params}}, features, *args[:1])


@pytest.mark.parametrize(
  'head, args',
  [
    (heads.ClassificationHead(7, init_bias=-2.0), ()),
    (heads.LocalisationHead(7, init_bias=-2.0), (BOXES, SIZE)),
  ],
)
def test_starts_by_predicting_its_bias(head, args):
  features = some_features()
  params = jax.jit(lambda key: head.init(key, features, *args))(
    jax.random.key(1)
  )
  assert params['params']['output_projection']['kernel'].shape == (5, 7)
  logits = jax.jit(lambda x: head.apply(params, x, *args))(features)
  assert logits.shape == ((2, 2, 7) if args else (2, 7))
  np.testing.assert_array_equal(logits, np.full_like(logits, -2.0))


@pytest.mark.parametrize('spatial_pool', ['max', 'mean'])
def test_localisation_is_roi_align_of_the_mean_over_time(spatial_pool):
  features = some_features()
  head = heads.LocalisationHead(1, pool=(3, 2), spatial_pool=spatial_pool)
  bins = roi_align.roi_align(
    features.grid.mean(1), BOXES, stride=(8, 8), output=(3, 2)
  )
  z = getattr(bins, spatial_pool)((2, 3))
  logits = apply(head, features, BOXES, SIZE, kernel=2.0, bias=1.0)
  np.testing.assert_allclose(logits[..., 0], 2 * z.sum(-1) + 1, rtol=1e-5)


def test_a_tube_is_pooled_per_frame_and_ends_in_a_mean_over_time():
  features = some_features(tube=lambda x: x.cumsum(1) ** 2)
  head = heads.LocalisationHead(1, pool=(2, 2))
  frames = roi_align.roi_align(
    features.grid, BOXES, stride=(8, 8), output=(2, 2)
  ).max((3, 4))  # [b, n, t, d]
  z = (frames.cumsum(2) ** 2).mean(2)
  logits = apply(head, features, BOXES, SIZE, kernel=1.0)
  np.testing.assert_allclose(logits[..., 0], z.sum(-1), rtol=1e-4)


def test_another_box_of_the_clip_changes_nothing():
  features = some_features(tube=lambda x: x)
  head = heads.LocalisationHead(1)
  moved = BOXES.at[:, 1].add(3.0)
  before = apply(head, features, BOXES, SIZE, kernel=1.0)
  after = apply(head, features, moved, SIZE, kernel=1.0)
  np.testing.assert_array_equal(before[:, 0], after[:, 0])
  assert (before[:, 1] != after[:, 1]).all()


@pytest.mark.parametrize('tube', [None, lambda x: x])
def test_bins_of_many_people_and_frames_are_never_all_in_memory(tube):
  b, t, n, d = 1, 16, 128, 64
  head = heads.LocalisationHead(80)
  grid = jax.ShapeDtypeStruct((b, t, 32, 32, d), jnp.float32)
  boxes = jax.ShapeDtypeStruct((b, n, 4), jnp.float32)

  def loss(grid, boxes):
    features = features_lib.Features(grid, grid.mean((1, 2, 3)), tube)
    return apply(head, features, boxes, (512, 512), kernel=1.0).sum()

  compiled = jax.jit(jax.grad(loss)).lower(grid, boxes).compile()
  bins = 4 * b * n * t * 7 * 7 * d
  memory = compiled.memory_analysis()
  assert memory.temp_size_in_bytes < bins, memory


def test_bf16_features_give_float32_logits():
  features = jax.tree.map(lambda x: x.astype(jnp.bfloat16), some_features())
  exact = apply(
    heads.LocalisationHead(1), some_features(), BOXES, SIZE, kernel=1.0
  )
  logits = apply(heads.LocalisationHead(1), features, BOXES, SIZE, kernel=1.0)
  assert logits.dtype == jnp.float32
  np.testing.assert_allclose(logits, exact, atol=0.05)


def normed(x, valid=None, train=True):
  """Returns what BatchNorm makes of x at its start, and its statistics."""
  norm = heads.BatchNorm()
  variables = norm.init(jax.random.key(0), x, False)
  y, moved = norm.apply(variables, x, train, valid, mutable=['batch_stats'])
  return y, moved['batch_stats']


def test_padding_is_none_of_a_batch():
  x = jax.random.normal(jax.random.key(0), (3, 2, 5))
  valid = jnp.array([[True, True], [True, False], [False, False]])
  y, stats = normed(x, valid)
  alone, expected = normed(x[valid])
  np.testing.assert_allclose(y[valid], alone, atol=1e-6)
  jax.tree.map(np.testing.assert_allclose, stats, expected)
  # A clip's padding is that of all its views.
  y, _ = normed(x, valid[:, 0])
  np.testing.assert_allclose(y[:2], normed(x[:2])[0], atol=1e-6)


def test_a_batch_of_padding_moves_nothing():
  y, stats = normed(jnp.ones((3, 5)), jnp.zeros(3, bool))
  assert np.isfinite(y).all()
  np.testing.assert_array_equal(stats['mean'], np.zeros(5))
  np.testing.assert_array_equal(stats['var'], np.ones(5))


@pytest.mark.parametrize(
  'head, args',
  [
    (heads.ClassificationHead, ()),
    (heads.LocalisationHead, (BOXES, SIZE)),
  ],
)
def test_evaluation_normalises_by_the_running_statistics(head, args):
  head = head(5, norm='batch', initial='uniform')
  features = some_features()
  variables = head.init(jax.random.key(1), features, *args)
  assert set(variables['params']) == {'output_projection'}
  before = head.apply(variables, features, *args)
  _, moved = head.apply(
    variables, features, *args, train=True, mutable=['batch_stats']
  )
  after = head.apply({**variables, **moved}, features, *args)
  assert abs(after - before).max() > 1e-3
  z = heads.BatchNorm().apply(
    {'batch_stats': moved['batch_stats']['norm']}, features.summary, False
  )
  if not args:
    output = variables['params']['output_projection']
    np.testing.assert_allclose(after, z @ output['kernel'] + output['bias'])


def test_layer_norm_comes_before_the_last_layer():
  head = heads.ClassificationHead(5, norm='layer', initial='uniform')
  features = some_features()
  variables = head.init(jax.random.key(1), features)
  z = features.summary
  z = (z - z.mean(-1, keepdims=True)) / jnp.sqrt(
    z.var(-1, keepdims=True) + 1e-6
  )
  output = variables['params']['output_projection']
  np.testing.assert_allclose(
    head.apply(variables, features),
    z @ output['kernel'] + output['bias'],
    atol=1e-5,
  )


def test_dropout_is_of_training_alone():
  head = heads.ClassificationHead(5, dropout=0.5, initial='uniform')
  features = some_features(shape=(2, 3, 4, 6, 64))
  variables = head.init(jax.random.key(1), features)
  drop = lambda seed: head.apply(
    variables, features, True, rngs={'dropout': jax.random.key(seed)}
  )
  exact = head.apply(variables, features)
  assert abs(drop(0) - drop(1)).max() > 0.01
  mean = jnp.mean(jnp.stack([drop(seed) for seed in range(300)]), 0)
  np.testing.assert_allclose(mean, exact, atol=0.05)


@pytest.mark.parametrize(
  'field, value', [('norm', 'group'), ('initial', 'ones'), ('dropout', 1.0)]
)
@pytest.mark.parametrize('kind', ['classification', 'multilabel'])
def test_settings_of_a_head_are_checked(kind, field, value):
  info = examples.Info('films', 'train', kind, 3, {}, fps=25)
  with pytest.raises(ValueError, match=rf'config.tasks.films.*{field}'):
    task_lib.build('films', {'task': kind, field: value}, info)
