"""V-JEPA 2, 2.1 and their probes in plain PyTorch, under Meta's names.

Written from the publications and what the authors' code says of rotations:
queries and keys are complex numbers here, and every axis has a loop of its own.
"""

import math

import torch
from torch import nn


def angles(places, planes):
  """[n, planes]: places times 10000^(-j / planes)."""
  rate = [10000 ** (-j / planes) for j in range(planes)]
  return torch.tensor([[p * r for r in rate] for p in places])


def turn(x, places, mixed):
  """Turns [b, heads, n, m], whose planes are channels 2 j and 2 j + 1.

  Args:
    x: queries or keys.
    places: of the n tokens along an axis.
    mixed: whether channel c has the angle of plane c modulo m / 2, so that a
      plane's two have different ones.
  """
  planes = x.shape[-1] // 2
  angle = angles(places, planes)
  if not mixed:
    z = torch.view_as_complex(x.unflatten(-1, (planes, 2)).contiguous())
    return torch.view_as_real(z * torch.exp(1j * angle)).flatten(-2)
  out = torch.empty_like(x)
  for c in range(2 * planes):
    a = angle[:, c % planes]
    other = x[..., c + 1] * -1 if c % 2 == 0 else x[..., c - 1]
    out[..., c] = x[..., c] * torch.cos(a) + other * torch.sin(a)
  return out


class Attention(nn.Module):
  def __init__(self, d, heads):
    super().__init__()
    self.heads = heads
    self.qkv = nn.Linear(d, 3 * d)
    self.proj = nn.Linear(d, d)

  def forward(self, x, places=None, mixed=False):
    q, k, v = (
      part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
      for part in self.qkv(x).chunk(3, -1)
    )
    if places is not None:
      q, k = (self.turned(part, places, mixed) for part in (q, k))
    weights = torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), -1)
    return self.proj((weights @ v).transpose(1, 2).flatten(-2))

  def turned(self, x, places, mixed):
    m = x.shape[-1] // 3 // 2 * 2
    parts = [
      turn(x[..., i * m : (i + 1) * m], axis, mixed)
      for i, axis in enumerate(places)
    ]
    return torch.cat([*parts, x[..., 3 * m :]], -1)


class Mlp(nn.Module):
  def __init__(self, d, hidden):
    super().__init__()
    self.fc1 = nn.Linear(d, hidden)
    self.fc2 = nn.Linear(hidden, d)

  def forward(self, x):
    return self.fc2(nn.functional.gelu(self.fc1(x)))


class Block(nn.Module):
  def __init__(self, d, heads, hidden, epsilon):
    super().__init__()
    self.norm1 = nn.LayerNorm(d, epsilon)
    self.attn = Attention(d, heads)
    self.norm2 = nn.LayerNorm(d, epsilon)
    self.mlp = Mlp(d, hidden)

  def forward(self, x, *places):
    x = x + self.attn(self.norm1(x), *places)
    return x + self.mlp(self.norm2(x))


def embedding(d, frames, patch):
  tubelet = (frames, patch, patch)
  module = nn.Module()
  module.proj = nn.Conv3d(3, d, tubelet, tubelet)
  return module


class Encoder(nn.Module):
  """[b, 3, T, H, W] to tokens [b, t h w, d]."""

  def __init__(self, kind, d=32, heads=2, depth=2, hidden=48, patch=8):
    super().__init__()
    self.kind, self.patch = kind, patch
    self.patch_embed = embedding(d, 2, patch)
    blocks = [Block(d, heads, hidden, 1e-6) for _ in range(depth)]
    self.blocks = nn.ModuleList(blocks)
    if kind == 'v2':
      self.norm = nn.LayerNorm(d, 1e-6)
    else:
      self.patch_embed_img = embedding(d, 1, patch)
      self.img_mod_embed = nn.Parameter(torch.zeros(1, 1, d))
      self.video_mod_embed = nn.Parameter(torch.zeros(1, 1, d))
      norms = [nn.LayerNorm(d, 1e-6) for _ in range(4)]
      self.norms_block = nn.ModuleList(norms)

  def places(self, t, h, w):
    rows, columns = ([float(i) for i in range(n)] for n in (h, w))
    if self.kind == 'v2_1':
      rows, columns = (
        [i * 15 / (len(x) - 1) for i in x] for x in (rows, columns)
      )
    all_of = [(i, j, k) for i in range(t) for j in rows for k in columns]
    return list(zip(*all_of))

  def forward(self, video, layers=None):
    x = self.patch_embed.proj(video)
    places = self.places(*x.shape[2:])
    x = x.flatten(2).mT
    if self.kind == 'v2_1':
      x = x + self.video_mod_embed
    shown = []
    for block in self.blocks:
      x = block(x, places, self.kind == 'v2')
      shown.append(x)
    if layers:  # Of V-JEPA 2 alone.
      return torch.cat([self.norm(shown[i]) for i in layers], 1)
    return self.norm(x) if self.kind == 'v2' else self.norms_block[3](x)


class Pooler(nn.Module):
  def __init__(self, d, heads, blocks):
    super().__init__()
    self.heads = heads
    self.query_tokens = nn.Parameter(torch.zeros(1, 1, d))
    cross = self.cross_attention_block = nn.Module()
    cross.norm1, cross.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
    cross.xattn = nn.Module()
    cross.xattn.q, cross.xattn.kv = nn.Linear(d, d), nn.Linear(d, 2 * d)
    cross.mlp = Mlp(d, 4 * d)
    if blocks:
      blocks = [Block(d, heads, 4 * d, 1e-5) for _ in range(blocks)]
      self.blocks = nn.ModuleList(blocks)

  def forward(self, x):
    for block in getattr(self, 'blocks', ()):
      x = block(x)
    cross = self.cross_attention_block
    q = self.query_tokens.expand(len(x), -1, -1)
    k, v = cross.xattn.kv(cross.norm1(x)).chunk(2, -1)
    attended = nn.functional.scaled_dot_product_attention(
      *(
        part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        for part in (cross.xattn.q(q), k, v)
      )
    )
    y = q + attended.transpose(1, 2).flatten(-2)
    return y + cross.mlp(cross.norm2(y))


class Classifier(nn.Module):
  """Tokens [b, n, d] to logits."""

  def __init__(self, d=32, heads=16, blocks=3, classes=5):
    super().__init__()
    self.pooler = Pooler(d, heads, blocks)
    self.linear = nn.Linear(d, classes)

  def forward(self, x):
    return self.linear(self.pooler(x)[:, 0])
