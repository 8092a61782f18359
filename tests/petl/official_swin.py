"""Video Swin with V-PETL's parts, written in PyTorch from their descriptions.

Grids must be multiples of the window. See `official`.
"""

import itertools

import torch
from petl.official import Scope, attention, bottleneck, linear, norm
from torch.nn import functional as F

EPSILON = 1e-5


def windows(x, window):
  """Cuts [b, t, h, w, d] into rows [b, windows, tokens, d]."""
  b, *sizes, d = x.shape
  cut = [
    n for pair in zip(sizes, window) for n in (pair[0] // pair[1], pair[1])
  ]
  cut = x.reshape(b, *cut, d)
  x = cut.permute(0, 1, 3, 5, 2, 4, 6, 7)
  return x.flatten(4, 6).flatten(1, 3)


def joined(rows, window, sizes):
  """Undoes `windows`."""
  counts = [size // side for size, side in zip(sizes, window)]
  x = rows.reshape(len(rows), *counts, *window, rows.shape[-1])
  return x.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(
    len(rows), *sizes, rows.shape[-1]
  )


def biases(table, window):
  """Returns [heads, n, n], by loops over pairs of tokens."""
  places = list(itertools.product(*map(range, window)))
  t, h, w = window
  index = [
    [
      ((a[0] - b[0] + t - 1) * (2 * h - 1) + a[1] - b[1] + h - 1) * (2 * w - 1)
      + (a[2] - b[2] + w - 1)
      for b in places
    ]
    for a in places
  ]
  return table[torch.tensor(index)].permute(2, 0, 1)


def masks(sizes, window, shift):
  """Returns [windows, 1, n, n]: -100 between what only the roll brought near.

  Tokens of a rolled grid are told apart by whether they came from its start.
  """
  region = torch.zeros(1, *sizes, 1)
  for axis, (size, side, by) in enumerate(zip(sizes, window, shift), 1):
    label = torch.zeros(size)
    if by:
      label[size - side : size - by] = 1
      label[size - by :] = 2
    shape = [1] * 5
    shape[axis] = size
    region = region * 3 + label.reshape(shape)
  rows = windows(region, window)[0, ..., 0]
  differ = rows[:, :, None] != rows[:, None, :]
  return torch.where(differ, -100.0, 0.0)[:, None]


def patt(p, x, to, scale):
  """V-PETL's parallel attention: what is added to some of q, k and v."""
  update = scale * bottleneck(x, p, torch.tanh)
  parts = dict(zip(to, update.chunk(len(to), -1)))

  def edit(*qkv):
    heads = lambda y, like: y.unflatten(-1, like.shape[-3::2]).transpose(-3, -2)
    return [
      y + heads(parts[name], y) if name in parts else y
      for name, y in zip('qkv', qkv)
    ]

  return edit


def prefix(p):
  """Eq. 5: [P_k; K] and [P_v; V]."""
  for_k, for_v = bottleneck(p['tokens'], p, torch.tanh).chunk(2, -1)

  def edit(q, k, v):
    def lead(rows, y):
      rows = rows.unflatten(-1, y.shape[-3::2]).transpose(0, 1)
      return torch.cat([rows.expand(*y.shape[:-2], *rows.shape[-2:]), y], -2)

    return q, lead(for_k, k), lead(for_v, v)

  return edit


def window_attention(x, p, window, shift, to, scale):
  """Attends within windows of [b, t, h, w, d]."""
  sizes, turn = x.shape[1:4], [-by for by in shift]
  rows = windows(torch.roll(x, turn, (1, 2, 3)), window)
  mask = biases(p['relative_position_bias_table'], window)
  mask = mask + masks(sizes, window, shift)
  site, edit = p('site_attn_qkv'), lambda *qkv: qkv
  if site.has('PATT'):
    edit = patt(site('PATT'), rows, to, scale)
  elif site.has('Prefix'):
    edit = prefix(site('Prefix'))
    mask = F.pad(mask, (len(site('Prefix')['tokens']), 0))
  rows = attention(rows, p, edit, mask)
  return torch.roll(joined(rows, window, sizes), shift, (1, 2, 3))


def swin(flat, video, window, to='', scale=0.8):
  """One stage of Video Swin; an adapter parallel to the MLP reads LN2(x).

  Returns:
    The mean of the normalised grid [b, d], and the grid.
  """
  p = Scope(flat)
  embed = p('patch_embed')
  kernel = embed('proj')['kernel']
  x = F.conv3d(
    video.permute(0, 4, 1, 2, 3),
    kernel.permute(4, 3, 0, 1, 2),
    embed('proj')['bias'],
    stride=kernel.shape[:3],
  )
  x = norm(x.permute(0, 2, 3, 4, 1), embed('norm'), EPSILON)
  number = 0
  while p.has(f'stage_0/block_{number}/'):
    b = p('stage_0')(f'block_{number}')
    half = [
      side // 2 if number % 2 and size > side else 0
      for side, size in zip(window, x.shape[1:4])
    ]
    attend = b('MultiHeadDotProductAttention_0')
    h = norm(x, b('LayerNorm_0'), EPSILON)
    x = x + window_attention(h, attend, window, half, to, scale)
    h, mlp = norm(x, b('LayerNorm_1'), EPSILON), b('MlpBlock_0')
    f = linear(F.gelu(linear(h, mlp('Dense_0'))), mlp('Dense_1'))
    if b.has('site_mlp'):
      f = f + 0.1 * bottleneck(h, b('site_mlp')('Adapter'))
    x, number = x + f, number + 1
  x = norm(x, p('norm'), EPSILON)
  return x.mean((1, 2, 3)), x
