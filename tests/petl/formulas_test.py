"""What each technique computes, against the same written in NumPy."""

import dataclasses

import flax.linen as nn
import jax
import numpy as np
import pytest
import scipy.ndimage
import tiny
from gaussian import FRAMES, D, apply, close, dense, normal, qkv

from vidpetl.backbones import attending, layers
from vidpetl.backbones import attention as attention_lib
from vidpetl.backbones import site as site_lib
from vidpetl.petl.techniques import (
  adapter,
  adapter3d,
  aim,
  cls_shift,
  ia3,
  lora,
  mst_adapter,
  patt,
  prefix,
  prompt,
  ssf,
  st_adapter,
  time_embedding,
)

Grid = site_lib.Grid
CLIP = Grid(3, 2, 2, cls=1)


def test_adapter_beside_and_behind():
  y, given = normal(2, 5, D), normal(2, 5, D, seed=1)
  for mode, x in (('parallel', given), ('sequential', y)):
    technique = adapter.Adapter(3, mode=mode, scale=0.1)
    p, out = apply(technique, y, given)
    hidden = np.maximum(dense(x, p['down']), 0)
    close(out, y + 0.1 * dense(hidden, p['up']))


def test_adapter_with_a_learned_scale():
  y, given = normal(2, 5, D), normal(2, 5, D, seed=1)
  p, out = apply(adapter.Adapter(3, scale='learned'), y, given)
  hidden = np.maximum(dense(given, p['down']), 0)
  close(out, y + p['scale'] * dense(hidden, p['up']))


def test_adapter_drops_in_training_alone():
  y = normal(2, 5, D)
  technique = adapter.Adapter(3, scale=1.0, dropout=0.5)
  p, out = apply(technique, y, y)
  rngs = {'dropout': jax.random.key(0)}
  assert not np.allclose(
    out, technique.apply({'params': p}, y, y, FRAMES, rngs=rngs)
  )


@pytest.mark.parametrize('to', ['kv', 'vq', 'qkv'])
def test_patt_adds_to_what_it_is_told(to):
  y, given = qkv(), normal(2, 3, 5, D, seed=4)
  p, out = apply(patt.PATT(3, to=to, scale=0.8), y, given)
  update = 0.8 * dense(np.tanh(dense(given, p['down'])), p['up'])
  update = update.reshape(2, 3, 5, len(to), 2, D // 2)
  expected = list(y)
  for i, letter in enumerate(sorted(to, key='qkv'.index)):
    expected['qkv'.index(letter)] = (
      y['qkv'.index(letter)] + update[..., i, :, :]
    )
  for ours, theirs in zip(out, expected):
    close(ours, theirs)


def test_patt_of_another_activation_and_a_learned_factor():
  y, given = qkv(), normal(2, 3, 5, D, seed=4)
  technique = patt.PATT(3, to='k', scale='learned', activation='relu')
  p, (_, k, _) = apply(technique, y, given)
  update = p['scale'] * dense(np.maximum(dense(given, p['down']), 0), p['up'])
  close(k, y[1] + update.reshape(2, 3, 5, 2, D // 2))


def test_patt_concatenated_and_learned():
  y, given = qkv(), normal(2, 3, 5, D, seed=4)
  technique = patt.PATT(3, combine='concat', source='learned')
  p, (q, k, v) = apply(technique, y, given)
  update = 0.8 * dense(np.tanh(dense(p['tokens'], p['down'])), p['up'])
  update = update.reshape(5, 2, 2, D // 2)
  close(q, y[0])
  for ours, own, i in ((k, y[1], 0), (v, y[2], 1)):
    close(ours[..., 5:, :, :], own)
    close(ours[1, 2, :5], update[:, i])


def test_prefix_is_attended_to_like_other_tokens():
  y, given = qkv(), normal(2, 3, 5, D)
  p, (q, k, v) = apply(prefix.Prefix(4, 3), y, given)
  both = dense(np.tanh(dense(p['tokens'], p['down'])), p['up'])
  for_k, for_v = (x.reshape(4, 2, D // 2) for x in np.split(both, 2, -1))
  close(k[0, 1, :4], for_k)
  close(v[1, 0, :4], for_v)
  bias = normal(2, 5, 5)
  ours = attending.attend(q, k, v, bias)
  scores = np.einsum('brnhc,brmhc->brhnm', q, k) / np.sqrt(D // 2)
  scores[..., 4:] += bias
  weights = np.exp(scores - scores.max(-1, keepdims=True))
  weights /= weights.sum(-1, keepdims=True)
  close(ours, np.einsum('brhnm,brmhc->brnhc', weights, v))


def test_what_is_computed_from_tokens_passes_a_prefix_by():
  y, given = qkv(), normal(2, 3, 5, D)
  _, (q, k, v) = apply(prefix.Prefix(4, 3), y, given)
  _, (_, k2, v2) = apply(lora.LoRA(2, to='kv'), (q, k, v), given)
  _, (_, alone, _) = apply(lora.LoRA(2, to='kv'), y, given)
  close(k2[..., :4, :, :], k[..., :4, :, :])
  close(k2[..., 4:, :, :], alone)
  assert v2.shape == v.shape


def test_lora_adds_to_the_kernel():
  x = normal(2, 5, D)
  kernels = normal(3, D, 2, D // 2, seed=1)
  y = tuple(np.einsum('bnd,dhc->bnhc', x, kernel) for kernel in kernels)
  p, out = apply(lora.LoRA(2, alpha=6.0), y, x)
  assert set(p) == {'query_a', 'query_b', 'value_a', 'value_b'}
  for i, name in ((0, 'query'), (2, 'value')):
    update = (p[f'{name}_a'] @ p[f'{name}_b'].reshape(2, D)) * 6 / 2
    kernel = kernels[i] + update.reshape(D, 2, D // 2)
    close(out[i], np.einsum('bnd,dhc->bnhc', x, kernel))
  close(out[1], y[1])
  p, out = apply(lora.LoRA(2, alpha=6.0), x @ normal(D, 5), x)
  close(out, x @ (normal(D, 5) + 6 / 2 * p['a'] @ p['b']))


def test_ia3_scales_keys_and_values_or_tokens():
  y, tokens = qkv(), normal(2, 3, 5, D)
  p, (q, k, v) = apply(ia3.IA3(), y)
  assert set(p) == {'key_vector', 'value_vector'}
  assert q is y[0]
  close(k, y[1] * p['key_vector'])
  close(v, y[2] * p['value_vector'])
  p, out = apply(ia3.IA3(), tokens)
  close(out, tokens * p['vector'])


def test_ssf_scales_and_shifts_all_three_or_tokens():
  y, tokens = qkv(), normal(2, 3, 5, D)
  p, out = apply(ssf.SSF(), y)
  for x, before, name in zip(out, y, ('query', 'key', 'value')):
    close(x, before * p[f'{name}_scale'] + p[f'{name}_shift'])
  p, out = apply(ssf.SSF(), tokens)
  close(out, tokens * p['scale'] + p['shift'])
  start = ssf.SSF().init(jax.random.key(0), normal(1, 4000), None, None)
  for name, mean in (('scale', 1), ('shift', 0)):
    drawn = start['params'][name]
    assert abs(drawn.mean() - mean) < 2e-3 and abs(drawn.std() - 0.02) < 2e-3


def test_prompts_take_the_place_between_class_tokens_and_grid():
  y = normal(2, 3, 5, D)
  p, out = apply(prompt.Prompt(2), y)
  assert out.shape == (2, 3, 7, D)
  close(out[:, :, 0], y[:, :, 0])
  close(out[:, :, 3:], y[:, :, 1:])
  close(out[1, 2, 1:3], p['tokens'])
  _, again = apply(prompt.Prompt(3), np.asarray(out))
  assert again.shape == (2, 3, 8, D)
  close(again[:, :, 4:], y[:, :, 1:])


@pytest.mark.parametrize(
  'initial, bound',
  [('vpt', (6 / (3 * 64 + 8)) ** 0.5), ('xavier', (6 / (8 * 201)) ** 0.5)],
)
@pytest.mark.parametrize('grid', [False, True])
def test_prompts_start_within_their_bound(initial, bound, grid):
  technique = prompt.Prompt(200, initial=initial, patch=0 if grid else 64)
  where = dataclasses.replace(CLIP, patch=64) if grid else CLIP
  params = technique.init(jax.random.key(0), normal(1, 13, D), None, where)
  top = np.abs(params['params']['tokens']).max()
  assert 0.95 * bound < top <= bound


def depthwise(volume, p, size):
  out = np.zeros_like(volume)
  for b in range(len(volume)):
    for c in range(volume.shape[-1]):
      out[b, ..., c] = scipy.ndimage.correlate(
        volume[b, ..., c], p['kernel'][..., c], mode='constant'
      )
  return out + p['bias']


@pytest.mark.parametrize('kernel', [(3, 1, 1), (3, 3, 3)])
@pytest.mark.parametrize('grid', [FRAMES, CLIP])
def test_st_adapter(grid, kernel):
  volume = normal(2, 3, 2, 2, D)
  lead = normal(*((2, 3, 1, D) if grid is FRAMES else (2, 1, D)), seed=3)
  y = np.asarray(grid.to_tokens(lead, volume))
  p, out = apply(st_adapter.STAdapter(4, kernel), y, None, grid)
  after, ours = grid.to_volume(out)
  close(after, lead)
  hidden = depthwise(dense(volume, p['down']), p['conv'], kernel)
  close(ours, volume + dense(hidden, p['up']))


@pytest.mark.parametrize('fuse', ['learned', 'average'])
@pytest.mark.parametrize(
  'pointwise', [(True, True), (True, False), (False, True)]
)
def test_mst_adapter(fuse, pointwise):
  volume = normal(2, 3, 2, 2, D)
  technique = mst_adapter.MSTAdapter(4, MST_KERNELS, fuse, *pointwise)
  p, ours = apply(technique, volume, None, Grid(3, 2, 2))
  close(ours, multi_scale(volume, p))


# (3,) is (3, 1, 1).
MST_KERNELS = ((3,), (5, 1, 1), (1, 3, 3))


def multi_scale(volume, p):
  x = dense(volume, p['down'])
  z = x + sum(
    w * depthwise(x, p[f'conv_{i}'], p[f'conv_{i}']['kernel'].shape[:3])
    for i, w in enumerate(p.get('fusion', [1 / 3] * 3))
  )
  if 'pointwise' in p:
    last = p['pointwise']
    is_dense = last['kernel'].ndim == 2
    z = z + (dense(z, last) if is_dense else depthwise(z, last, (1, 1, 1)))
  return volume + dense(z, p['up'])


@pytest.mark.parametrize('cls', [True, False])
def test_mst_adapter_sees_a_class_token_at_its_other_moments(cls):
  y = normal(2, 3, 5, D)
  technique = mst_adapter.MSTAdapter(4, MST_KERNELS, cls=cls)
  p, out = apply(technique, y)
  after, grid = FRAMES.to_volume(out)
  close(grid, multi_scale(y[:, :, 1:].reshape(2, 3, 2, 2, D), p))
  token = y[:, :, :1]
  expected = multi_scale(token[:, :, None], p)[:, :, 0] if cls else token
  close(after, expected)


@pytest.mark.parametrize(
  'technique',
  [
    adapter.Adapter(3, scale=1.0, drop_path=0.5, mode='sequential'),
    aim.AIM(drop_path=0.5),
  ],
)
def test_paths_of_adapters_are_dropped_for_whole_clips(technique):
  y = normal(40, 3, 5, D)
  model = Reused(FRAMES, technique)
  rngs = {'dropout': jax.random.key(0)}
  params = drawn(model, y)
  # Nothing is dropped in the first block, and at half the rate half way down.
  for depth, least, most in ((0.0, 0, 0), (0.5, 3, 18), (1.0, 10, 30)):
    at = Reused(dataclasses.replace(FRAMES, depth=depth), technique)
    whole, _ = at.apply({'params': params}, y)
    out, _ = at.apply({'params': params}, y, rngs=rngs)
    left_out = np.array([np.array_equal(a, b) for a, b in zip(out, y)])
    assert least <= left_out.sum() <= most
    kept = 1 - 0.5 * depth
    close(
      np.asarray(out)[~left_out], y[~left_out] + (whole - y)[~left_out] / kept
    )


def test_fusion_weights_start_at_a_third():
  technique = mst_adapter.MSTAdapter(4)
  y = normal(1, 3, 2, 2, D)
  params = technique.init(jax.random.key(0), y, None, Grid(3, 2, 2))['params']
  close(params['fusion'], [0.33] * 3)


@pytest.mark.parametrize('registers', [0, 2])
def test_cls_shift_by_loops(registers):
  """Registers behind the class token stay."""
  y = normal(2, 3, 5 + registers, D)
  grid = Grid(3, 2, 2, cls=1 + registers, rows='frame')
  p, out = apply(cls_shift.ClsShift(), y, None, grid)
  assert not p
  expected = y.copy()
  for t in range(3):
    expected[:, t, 0, :2] = y[:, t + 1, 0, :2] if t < 2 else 0
    expected[:, t, 0, 2:4] = y[:, t - 1, 0, 2:4] if t else 0
  np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize(
  'technique',
  [
    st_adapter.STAdapter(4),
    mst_adapter.MSTAdapter(4),
    mst_adapter.MSTAdapter(4, cls=True),
    cls_shift.ClsShift(),
  ],
)
def test_what_looks_along_time_cuts_no_rows_of_a_moment(technique):
  """Four of their five tokens lie on the grid; to cut them off is to copy."""
  y = normal(2, 3, 5, D)
  p, _ = apply(technique, y)

  def loss(p, y):
    return technique.apply({'params': p}, y, None, FRAMES).sum()

  step = jax.make_jaxpr(jax.grad(loss, (0, 1)))(p, y).jaxpr
  made = {v.aval.shape for eqn in tiny.equations(step) for v in eqn.outvars}
  assert y.shape in made
  assert not [s for s in made if s[2:4] == (2, 2) or s[2:-1] == (4,)]


def test_adapter3d_by_loops():
  volume = normal(1, 3, 2, 2, D)
  p, out = apply(adapter3d.Adapter3D(), volume, None, Grid(3, 2, 2))
  assert p['down']['kernel'].shape == (3, 3, 3, 4, 2)
  padded = np.pad(volume, [(0, 0), (1, 1), (1, 1), (1, 1), (0, 0)])
  hidden = np.zeros((1, 3, 2, 2, 2), np.float32) + p['down']['bias']
  for t, h, w in np.ndindex(3, 2, 2):
    patch = padded[0, t : t + 3, h : h + 3, w : w + 3]
    for g in range(2):
      hidden[0, t, h, w, g] += (
        patch[..., 4 * g : 4 * g + 4] * p['down']['kernel'][..., g]
      ).sum()
  update = dense(np.maximum(hidden, 0), p['up'])
  close(out, volume + p['alpha'] * update)


@pytest.mark.parametrize('grid', [FRAMES, CLIP])
def test_time_embedding(grid):
  y = normal(*((2, 3, 5, D) if grid is FRAMES else (2, 13, D)))
  p, out = apply(time_embedding.TimeEmbedding(), y, None, grid)
  assert p['table'].shape == (3, D)
  if grid is FRAMES:
    close(out, y + p['table'][:, None])
  else:
    close(out[:, 0], y[:, 0])
    close(out[:, 1:], y[:, 1:] + np.repeat(p['table'], 4, axis=0))


class Reused(nn.Module):
  """An attention that AIM uses, as a block has it."""

  grid: Grid
  technique: nn.Module

  @nn.compact
  def __call__(self, x):
    norm = layers.layer_norm(np.float32, 'norm')
    attention = attention_lib.Attention(2, self.grid, name='attention')
    out = self.technique(x, site_lib.Branch(norm, attention), self.grid)
    # Its own use, so that both exist whatever the technique does.
    return out, attention(norm(x))


def drawn(model, x):
  shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), x))
  rng = np.random.default_rng(1)
  return jax.tree.map(
    lambda s: rng.normal(size=s.shape).astype(np.float32), shapes
  )['params']


@pytest.mark.parametrize('inner', [True, False])
@pytest.mark.parametrize('grid', [FRAMES, CLIP])
def test_aim_attends_over_time_with_the_same_parameters(grid, inner):
  x = normal(*((2, 3, 5, D) if grid is FRAMES else (2, 13, D)))
  model = Reused(grid, aim.AIM(inner=inner))
  params = drawn(model, x)
  ours, _ = model.apply({'params': params}, x)
  p = params['technique']

  def bottleneck(h, prefix):
    h = nn.gelu(dense(h, p[f'{prefix}down']), approximate=False)
    return np.asarray(dense(h, p[f'{prefix}up']))

  part = x if grid is FRAMES else x[:, 1:].reshape(2, 3, 4, D)
  expected = part.copy()
  attention = attention_lib.Attention(2, grid)
  for i in range(part.shape[2]):
    h = part[:, :, i]
    h = (h - h.mean(-1, keepdims=True)) / np.sqrt(
      h.var(-1, keepdims=True) + 1e-6
    )
    h = h * params['norm']['scale'] + params['norm']['bias']
    h = h + bottleneck(h, 'inner_') if inner else h
    h = attention.apply({'params': params['attention']}, h)
    expected[:, :, i] += bottleneck(h, '')
  if grid is CLIP:
    expected = np.concatenate([x[:, :1], expected.reshape(2, 12, D)], axis=1)
  close(ours, expected)
