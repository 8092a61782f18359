"""X3D in plain PyTorch, by PySlowFast's names, and by PyTorchVideo's.

As PySlowFast's code describes it. `forward` gives the volume before the head's
pooling, [b, d, t, h, w], and what the classifier reads.
"""

import math
import re

import torch
from torch import nn


def round_width(width):
  found = max(8, int(width + 4) // 8 * 8)
  return found + 8 if found < 0.9 * width else found


def conv(c, d, kernel, stride=1, groups=1, bias=False):
  pads = tuple(k // 2 for k in kernel)
  strides = (1, stride, stride)
  return nn.Conv3d(c, d, kernel, strides, pads, groups=groups, bias=bias)


class Stem(nn.Module):
  def __init__(self, d):
    super().__init__()
    self.conv_xy = conv(3, d, (1, 3, 3), 2)
    self.conv = conv(d, d, (5, 1, 1), groups=d)
    self.bn = nn.BatchNorm3d(d)

  def forward(self, x):
    return torch.relu(self.bn(self.conv(self.conv_xy(x))))


class SE(nn.Module):
  def __init__(self, d):
    super().__init__()
    inner = round_width(d * 0.0625)
    self.fc1 = nn.Conv3d(d, inner, 1)
    self.fc2 = nn.Conv3d(inner, d, 1)

  def forward(self, x):
    mean = nn.functional.adaptive_avg_pool3d(x, 1)
    return x * torch.sigmoid(self.fc2(torch.relu(self.fc1(mean))))


class Transform(nn.Module):
  def __init__(self, c, inner, d, stride, index):
    super().__init__()
    self.a, self.a_bn = conv(c, inner, (1, 1, 1)), nn.BatchNorm3d(inner)
    self.b = conv(inner, inner, (3, 3, 3), stride, groups=inner)
    self.b_bn = nn.BatchNorm3d(inner)
    self.se = SE(inner) if (index + 1) % 2 else nn.Identity()
    self.c, self.c_bn = conv(inner, d, (1, 1, 1)), nn.BatchNorm3d(d)

  def forward(self, x):
    x = torch.relu(self.a_bn(self.a(x)))
    x = nn.functional.silu(self.se(self.b_bn(self.b(x))))
    return self.c_bn(self.c(x))


class Block(nn.Module):
  def __init__(self, c, inner, d, stride, index, norm):
    super().__init__()
    self.has = c != d or stride > 1
    if self.has:
      self.branch1 = conv(c, d, (1, 1, 1), stride)
      own = norm or c != d
      self.branch1_bn = nn.BatchNorm3d(d) if own else nn.Identity()
    self.branch2 = Transform(c, inner, d, stride, index)

  def forward(self, x):
    short = self.branch1_bn(self.branch1(x)) if self.has else x
    return torch.relu(short + self.branch2(x))


class X3D(nn.Module):
  """X3D; `norm` is whether strides alone come with a BatchNorm."""

  def __init__(self, width, depths, pooled, norm=True, classes=5):
    super().__init__()
    self.s1 = nn.Module()
    self.s1.pathway0_stem = Stem(width)
    c = width
    for s, depth in enumerate(depths):
      d = width * 2**s
      inner = math.floor(2.25 * d)
      stage = nn.Module()
      for i in range(depth):
        block = Block(d if i else c, inner, d, 1 if i else 2, i, norm)
        stage.add_module(f'pathway0_res{i}', block)
      self.add_module(f's{s + 2}', stage)
      c = d
    self.head = nn.Module()
    self.head.conv_5 = conv(c, inner, (1, 1, 1))
    self.head.conv_5_bn = nn.BatchNorm3d(inner)
    self.head.lin_5 = conv(inner, pooled, (1, 1, 1))
    self.head.projection = nn.Linear(pooled, classes)

  def forward(self, x):
    x = self.s1.pathway0_stem(x)
    for s in range(2, 6):
      for block in getattr(self, f's{s}').children():
        x = block(x)
    x = torch.relu(self.head.conv_5_bn(self.head.conv_5(x)))
    mean = nn.functional.adaptive_avg_pool3d(x, 1)
    return x, torch.relu(self.head.lin_5(mean)).flatten(1)


_PAIRS = (
  (r'^s1\.pathway0_stem\.conv_xy', 'blocks.0.conv.conv_t'),
  (r'^s1\.pathway0_stem\.conv\.', 'blocks.0.conv.conv_xy.'),
  (r'^s1\.pathway0_stem\.bn', 'blocks.0.norm'),
  (
    r'^s(\d)\.pathway0_res(\d+)',
    lambda m: f'blocks.{int(m[1]) - 1}.res_blocks.{m[2]}',
  ),
  (r'branch1_bn', 'branch1_norm'),
  (r'branch1\.', 'branch1_conv.'),
  (r'branch2\.b_bn', 'branch2.norm_b.0'),
  (r'branch2\.([ac])_bn', r'branch2.norm_\1'),
  (r'branch2\.([abc])\.', r'branch2.conv_\1.'),
  (r'branch2\.se\.fc1', 'branch2.norm_b.1.block.0'),
  (r'branch2\.se\.fc2', 'branch2.norm_b.1.block.2'),
  (r'^head\.conv_5_bn', 'blocks.5.pool.pre_norm'),
  (r'^head\.conv_5', 'blocks.5.pool.pre_conv'),
  (r'^head\.lin_5', 'blocks.5.pool.post_conv'),
  (r'^head\.projection', 'blocks.5.proj'),
)


def pytorchvideo(state):
  """Returns the same arrays by PyTorchVideo's names."""
  renamed = {}
  for name, value in state.items():
    for pattern, other in _PAIRS:
      name = re.sub(pattern, other, name)
    renamed[name] = value
  return renamed
