"""Video Swin as its authors' code names and computes it, written out here."""

import itertools

import torch
from torch import nn


def windows(x, size):
  """[b, t, h, w, d] -> [b windows, tokens, d]."""
  b, t, h, w, d = x.shape
  i, j, k = size
  x = x.reshape(b, t // i, i, h // j, j, w // k, k, d)
  return x.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(-1, i * j * k, d)


def volume(x, size, shape):
  """`windows` the other way round."""
  b, t, h, w, d = shape
  i, j, k = size
  x = x.reshape(b, t // i, h // j, w // k, i, j, k, d)
  return x.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(shape)


class Attention(nn.Module):
  def __init__(self, width, window, heads):
    super().__init__()
    self.heads = heads
    sides = [2 * n - 1 for n in window]
    rows = sides[0] * sides[1] * sides[2]
    self.relative_position_bias_table = nn.Parameter(torch.zeros(rows, heads))
    place = list(itertools.product(*map(range, window)))
    index = [
      [
        ((a[0] - b[0] + window[0] - 1) * sides[1] + a[1] - b[1] + window[1] - 1)
        * sides[2]
        + a[2]
        - b[2]
        + window[2]
        - 1
        for b in place
      ]
      for a in place
    ]
    self.register_buffer('relative_position_index', torch.tensor(index))
    self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

  def forward(self, x, apart):
    n, tokens, width = x.shape
    qkv = self.qkv(x).reshape(n, tokens, 3, self.heads, -1)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    index = self.relative_position_index[:tokens, :tokens].reshape(-1)
    bias = self.relative_position_bias_table[index]
    logits = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
    logits = logits + bias.reshape(tokens, tokens, -1).permute(2, 0, 1)
    if apart is not None:
      apart = apart.repeat(n // len(apart), 1, 1)[:, None]
      logits = logits.masked_fill(apart, -100)
    y = (logits.softmax(-1) @ v).transpose(1, 2).reshape(n, tokens, width)
    return self.proj(y)


class Mlp(nn.Module):
  def __init__(self, width):
    super().__init__()
    self.fc1 = nn.Linear(width, 4 * width)
    self.fc2 = nn.Linear(4 * width, width)

  def forward(self, x):
    return self.fc2(nn.functional.gelu(self.fc1(x)))


class Block(nn.Module):
  def __init__(self, width, window, heads, shifted):
    super().__init__()
    self.window, self.shifted = window, shifted
    self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
    self.attn, self.mlp = Attention(width, window, heads), Mlp(width)

  def forward(self, x):
    shape, sizes = x.shape, x.shape[1:4]
    size = [min(a, b) for a, b in zip(sizes, self.window)]
    by = [
      w // 2 if self.shifted and n > w else 0
      for n, w in zip(sizes, self.window)
    ]
    y, apart = self.norm1(x), None
    if any(by):
      y = torch.roll(y, [-n for n in by], (1, 2, 3))
      part = torch.zeros(1, *sizes, 1)
      for axis, (n, w, s) in enumerate(zip(sizes, size, by)):
        at = torch.arange(n)
        label = (at >= n - w).float() + (at >= n - s).float() * (s > 0)
        view = [1] * 5
        view[axis + 1] = n
        part = part * 3 + label.reshape(view)
      label = windows(part, size)[..., 0]
      apart = label[:, :, None] != label[:, None]
    y = volume(self.attn(windows(y, size), apart), size, shape)
    x = x + torch.roll(y, by, (1, 2, 3))
    return x + self.mlp(self.norm2(x))


class Merging(nn.Module):
  def __init__(self, width):
    super().__init__()
    self.norm = nn.LayerNorm(4 * width)
    self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

  def forward(self, x):
    parts = [x[:, :, i::2, j::2] for j in (0, 1) for i in (0, 1)]
    return self.reduction(self.norm(torch.cat(parts, -1)))


class Stage(nn.Module):
  def __init__(self, width, window, heads, depth, last):
    super().__init__()
    self.blocks = nn.ModuleList(
      Block(width, window, heads, bool(i % 2)) for i in range(depth)
    )
    self.downsample = None if last else Merging(width)

  def forward(self, x):
    for block in self.blocks:
      x = block(x)
    return x if self.downsample is None else self.downsample(x)


class SwinTransformer3D(nn.Module):
  def __init__(self, width, window, heads, depths):
    super().__init__()
    self.patch_embed = nn.Module()
    self.patch_embed.proj = nn.Conv3d(3, width, (2, 4, 4), (2, 4, 4))
    self.patch_embed.norm = nn.LayerNorm(width)
    self.layers = nn.ModuleList(
      Stage(width * 2**i, window, heads[i], depth, i == len(depths) - 1)
      for i, depth in enumerate(depths)
    )
    self.norm = nn.LayerNorm(width * 2 ** (len(depths) - 1))

  def forward(self, video):
    x = self.patch_embed.proj(video).permute(0, 2, 3, 4, 1)
    x = self.patch_embed.norm(x)
    for layer in self.layers:
      x = layer(x)
    return self.norm(x)


class Recognizer3D(nn.Module):
  def __init__(self, classes, **options):
    super().__init__()
    self.backbone = SwinTransformer3D(**options)
    self.cls_head = nn.Module()
    last = options['width'] * 2 ** (len(options['depths']) - 1)
    self.cls_head.fc_cls = nn.Linear(last, classes)

  def forward(self, video):
    return self.cls_head.fc_cls(self.backbone(video).mean((1, 2, 3)))
