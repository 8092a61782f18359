"""Side networks, against the same written out in PyTorch."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gaussian import normal

from vidpetl.backbones import features
from vidpetl.petl.techniques import ladder, losa, side4video

torch = pytest.importorskip('torch')
F = torch.nn.functional

pytestmark = pytest.mark.torch

B, T, H, W, D = 2, 3, 2, 3, 8
VIDEO = np.random.default_rng(5).normal(size=(B, T, 8, 12, 3)).astype('f')


def run(technique, rows='frame', train=False):
  """Returns parameters and what blocks made, in PyTorch; what comes of it."""
  blocks = [
    features.Block(
      normal(B, T, H, W, D, seed=i), normal(B, T, 1, D, seed=10 + i), rows
    )
    for i in range(3)
  ]
  y = features.Features(jnp.zeros((B, T, H, W, D)), jnp.zeros((B, D)))
  trunk = features.Trunk(jnp.asarray(VIDEO), lambda _: blocks)
  shapes = jax.eval_shape(
    lambda: technique.init(jax.random.key(0), y, trunk, None)
  )
  rng = np.random.default_rng(1)
  drawn = jax.tree.map(
    lambda x: np.abs(rng.normal(0.3, 0.3, x.shape)).astype(np.float32), shapes
  )
  made, _ = jax.jit(
    lambda v: technique.apply(
      v,
      y,
      trunk,
      None,
      rngs={'dropout': jax.random.key(0)} if train else {},
      mutable=['batch_stats'],
    )
  )(drawn)
  to_torch = lambda tree: jax.tree.map(
    lambda x: torch.from_numpy(np.array(x)), tree
  )
  return to_torch(drawn), to_torch([(b.grid, b.lead) for b in blocks]), made


def same(made, grid):
  np.testing.assert_allclose(made.grid, grid, rtol=2e-3, atol=2e-4)
  mean = grid.mean((1, 2, 3))
  np.testing.assert_allclose(made.summary, mean, rtol=2e-3, atol=2e-4)


def dense(x, p):
  return x @ p['kernel'] + p['bias']


def layer_norm(x, p, epsilon=1e-6):
  return F.layer_norm(x, x.shape[-1:], p['scale'], p['bias'], epsilon)


def attention(x, context, p, heads):
  """Of [rows, n, s] to [rows, m, s]."""
  q, k, v = (
    dense(of, p[name]).unflatten(-1, (heads, -1)).transpose(1, 2)
    for of, name in ((x, 'query'), (context, 'key'), (context, 'value'))
  )
  y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
  return dense(y, p['out'])


@pytest.mark.parametrize('rows', ['frame', 'clip', 'location'])
def test_ladder(rows):
  technique = ladder.Ladder(reduction=2, heads=2, temperature=0.5)
  made, blocks, ours = run(technique, rows)
  p, h = made['params'], None
  if rows == 'location':
    arrange = lambda x: x.flatten(2, 3).transpose(1, 2).flatten(0, 1)
    back = lambda x: x.reshape(B, H * W, T, -1).transpose(1, 2)
  else:
    count = B * T if rows == 'frame' else B
    arrange = lambda x: x.reshape(count, -1, x.shape[-1])
    back = lambda x: x
  for i, (grid, _) in enumerate(blocks):
    down = dense(grid, p[f'down_{i}'])
    if h is None:
      x = down
    else:
      mu = torch.sigmoid(p[f'gate_{i}'] / 0.5)
      x = mu * down + (1 - mu) * h
    q = p[f'block_{i}']
    tokens = arrange(layer_norm(x, q['norm_attention']))
    tokens = back(attention(tokens, tokens, q['attention'], 2))
    x = x + tokens.reshape(x.shape)
    y = F.gelu(dense(layer_norm(x, q['norm_mlp']), q['fc1']))
    h = x + dense(y, q['fc2'])
  same(ours, dense(layer_norm(h, p['norm']), p['up']))


def test_losa():
  made, blocks, ours = run(losa.LoSA(rank=2))
  p, y = made['params'], 0
  for i, (b, _) in enumerate(blocks):
    q, z = p[f'mixers_{i}'], b + y
    for name, letters in (
      ('channels', 'bthwd->bthwd'),
      ('space', 'bthwd->btdhw'),
      ('time', 'bthwd->bhwdt'),
    ):
      x = torch.einsum(letters, layer_norm(z, q[f'{name}_norm']))
      shape = x.shape
      x = x.flatten(3) if name == 'space' else x
      x = dense(F.gelu(dense(x, q[f'{name}_down'])), q[f'{name}_up'])
      z = z + torch.einsum(
        '->'.join(letters.split('->')[::-1]), x.reshape(shape)
      )
    y = z - b
  same(ours, layer_norm(b + y, p['norm']))


@pytest.mark.parametrize('train', [False, True])
def test_side4video(train):
  s = 4
  made, blocks, ours = run(side4video.Side4Video(width=s), train=train)
  p, stats = made['params'], made['batch_stats']

  def batch_norm(x, *path):
    q, known = p, stats
    for name in path:
      q, known = q[name], known[name]
    # Channels second, as in PyTorch.
    x = F.batch_norm(
      x.movedim(-1, 1), known['mean'].clone(), known['var'].clone(),
      q['scale'], q['bias'], train, 0.1, 1e-5,
    )  # fmt: skip
    return x.movedim(1, -1)

  # [i, j, k, c, s] of a kernel over (patch, patch, frames, channels).
  patch = 4
  kernel = p['stem']['conv']['kernel'].reshape(patch, patch, 3, 3, s)
  x = F.conv3d(
    torch.from_numpy(VIDEO).movedim(-1, 1),
    kernel.permute(4, 3, 2, 0, 1),
    p['stem']['conv']['bias'],
    (1, patch, patch),
    (1, 0, 0),
  ).movedim(1, -1)
  x = batch_norm(x, 'stem', 'norm')
  for i, (grid, lead) in enumerate(blocks):
    q, rung = p[f'block_{i}'], p[f'rung_{i}']
    tokens, cls = (
      dense(layer_norm(b, rung['norm'], 1e-5), rung['project'])
      for b in (grid, lead)
    )
    x = 0.5 * x + 0.5 * tokens
    name = f'block_{i}'
    y = dense(batch_norm(x, name, 'norm_conv'), q['conv_in']).movedim(-1, 1)
    weights = q['conv']['kernel'].permute(3, 0, 1, 2)[:, None]
    y = F.conv3d(y, weights, q['conv']['bias'], 1, (1, 0, 0), groups=s)
    x = x + dense(y.movedim(1, -1), q['conv_out'])
    shifted = torch.zeros_like(cls)
    shifted[:, :-1, :, : s // 2] = cls[:, 1:, :, : s // 2]
    shifted[:, 1:, :, s // 2 :] = cls[:, :-1, :, s // 2 :]
    rows = (x + p['positions']).flatten(2, 3)
    rows = torch.cat([shifted, rows], 2).flatten(0, 1)
    rows = layer_norm(rows, q['norm_attention'], 1e-5)
    x = x + attention(rows[:, 1:], rows, q['attention'], 1).reshape(x.shape)
    y = F.gelu(dense(batch_norm(x, name, 'norm_mlp'), q['fc1']))
    x = x + dense(y, q['fc2'])
  same(ours, batch_norm(x, 'norm'))


def test_a_token_of_several_frames_sees_one_more_on_each_side():
  stem = side4video.Stem(4, (2, 2, 3))
  video = normal(B, 4, 8, 12, 3, seed=0)
  made = stem.init(jax.random.key(0), video)
  kernel = torch.from_numpy(np.array(made['params']['conv']['kernel']))
  x = F.conv3d(
    torch.from_numpy(video).movedim(-1, 1),
    kernel.reshape(4, 4, 4, 3, 4).permute(4, 3, 2, 0, 1),
    torch.from_numpy(np.array(made['params']['conv']['bias'])),
    (2, 4, 4),
    (1, 0, 0),
  ).movedim(1, -1)
  ours = stem.apply(made, video)
  np.testing.assert_allclose(ours, x / math.sqrt(1 + 1e-5), atol=1e-5)
