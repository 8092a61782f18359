"""SlowFast in plain PyTorch, by PySlowFast's names, and by two others.

As the paper and PySlowFast's code describe it. `forward` gives what the
pathways make, each [b, d, t, h, w].
"""

import re

import torch
from torch import nn


def frames(video, alpha):
  """What each pathway sees of [b, 3, T, H, W]."""
  count = video.shape[2]
  places = torch.linspace(0, count - 1, count // alpha).long()
  return [video[:, :, places], video]


class Stem(nn.Module):
  def __init__(self, d, kernel):
    super().__init__()
    pads = (kernel // 2, 3, 3)
    self.conv = nn.Conv3d(3, d, (kernel, 7, 7), (1, 2, 2), pads, bias=False)
    self.bn = nn.BatchNorm3d(d)

  def forward(self, x):
    x = torch.relu(self.bn(self.conv(x)))
    return nn.functional.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))


class Transform(nn.Module):
  def __init__(self, c, inner, d, kernel, stride, dilation):
    super().__init__()
    conv = lambda *size, **more: nn.Conv3d(*size, bias=False, **more)
    self.a = conv(c, inner, (kernel, 1, 1), padding=(kernel // 2, 0, 0))
    self.a_bn = nn.BatchNorm3d(inner)
    self.b = conv(
      inner, inner, (1, 3, 3), stride=(1, stride, stride),
      padding=(0, dilation, dilation), dilation=(1, dilation, dilation),
    )  # fmt: skip
    self.b_bn = nn.BatchNorm3d(inner)
    self.c = conv(inner, d, 1)
    self.c_bn = nn.BatchNorm3d(d)

  def forward(self, x):
    x = torch.relu(self.a_bn(self.a(x)))
    x = torch.relu(self.b_bn(self.b(x)))
    return self.c_bn(self.c(x))


class Block(nn.Module):
  def __init__(self, c, inner, d, kernel, stride, dilation):
    super().__init__()
    if c != d or stride > 1:
      self.branch1 = nn.Conv3d(c, d, 1, (1, stride, stride), bias=False)
      self.branch1_bn = nn.BatchNorm3d(d)
    self.branch2 = Transform(c, inner, d, kernel, stride, dilation)

  def forward(self, x):
    has = hasattr(self, 'branch1')
    short = self.branch1_bn(self.branch1(x)) if has else x
    return torch.relu(short + self.branch2(x))


class Stage(nn.Module):
  """Blocks `pathway0_res0` and so on, of both pathways."""

  def __init__(self, given, inner, kernels, depth, stride, dilation):
    super().__init__()
    self.depth = depth
    for p, (c, width, kernel) in enumerate(zip(given, inner, kernels)):
      for i in range(depth):
        own = (4 * width if i else c), width, 4 * width, kernel
        block = Block(*own, 1 if i else stride, dilation)
        self.add_module(f'pathway{p}_res{i}', block)

  def forward(self, x):
    for p, volume in enumerate(x):
      for i in range(self.depth):
        volume = getattr(self, f'pathway{p}_res{i}')(volume)
      x[p] = volume
    return x


class Fuse(nn.Module):
  def __init__(self, c, kernel, alpha):
    super().__init__()
    self.conv_f2s = nn.Conv3d(
      c, 2 * c, (kernel, 1, 1), (alpha, 1, 1), (kernel // 2, 0, 0), bias=False
    )
    self.bn = nn.BatchNorm3d(2 * c)

  def forward(self, x):
    slow, fast = x
    brought = torch.relu(self.bn(self.conv_f2s(fast)))
    return [torch.cat([slow, brought], 1), fast]


class SlowFast(nn.Module):
  """SlowFast, or the slow pathway alone without `alpha`."""

  def __init__(
    self, width, depths, alpha=0, lateral=7, beta=8, dilated=False, classes=5
  ):
    super().__init__()
    self.alpha = alpha
    widths = [width, width // beta][: 2 if alpha else 1]
    self.s1 = nn.Module()
    for p, (d, kernel) in enumerate(zip(widths, (1, 5))):
      self.s1.add_module(f'pathway{p}_stem', Stem(d, kernel))
    given = list(widths)
    kernels = ((1, 1, 3, 3), (3, 3, 3, 3))
    for s, depth in enumerate(depths):
      if alpha:
        self.add_module(f's{s + 1}_fuse', Fuse(given[1], lateral, alpha))
        given[0] += 2 * given[1]
      inner = [w * 2**s for w in widths]
      last = dilated and s == 3
      stride, dilation = (1, 2) if last else (2 if s else 1, 1)
      stage = Stage(
        given, inner, [k[s] for k in kernels], depth, stride, dilation
      )
      self.add_module(f's{s + 2}', stage)
      given = [4 * w for w in inner]
    self.head = nn.Module()
    self.head.projection = nn.Linear(sum(given), classes)

  def forward(self, video):
    x = frames(video, self.alpha) if self.alpha else [video]
    x = [getattr(self.s1, f'pathway{p}_stem')(v) for p, v in enumerate(x)]
    for s in range(1, 5):
      x = getattr(self, f's{s}_fuse')(x) if self.alpha else x
      x = getattr(self, f's{s + 1}')(x)
    return x


_CAFFE2 = (
  ('s1.pathway0_stem.conv.', 'conv1.'),
  ('s1.pathway0_stem.bn.', 'res_conv1_bn.'),
  ('s1.pathway1_stem.conv.', 't_conv1.'),
  ('s1.pathway1_stem.bn.', 't_res_conv1_bn.'),
  ('s1_fuse.conv_f2s.', 't_pool1_subsample.'),
  ('s1_fuse.bn.', 't_pool1_subsample_bn.'),
  (r's(\d)_fuse.conv_f2s.', r't_res\1_9_branch2c_bn_subsample.'),
  (r's(\d)_fuse.bn.', r't_res\1_9_branch2c_bn_subsample_bn.'),
  (r's(\d).pathway0_res(\d+).branch1', r'res\1_\2_branch1'),
  (r's(\d).pathway1_res(\d+).branch1', r't_res\1_\2_branch1'),
  (r's(\d).pathway0_res(\d+).branch2.', r'res\1_\2_branch2'),
  (r's(\d).pathway1_res(\d+).branch2.', r't_res\1_\2_branch2'),
  (r'head\.projection\.', 'pred.'),
  (r'_bn\.weight$', '_bn_s'),
  (r'\.weight$', '_w'),
  (r'\.bias$', '_b'),
  (r'\.running_mean$', '_rm'),
  (r'\.running_var$', '_riv'),
)


def caffe2(state):
  """Returns {'blobs': ...} as PySlowFast's .pkl files have it."""
  blobs = {}
  for name, value in state.items():
    if not name.endswith('num_batches_tracked'):
      for pattern, other in _CAFFE2:
        name = re.sub(pattern, other, name)
      blobs[name] = value.numpy()
      blobs[f'{name}_momentum'] = value.numpy() * 0
  return {'blobs': {**blobs, 'lr': blobs['conv1_w'][0, 0, 0, 0, :1]}}


def pytorchvideo(state, head='blocks.6.proj'):
  """Returns the same arrays by PyTorchVideo's names."""
  several = any('pathway1' in name for name in state)
  part = r'multipathway_blocks.\2.' if several else ''
  fusion = 'multipathway_fusion.'
  pairs = (
    (r'^s(1).pathway(\d)_stem.conv', rf'blocks.0.{part}conv'),
    (r'^s(1).pathway(\d)_stem.bn', rf'blocks.0.{part}norm'),
    (r'^s(\d)_fuse.conv_f2s', rf'blocks.(\1-1).{fusion}conv_fast_to_slow'),
    (r'^s(\d)_fuse.bn', rf'blocks.(\1-1).{fusion}norm'),
    (r'^s(\d).pathway(\d)_res(\d+)', rf'blocks.(\1-1).{part}res_blocks.\3'),
    (r'branch1_bn', 'branch1_norm'),
    (r'branch1\.', 'branch1_conv.'),
    (r'branch2\.([abc])_bn', r'branch2.norm_\1'),
    (r'branch2\.([abc])\.', r'branch2.conv_\1.'),
    (r'^head\.projection', head),
    (r'\((\d)-1\)', lambda m: str(int(m[1]) - 1)),
  )
  renamed = {}
  for name, value in state.items():
    for pattern, other in pairs:
      name = re.sub(pattern, other, name)
    renamed[name] = value
  return renamed
