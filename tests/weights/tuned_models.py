"""Tuned models under the names of their codes, in plain PyTorch.

Put together from the papers and what their codes are known to do.
"""

import itertools
import math

import torch
from torch import nn


class Tree(nn.Module):
  """CoRe's regression tree: [b, d] to (log p, place) of its leaves."""

  def __init__(self, d, width=256, depth=5):
    super().__init__()
    of = lambda nodes, o: nn.Conv1d(nodes * width, nodes * o, 1, groups=nodes)
    levels = [2**level for level in range(depth - 1)]
    self.first_layer = nn.Sequential(nn.Linear(d, width))
    self.feature_layers = nn.ModuleList(
      nn.Sequential(of(nodes, 2 * width)) for nodes in levels
    )
    self.clf_layers = nn.ModuleList(of(nodes, 2) for nodes in levels)
    self.reg_layer = of(2 ** (depth - 1), 1)

  def forward(self, x):
    x = torch.relu(self.first_layer(x))[..., None]
    log_p = torch.zeros(len(x), 1)
    for features, decide in zip(self.feature_layers, self.clf_layers):
      both = decide(x).reshape(len(x), -1, 2).log_softmax(-1)
      log_p = (log_p[..., None] + both).reshape(len(x), -1)
      x = torch.relu(features(x))
    return log_p, self.reg_layer(x)[..., 0]


class Scorer(nn.Module):
  """Linear layers with ReLU between them."""

  def __init__(self, *widths):
    super().__init__()
    for i, (c, d) in enumerate(itertools.pairwise(widths), 1):
      self.add_module(f'layer{i}', nn.Linear(c, d))
    self.count = len(widths) - 1

  def forward(self, x):
    for i in range(1, self.count + 1):
      x = getattr(self, f'layer{i}')(torch.relu(x) if i > 1 else x)
    return x


class Evaluator(nn.Module):
  """MUSDL's networks, one per judge; USDL's where there are none."""

  def __init__(self, d, bins, judges):
    super().__init__()
    make = lambda: Scorer(d, 256, 128, bins)
    self.evaluator = (
      nn.ModuleList(make() for _ in range(judges)) if judges else make()
    )

  def forward(self, x):
    several = isinstance(self.evaluator, nn.ModuleList)
    return torch.stack(
      [each(x) for each in (self.evaluator if several else [self.evaluator])], 1
    )


class Pair(nn.Module):
  def __init__(self, c, d):
    super().__init__()
    self.conv = nn.Sequential(
      *(nn.Conv1d(c, d, 3, padding=1), nn.BatchNorm1d(d), nn.ReLU()),
      *(nn.Conv1d(d, d, 3, padding=1), nn.BatchNorm1d(d), nn.ReLU()),
    )

  def forward(self, x):
    return self.conv(x)


class Segmentation(nn.Module):
  """TSA's: segments [b, s, d] to [b, frames, d / 16] and logits."""

  def __init__(self, segments, d, widths=(12, 24, 48, 96, 96)):
    super().__init__()
    self.inc = nn.Module()
    self.inc.conv = Pair(segments, widths[0])
    for i, (c, e) in enumerate(itertools.pairwise(widths), 1):
      self.add_module(f'down{i}', nn.Module())
      getattr(self, f'down{i}').mpconv = nn.Sequential(
        nn.MaxPool1d(2), Pair(c, e)
      )
    self.tas = Scorer(d // 16, 128, 64, 2)

  def forward(self, x):
    x = self.inc.conv(x)
    for i in range(1, 5):
      x = getattr(self, f'down{i}').mpconv(x)
    return x, self.tas(x)


class CrossAttention(nn.Module):
  def __init__(self, d, heads=8):
    super().__init__()
    self.heads = heads
    self.norm_q, self.norm_v = nn.LayerNorm(d), nn.LayerNorm(d)
    self.attn = nn.Module()
    for letter in 'qkv':
      self.attn.add_module(f'{letter}_map', nn.Linear(d, d, bias=False))
    self.attn.proj = nn.Linear(d, d)
    self.norm2 = nn.LayerNorm(d)
    self.mlp = nn.Module()
    self.mlp.fc1, self.mlp.fc2 = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

  def forward(self, query, value):
    v = self.norm_v(value)
    split = lambda x: x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
    q = split(self.attn.q_map(self.norm_q(query)))
    k, v = split(self.attn.k_map(v)), split(self.attn.v_map(v))
    weights = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)
    query = query + self.attn.proj((weights @ v).transpose(1, 2).flatten(-2))
    hidden = nn.functional.gelu(self.mlp.fc1(self.norm2(query)))
    return query + self.mlp.fc2(hidden)


class Decoder(nn.Module):
  def __init__(self, d, count=3):
    super().__init__()
    self.model = nn.ModuleList(CrossAttention(d) for _ in range(count))

  def forward(self, query, value):
    for block in self.model:
      query = block(query, value)
    return query
