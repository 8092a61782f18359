"""Video Swin against its published counts and a block written with loops."""

import functools
import itertools
import math
import re
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from vidpetl.backbones import devices, site, swin, swin_v2, windows
from vidpetl.petl import adapted

TOY = {'width': 8, 'depths': (2, 2), 'heads': (2, 4), 'window': (2, 3, 3)}


def count(frames=2, size=8, **fields):
  """Parameters; they do not depend on the size of the video."""
  model = swin.build(**fields)
  video = jax.ShapeDtypeStruct((1, frames, size, size, 3), jnp.float32)
  shapes = jax.eval_shape(
    lambda v: model.init(jax.random.key(0), v, False), video
  )
  return sum(x.size for x in jax.tree.leaves(shapes))


@pytest.mark.tail(2)
@pytest.mark.parametrize(
  'fields, expected',
  [
    ({'variant': 'T'}, 27_850_470),
    ({'variant': 'S'}, 49_509_078),
    ({'variant': 'B'}, 87_638_984),
    ({'variant': 'L'}, 196_339_116),
    # With heads of 174 and 400 classes.
    ({'variant': 'B', 'window': (16, 7, 7)}, 88_834_038 - 174 * 1025),
    ({'variant': 'L', 'window': (8, 12, 12)}, 199_999_516 - 400 * 1537),
  ],
)
def test_counts_are_those_published(fields, expected):
  assert count(**fields) == expected


@pytest.mark.parametrize(
  'sizes, window, expected',
  [
    ((4, 56, 56), (8, 7, 7), ((4, 7, 7), (0, 3, 3))),
    ((8, 7, 7), (8, 7, 7), ((8, 7, 7), (0, 0, 0))),
    ((16, 7, 7), (8, 7, 7), ((8, 7, 7), (4, 0, 0))),
    ((16, 14, 5), (16, 7, 7), ((16, 7, 5), (0, 3, 0))),
  ],
)
def test_windows_shrink_with_the_grid(sizes, window, expected):
  half = tuple(w // 2 for w in window)
  assert windows.fit(window, half, sizes) == expected


def dense(x, p):
  return np.tensordot(x, p['kernel'], 1) + p['bias']


def norm(x, p):
  x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
  return x * p['scale'] + p['bias']


def block_by_loops(x, p, window, shift):
  """One Swin block, [t, h, w, d], a token at a time."""
  sizes = x.shape[:3]
  nominal = window
  shift = [b if s > w else 0 for s, w, b in zip(sizes, window, shift)]
  window = [min(s, w) for s, w in zip(sizes, window)]
  padded = [-(-s // w) * w for s, w in zip(sizes, window)]
  a, y = p['MultiHeadDotProductAttention_0'], np.zeros((*padded, x.shape[-1]))
  y[: sizes[0], : sizes[1], : sizes[2]] = norm(x, p['LayerNorm_0'])
  q, k, v = (dense(y, a[name]) for name in ('query', 'key', 'value'))
  places = list(itertools.product(*map(range, window)))
  nominal_places = list(itertools.product(*map(range, nominal)))
  table = a['relative_position_bias_table'].reshape(
    *(2 * w - 1 for w in nominal), -1
  )
  out = np.zeros_like(x)
  for corner in itertools.product(
    *(range(0, n, w) for n, w in zip(padded, window))
  ):
    # Where the window's tokens come from, and in which part of each axis.
    cells = [
      tuple((c + o + s) % n for c, o, s, n in zip(corner, place, shift, padded))
      for place in places
    ]
    wrapped = [
      tuple(
        bool(s) and c + o >= n - s
        for c, o, s, n in zip(corner, place, shift, padded)
      )
      for place in places
    ]
    for i, cell in enumerate(cells):
      if any(c >= s for c, s in zip(cell, sizes)):
        continue
      logits = np.stack([q[cell] * k[other] for other in cells]).sum(-1)
      logits *= q.shape[-1] ** -0.5
      for j in range(len(cells)):
        # Bias rows are those of the nominal window's first tokens.
        far = np.subtract(nominal_places[i], nominal_places[j])
        logits[j] += table[tuple(far + np.array(nominal) - 1)]
        logits[j] -= 100.0 * (wrapped[i] != wrapped[j])
      weights = scipy.special.softmax(logits, axis=0)
      z = sum(w[:, None] * v[other] for w, other in zip(weights, cells))
      out[cell] = np.tensordot(z, a['out']['kernel'], 2) + a['out']['bias']
  x = x + out
  h = dense(norm(x, p['LayerNorm_1']), p['MlpBlock_0']['Dense_0'])
  h = h * (1 + scipy.special.erf(h / np.sqrt(2))) / 2
  return x + dense(h, p['MlpBlock_0']['Dense_1'])


@pytest.mark.parametrize(
  'sizes',
  [(4, 6, 6), (2, 6, 3), (3, 5, 4), (1, 2, 6)],
  ids=['fits', 'clipped', 'padded', 'smaller'],
)
def test_a_shifted_block_is_what_loops_make_of_it(sizes):
  grid = site.Grid(*sizes)
  window = (2, 3, 3)
  block = swin.SwinBlock(
    2, 16, grid, activation='gelu', epsilon=1e-5, window=window, shift=(1, 1, 1)
  )
  rng = np.random.default_rng(0)
  x = rng.normal(size=(1, np.prod(sizes), 8))
  shapes = jax.eval_shape(block.init, jax.random.key(0), x)['params']
  params = jax.tree.map(lambda s: rng.normal(0, 0.5, s.shape), shapes)
  ours = jax.jit(block.apply)({'params': params}, x)
  theirs = block_by_loops(x.reshape(*sizes, 8), params, window, (1, 1, 1))
  np.testing.assert_allclose(
    ours.reshape(*sizes, 8), theirs, rtol=1e-4, atol=1e-4
  )


@pytest.mark.parametrize('make', [swin.SwinBlock, swin_v2.SwinV2Block])
def test_what_pairs_of_tokens_have_is_computed_and_not_in_the_program(make):
  """Of windows of 16 x 7 x 7, a program was of hundreds of megabytes."""
  block = make(2, 16, site.Grid(4, 6, 6), window=(2, 3, 3), shift=(1, 1, 1))
  x = jnp.zeros((1, 4 * 6 * 6, 8))
  shapes = jax.eval_shape(block.init, jax.random.key(0), x)
  text = jax.jit(block.apply).lower(shapes, x).as_text()
  constants = re.findall(r'constant .* : tensor<([\dx]+)x\w+>', text)
  sizes = [math.prod(map(int, shape.split('x'))) for shape in constants]
  # There is a number for each token of the eight windows.
  assert 8 * 18 <= max(sizes) < 18 * 18


def test_lengths_by_products_are_those_by_sums():
  x = jax.random.normal(jax.random.key(0), (2, 5, 3, 8)).at[0, 0, 0].set(0.0)
  sizes = jnp.array([0.5, 1.0, 7.0])

  def of(platform):
    def total(x, sizes):
      made = swin_v2.sized(x, sizes)
      return (made * jnp.cos(x)).sum(), made

    with devices.meant(types.SimpleNamespace(platform=platform)):
      graded = jax.value_and_grad(total, (0, 1), has_aux=True)
      return jax.jit(graded)(x, sizes)

  (total, made), grads = of('tpu')
  lengths = np.linalg.norm(made, axis=-1)
  np.testing.assert_allclose(lengths[1], np.tile(sizes, (5, 1)), rtol=1e-5)
  np.testing.assert_array_equal(made[0, 0, 0], 0)
  jax.tree.map(
    functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5),
    ((total, made), grads),
    of('cpu'),
  )


def test_merging_takes_neighbours_in_the_published_order():
  grid = site.Grid(1, 2, 2)
  x = jnp.arange(4.0).reshape(1, 4, 1)
  params = {
    'norm': {'scale': jnp.ones(4), 'bias': jnp.zeros(4)},
    'reduction': {'kernel': jnp.eye(4)[:, :2]},
  }
  y, merged = swin.PatchMerging().apply({'params': params}, x, grid)
  assert (merged.t, merged.h, merged.w) == (1, 1, 1)
  # Down the first column, then down the second: 0, 2, 1, 3; two are kept.
  normed = (np.array([0, 2]) - 1.5) / np.sqrt(1.25)
  np.testing.assert_allclose(np.ravel(y), normed, rtol=1e-4)


@pytest.mark.parametrize('shape', [(4, 24, 24), (3, 10, 18)])
def test_any_size_of_video(shape):
  model = swin.build(**TOY)
  video = jax.ShapeDtypeStruct((2, *shape, 3), jnp.float32)
  out, _ = jax.eval_shape(
    lambda v: model.init_with_output(jax.random.key(0), v, False), video
  )
  t, h, w = (-(-size // part) for size, part in zip(shape, (2, 4, 4)))
  assert out.grid.shape == (2, t, -(-h // 2), -(-w // 2), 16)
  assert out.summary.shape == (2, 16)


def test_vpetl_weighs_the_ends_half():
  model = swin.build(**TOY, summary='vpetl')
  volume = jnp.arange(4.0).reshape(1, 4, 1, 1, 1) ** 2
  expected = np.dot([1, 2, 2, 1], [0, 1, 4, 9]) / 6
  np.testing.assert_allclose(model.summarise(volume)[0, 0], expected)


def test_sites_are_those_of_a_block():
  video = jax.ShapeDtypeStruct((1, 4, 24, 24, 3), jnp.float32)
  places = adapted.sites(swin.build(**TOY), video, train=False)
  block = {p.name for p in places if p.path == 'stage_1/block_1'}
  assert block == {
    'block_in', 'attn_in', 'attn', 'attn_residual', 'mlp_in', 'mlp',
    'mlp_residual',
  }  # fmt: skip
  qkv = [p for p in places if p.name == 'attn_qkv']
  # 2 x 6 x 6 tokens are 4 windows of 2 x 3 x 3.
  assert len(qkv) == 4 and qkv[0].given == (1, 4, 18, 8)


@pytest.mark.parametrize(
  'fields, match',
  [
    ({'variant': 'X'}, "variant='X' of Swin; there are: T, S, B, L"),
    ({'width': 8}, 'Swin needs depths, heads'),
    ({'variant': 'T', 'dept': 1}, "Swin has no field 'dept'"),
    ({'variant': 'T', 'summary': 'x'}, "summary='x': it must be one of"),
    ({'variant': 'T', 'depths': (1,)}, 'differ in length'),
  ],
)
def test_mistakes_are_named(fields, match):
  with pytest.raises(ValueError, match=match):
    swin.build(**fields)
