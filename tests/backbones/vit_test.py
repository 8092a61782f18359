"""The kinds of ViT: their tokens, what they read, and mistakes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.backbones import vit
from vidpetl.petl import adapted

TOY = {'width': 8, 'depth': 1, 'heads': 2, 'mlp': 16, 'patch': 8}


def run(model, video):
  """Returns the parameters and the features."""
  shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), video, False))
  rng = np.random.default_rng(0)
  params = jax.tree.map(
    lambda x: rng.normal(0, 0.3, x.shape).astype(np.float32), shapes
  )
  return params, jax.jit(lambda p: model.apply(p, video, False))(params)


def video(frames, size=(16, 24), b=2):
  rng = np.random.default_rng(1)
  return rng.normal(size=(b, frames, *size, 3)).astype(np.float32)


def test_sinusoids():
  table = vit.sinusoids(5, 8)
  for i in range(5):
    for j in range(4):
      angle = i / 10000 ** (2 * j / 8)
      assert table[i, 2 * j] == pytest.approx(np.sin(angle), abs=1e-6)
      assert table[i, 2 * j + 1] == pytest.approx(np.cos(angle), abs=1e-6)


@pytest.mark.parametrize(
  'kind, frames, grid',
  [('mae', 3, (3, 2, 3)), ('clip', 3, (3, 2, 3)), ('videomae', 4, (2, 2, 3))],
)
def test_features_of_any_size(kind, frames, grid):
  model = vit.build(kind=kind, **TOY)
  _, out = run(model, video(frames))
  assert out.grid.shape == (2, *grid, 8)
  assert out.summary.shape == (2, 8)


@pytest.mark.parametrize('kind', ['mae', 'clip'])
def test_a_clip_is_the_mean_of_its_frames(kind):
  model = vit.build(kind=kind, **TOY)
  clip = video(3, b=1)
  params, out = run(model, clip)
  apart = model.apply(params, clip.swapaxes(0, 1), False)
  np.testing.assert_allclose(
    out.summary[0], apart.summary.mean(0), rtol=1e-4, atol=1e-5
  )
  np.testing.assert_allclose(
    out.grid[0], apart.grid[:, 0], rtol=1e-4, atol=1e-5
  )


def test_summaries_read_what_they_say():
  def summary(**fields):
    return run(vit.build(**fields, **TOY), video(3))[1].summary

  means = summary(kind='mae', summary='mean')
  tokens = summary(kind='mae', summary='cls')
  assert np.abs(means - tokens).max() > 0.01
  # The same of one frame, and near of several.
  one, other = (
    summary(kind='clip', summary=name) for name in ('norm_mean', 'mean_norm')
  )
  assert 1e-4 < np.abs(one - other).max() < 1


def test_videomae_has_fixed_positions_and_keys_without_bias():
  params, _ = run(vit.build(kind='videomae', **TOY), video(4))
  encoder = params['params']['Transformer']
  assert set(encoder) == {'encoderblock_0'}
  attention = encoder['encoderblock_0']['MultiHeadDotProductAttention_0']
  biased = {name for name, p in attention.items() if 'bias' in p}
  assert biased == {'query', 'value', 'out'}


@pytest.mark.tail(1)
@pytest.mark.parametrize('kind', ['mae', 'videomae', 'clip'])
def test_half_precision_and_dropped_branches(kind):
  fields = {**TOY, 'depth': 2}
  exact = vit.build(kind=kind, **fields)
  params, out = run(exact, video(2))
  half = vit.build(kind=kind, dtype='bfloat16', **fields)
  rough = half.apply(params, video(2), False)
  assert rough.grid.dtype == jnp.bfloat16
  np.testing.assert_allclose(
    rough.summary.astype(np.float32), out.summary, atol=0.1
  )
  dropping = vit.build(kind=kind, stochastic_depth=0.9, **fields)
  rngs = {'dropout': jax.random.key(0)}
  trained = dropping.apply(params, video(2), True, rngs=rngs).summary
  assert np.abs(trained - out.summary).max() > 1e-3
  kept = dropping.apply(params, video(2), False).summary
  np.testing.assert_allclose(kept, out.summary, atol=1e-5)


@pytest.mark.parametrize(
  'fields, match',
  [
    (
      {'kind': 'x'},
      "backbone.kind='x': it must be one of 'mae', 'augreg', ",
    ),
    ({'kind': 'mae', 'variant': 'H'}, "variant='H' of MAE"),
    ({'kind': 'clip'}, 'CLIP needs width'),
    ({'kind': 'mae', 'variant': 'B', 'tubelet': 2}, "no field 'tubelet'"),
    (
      {'kind': 'mae', 'variant': 'B', 'summary': 'x'},
      "summary='x': it must be one of",
    ),
    (
      {'kind': 'clip', 'variant': 'B', 'activation': 'x'},
      "activation='x': it must be one of 'gelu', 'gelu_tanh'",
    ),
  ],
)
def test_mistakes_are_named(fields, match):
  with pytest.raises(ValueError, match=match):
    vit.build(**fields)


def test_augreg_is_mae_with_the_other_gelu_and_reads_the_class_token():
  params, out = run(vit.build(kind='augreg', **TOY), video(2))
  fields = {'summary': 'cls', **TOY}
  same = vit.build(kind='mae', activation='gelu_tanh', **fields)
  np.testing.assert_allclose(
    same.apply(params, video(2), False).summary, out.summary, atol=1e-6
  )
  exact = vit.build(kind='mae', **fields).apply(params, video(2), False)
  assert 1e-5 < np.abs(exact.summary - out.summary).max() < 0.1


def test_clip_l_has_patches_of_14_pixels():
  assert vit.build(kind='clip', variant='L').patch == 14
  assert vit.build(kind='clip', variant='L', patch=16).patch == 16


@pytest.mark.parametrize(
  'kind, fields, pixels',
  [
    ('clip', {'variant': 'L'}, 14 * 14),
    ('mae', {'variant': 'B'}, 16 * 16),
    ('videomae', {'variant': 'B'}, 2 * 16 * 16),
  ],
)
def test_a_grid_says_what_a_token_covers_and_how_deep_it_is(
  kind, fields, pixels
):
  model = vit.build(kind=kind, **fields, width=8, depth=3, heads=2, mlp=8)
  video = jax.ShapeDtypeStruct((1, 2, 224, 224, 3), jnp.float32)
  grids = [
    place.grid
    for place in adapted.sites(model, video, train=False)
    if place.name == 'block_in'
  ]
  assert [grid.patch for grid in grids] == [pixels] * 3
  assert [grid.depth for grid in grids] == [0.0, 0.5, 1.0]
