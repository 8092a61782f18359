"""The same training steps in PyTorch, as well as its users write them.

ViTs are written out here: one product for queries, keys and values, fused
attention (`scaled_dot_product_attention`), and between the blocks of a
factorised encoder one transposition. Swin, R3D-18 and R(2+1)D-18 are
torchvision's, I3D is that of `convolution_speed.py`; channels last. Parameters
are float32, products autocast to bfloat16, AdamW is fused, gradients are
clipped by their norm, as ours are.

LoRA adds to queries and values of frozen products; AdaptFormer and ST-Adapter
are bottlenecks of their papers' widths.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from vidpetl.recipes import presets

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
_kept = []
KINDS = {'gelu': 'none', 'gelu_tanh': 'tanh'}


def act(name: str) -> Callable:
  if name == 'quick_gelu':
    return lambda x: x * torch.sigmoid(1.702 * x)
  return functools.partial(F.gelu, approximate=KINDS[name])


class Low(nn.Module):
  """B A x, B 0 at first."""

  def __init__(self, d: int, out: int, rank: int = 8):
    super().__init__()
    self.a, self.b = nn.Linear(d, rank, bias=False), nn.Linear(rank, out, False)
    nn.init.zeros_(self.b.weight)

  def forward(self, x):
    return self.b(self.a(x))


class Bottleneck(nn.Module):
  def __init__(self, d: int, width: int = 64):
    super().__init__()
    self.down, self.up = nn.Linear(d, width), nn.Linear(width, d)
    nn.init.zeros_(self.up.weight)

  def forward(self, x):
    return 0.1 * self.up(F.relu(self.down(x)))


class Tube(nn.Module):
  """ST-Adapter: a depthwise convolution over time between two products."""

  def __init__(self, d: int, grid, width: int = 384):
    super().__init__()
    self.grid, self.width = grid, width
    self.down, self.up = nn.Linear(d, width), nn.Linear(width, d)
    self.conv = nn.Conv3d(width, width, (3, 1, 1), padding=(1, 0, 0),
                          groups=width)  # fmt: skip
    nn.init.zeros_(self.up.weight)

  def forward(self, x):
    t, h, w = self.grid
    n = t * h * w if x.shape[1] >= t * h * w else h * w
    lead, x_in = x[:, :-n] if x.shape[1] > n else None, x[:, -n:]
    y = self.down(x_in).reshape(-1, t, h, w, self.width).permute(0, 4, 1, 2, 3)
    y = self.conv(y).permute(0, 2, 3, 4, 1).reshape(len(x), n, self.width)
    y = x_in + self.up(y)
    return y if lead is None else torch.cat([lead, y], 1)


class Block(nn.Module):
  def __init__(self, d, heads, mlp, activation, method, grid):
    super().__init__()
    self.heads, self.activation = heads, act(activation)
    self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
    self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
    self.fc1, self.fc2 = nn.Linear(d, mlp), nn.Linear(mlp, d)
    if method == 'lora':
      self.site_q, self.site_v = Low(d, d), Low(d, d)
    if method == 'adaptformer':
      self.site_mlp = Bottleneck(d)
    if method == 'st_adapter':
      self.site_1, self.site_2 = Tube(d, grid), Tube(d, grid)
    self.method = method

  def forward(self, x):
    if self.method == 'st_adapter':
      x = self.site_1(x)
    b, n, d = x.shape
    u = self.norm1(x)
    q, k, v = self.qkv(u).split(d, -1)
    if self.method == 'lora':
      q, v = q + self.site_q(u), v + self.site_v(u)
    q, k, v = (
      y.reshape(b, n, self.heads, -1).transpose(1, 2) for y in (q, k, v)
    )
    y = F.scaled_dot_product_attention(q, k, v)
    x = x + self.out(y.transpose(1, 2).reshape(b, n, d))
    if self.method == 'st_adapter':
      x = self.site_2(x)
    u = self.norm2(x)
    y = self.fc2(self.activation(self.fc1(u)))
    if self.method == 'adaptformer':
      y = y + self.site_mlp(u)
    return x + y


class ViT(nn.Module):
  """Rows of frames, or of clips; then, maybe, rows of locations."""

  def __init__(self, clip, model, method):
    super().__init__()
    d, mlp, heads = model.width, model.mlp, model.heads
    tube = getattr(model, 'tubelet', 1)
    tube = tube if isinstance(tube, tuple) else (tube, *(model.patch,) * 2)
    frames, side = clip
    t, h, w = frames // tube[0], side // tube[1], side // tube[2]
    self.tube, self.grid = tube, (t, h, w)
    named = type(model).__name__
    self.by_frame = named in ('MAE', 'AugReg', 'DINOv2', 'CLIP', 'Dense')
    self.cls = named in ('MAE', 'AugReg', 'DINOv2', 'CLIP', 'JointToken')
    self.embed = nn.Linear(3 * tube[0] * tube[1] * tube[2], d)
    n = (h * w if self.by_frame else t * h * w) + self.cls
    self.token = nn.Parameter(torch.zeros(1, 1, d))
    self.position = nn.Parameter(0.02 * torch.randn(1, n, d))
    block = functools.partial(
      Block, d, heads, mlp, getattr(model, 'activation', 'gelu_tanh'), method
    )
    self.blocks = nn.ModuleList(block(self.grid) for _ in range(model.depth))
    self.pre = nn.LayerNorm(d) if named == 'CLIP' else nn.Identity()
    self.temporal = nn.ModuleList()
    if named == 'Dense':
      self.norm_space = nn.LayerNorm(d)
      self.moments = nn.Parameter(0.02 * torch.randn(1, t, d))
      self.temporal.extend(
        block((t, 1, 1)) for _ in range(model.temporal_depth)
      )
    self.norm, self.head_fc = nn.LayerNorm(d), nn.Linear(d, 400)

  def forward(self, video):  # [b, T, H, W, 3]
    (i, j, k), (t, h, w), b = self.tube, self.grid, len(video)
    x = video.reshape(b, t, i, h, j, w, k, 3).permute(0, 1, 3, 5, 2, 4, 6, 7)
    x = self.embed(x.reshape(b, t * h * w, -1))
    if self.by_frame:
      x = x.reshape(b * t, h * w, -1)
    if self.cls:
      x = torch.cat([self.token.expand(len(x), -1, -1).to(x.dtype), x], 1)
    x = self.pre(x + self.position.to(x.dtype))
    for block in self.blocks:
      x = block(x)
    if self.temporal:
      x = self.norm_space(x).reshape(b, t, h * w, -1).transpose(1, 2)
      x = x.reshape(b * h * w, t, -1) + self.moments.to(x.dtype)
      for block in self.temporal:
        x = block(x)
    x = self.norm(x)
    x = x[:, 0] if self.cls else x.mean(1)
    return self.head_fc(x.reshape(b, -1, x.shape[-1]).mean(1))


class Beside(nn.Module):
  """A branch with a bottleneck parallel to it."""

  def __init__(self, branch: nn.Module, d: int):
    super().__init__()
    self.branch, self.site_mlp = branch, Bottleneck(d)

  def forward(self, x):
    return self.branch(x) + self.site_mlp(x)


class Added(nn.Module):
  """W + B A on the rows of queries and values."""

  def __init__(self, d: int, rank: int = 8):
    super().__init__()
    self.site_a = nn.Parameter(0.02 * torch.randn(2, rank, d))
    self.site_b = nn.Parameter(torch.zeros(2, d, rank))

  def forward(self, weight):
    update = self.site_b @ self.site_a
    middle = torch.zeros_like(update[0])
    return weight + torch.cat([update[0], middle, update[1]])


def video_first(net: nn.Module) -> nn.Module:
  """Takes [b, T, H, W, 3] where a net takes [b, 3, T, H, W]."""
  wrapped = nn.Module()
  wrapped.net = net
  wrapped.forward = lambda x: net(x.permute(0, 4, 1, 2, 3))
  return wrapped


def videos() -> Any:
  """Returns torchvision's nets for videos.

  Where it was built for another PyTorch, it misses its operators and cannot be
  imported before they have names. These nets need none of them.
  """
  try:
    import torchvision  # noqa: PLC0415, F401
  except RuntimeError:
    for name in [n for n in sys.modules if n.startswith('torchvision')]:
      del sys.modules[name]
    library = torch.library.Library('torchvision', 'DEF')
    _kept.append(library)  # It defines them as long as it lives.
    for name in ('nms', 'qnms'):
      library.define(f'{name}(Tensor a, Tensor b, float c) -> Tensor')
  from torchvision.models import video  # noqa: PLC0415

  return video


def swin(name: str, clip, method: str) -> nn.Module:
  net = getattr(videos(), f'swin3d_{name}')(num_classes=400)
  net.head_fc = net.head
  for block in net.features.modules():
    if not hasattr(block, 'attn') or not hasattr(block, 'mlp'):
      continue
    d = block.norm1.normalized_shape[0]
    if method == 'adaptformer':
      block.mlp = Beside(block.mlp, d)
    if method == 'lora':
      nn.utils.parametrize.register_parametrization(
        block.attn.qkv, 'weight', Added(d)
      )
  if method == 'st_adapter':
    raise ValueError('not written for Swin')
  return video_first(net)


def convnet(preset: str, method: str) -> nn.Module:
  if method not in ('full', 'head'):
    raise ValueError(f'{method} is not written for convolutional nets')
  if preset == 'i3d':
    import convolution_speed  # noqa: PLC0415

    body = convolution_speed.inception(convolution_speed.OURS['I3D']())
    net = nn.Sequential(body, nn.AdaptiveAvgPool3d(1), nn.Flatten())
    net.add_module('head_fc', nn.Linear(1024, 400))
  elif preset == 'c3d':
    net = nn.Sequential(*c3d())
    net.add_module('head_fc', nn.Linear(512, 400))
  else:
    net = getattr(videos(), preset)()
    net.fc = nn.Identity()
    net = nn.Sequential(net)
    net.add_module('head_fc', nn.Linear(512, 400))
  return video_first(net.to(memory_format=torch.channels_last_3d))


def c3d() -> Iterator[nn.Module]:
  """Yields the layers of C3D with BatchNorm, without its classifier."""
  c = 3
  for i, widths in enumerate(
    ((64,), (128,), (256, 256), (512,) * 2, (512,) * 2)
  ):
    if i:
      yield nn.MaxPool3d((1 if i == 1 else 2, 2, 2))
    for d in widths:
      yield from (nn.Conv3d(c, d, 3, padding=1), nn.BatchNorm3d(d), nn.ReLU())
      c = d
  yield from (nn.AdaptiveAvgPool3d(1), nn.Flatten())


def net_of(preset: str, clip: tuple[int, int], method: str) -> nn.Module:
  """Returns the net, with what does not train frozen.

  Args:
    preset: of vidpetl/recipes/presets.
    clip: (frames, side).
    method: of `bench.METHODS`.
  """
  from vidpetl import backbones  # noqa: PLC0415

  if method == 'patt':
    raise ValueError('PATT is not written in PyTorch')
  fields = presets.find(preset).fields
  if fields['name'] == 'swin':
    net = swin(fields['variant'].lower(), clip, method)
  elif fields['name'] in ('vit', 'vivit'):
    net = ViT(clip, backbones.build(fields), method)
  else:
    net = convnet(preset, method)
  for name, parameter in net.named_parameters():
    trains = method == 'full' or 'site_' in name or 'head' in name
    parameter.requires_grad_(trains)
  return net.to(DEVICE)


class Theirs:
  """A training step in PyTorch."""

  def __init__(self, case: Any, ours: Any, compiled: bool):
    video = np.array(ours.batch['video'])
    clip = video.shape[1], video.shape[2]
    self.video = torch.tensor(video, device=DEVICE)
    self.label = torch.tensor(
      np.array(ours.batch['label']).astype(np.int64), device=DEVICE
    )
    self.net = net_of(case.preset, clip, case.method).train()
    self.trained = [p for p in self.net.parameters() if p.requires_grad]
    self.optimizer = torch.optim.AdamW(
      self.trained, lr=1e-3, weight_decay=0.0, fused=True
    )
    self.dtype = getattr(torch, case.dtype)
    self.forward = self.net.forward
    if DEVICE == 'cuda':
      torch.backends.cuda.matmul.allow_tf32 = True
      torch.backends.cudnn.benchmark = True
      torch.cuda.reset_peak_memory_stats()
    self.loss = torch.compile(self._loss) if compiled else self._loss

  def _loss(self, video, label):
    with torch.autocast(DEVICE, self.dtype, self.dtype != torch.float32):
      mirror = torch.rand(len(video), 1, 1, 1, 1, device=DEVICE) < 0.5
      x = torch.where(mirror, video.flip(3), video).float() / 255.0
      mean = torch.tensor((0.485, 0.456, 0.406), device=DEVICE)
      std = torch.tensor((0.229, 0.224, 0.225), device=DEVICE)
      logits = self.forward(((x - mean) / std).to(self.dtype))
    return F.cross_entropy(logits.float(), label, label_smoothing=0.1)

  def run(self, steps: int) -> None:
    for _ in range(steps):
      self.optimizer.zero_grad(set_to_none=True)
      self.loss(self.video, self.label).backward()
      torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
      self.optimizer.step()
    if DEVICE == 'cuda':
      torch.cuda.synchronize()

  def memory(self) -> int:
    return torch.cuda.max_memory_allocated() if DEVICE == 'cuda' else 0


def makers(compiled: bool, eager: bool) -> dict[str, Callable]:
  """Returns what makes each peer's step of (case, ours)."""
  wanted = {'compile': compiled, 'eager': eager}
  return {
    name: functools.partial(Theirs, compiled=name == 'compile')
    for name, asked in wanted.items()
    if asked
  }
