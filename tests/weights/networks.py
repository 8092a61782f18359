"""Published 3-D networks of any width, under the names of their files.

Plain PyTorch layers, put together as the publications and their code describe;
`forward` is features [b, d, t, h, w].
"""

import torch
from flax_i3d import WIDTHS
from torch import nn

relu = torch.relu


def features_of(model, video):
  """Returns what a network makes of [b, t, h, w, 3], as [b, t, h, w, d]."""
  with torch.no_grad():
    volume = model(torch.from_numpy(video.transpose(0, 4, 1, 2, 3)))
  return volume.numpy().transpose(0, 2, 3, 4, 1)


def norm(d):
  return nn.BatchNorm3d(d)


class Unit(nn.Module):
  """hassony2's unit, whose padding in time depends on what is left over."""

  norm = 'batch3d'
  epsilon = 1e-3
  axes = (0,)  # Those whose padding depends on the size.

  def __init__(self, c, d, kernel=1, stride=1):
    super().__init__()
    self.conv3d = nn.Conv3d(c, d, kernel, stride, bias=False)
    self.add_module(self.norm, nn.BatchNorm3d(d, eps=self.epsilon))

  def forward(self, x):
    x = pad(x, self.conv3d.kernel_size, self.conv3d.stride, self.axes)
    return relu(getattr(self, self.norm)(self.conv3d(x)))


class StaticUnit(Unit):
  """CoRe's copy of hassony2's: of any size, it pads as of an even one."""

  epsilon = 1e-5
  axes = ()


class PiergiajUnit(Unit):
  """piergiaj's, whose padding is TensorFlow's along every axis."""

  norm = 'bn'
  axes = (0, 1, 2)


def pad(x, kernel, stride, axes):
  """Pads [b, d, t, h, w] with zeros, along some axes by what is left over."""
  around = []
  for axis, (k, s) in enumerate(zip(kernel, stride)):
    left = x.shape[2 + axis] % s if axis in axes else 0
    needed = max(k - (left or s), 0)
    around = [needed // 2, needed - needed // 2, *around]
  return nn.functional.pad(x, around)


def max_pool(x, kernel, stride, axes):
  """Max-pools with zeros around; the last window may lack something."""
  x = pad(x, kernel, stride, axes)
  return nn.functional.max_pool3d(x, kernel, stride, ceil_mode=True)


class Inception(nn.Module):
  def __init__(self, unit, names, c, widths):
    super().__init__()
    a, b, d, e, f, g = widths
    sizes = [(c, a), (c, b), (b, d, 3), (c, e), (e, f, 3), (c, g)]
    self.branches, self.axes = names, unit.axes
    for name, size in zip(names, sizes):
      *folder, last = name.split('.')
      parent = self
      if folder:
        if not hasattr(self, folder[0]):
          self.add_module(folder[0], nn.Module())
        parent = getattr(self, folder[0])
      parent.add_module(last, unit(*size))

  def forward(self, x):
    b0, b1a, b1b, b2a, b2b, b3b = map(self.get_submodule, self.branches)
    pooled = max_pool(x, (3, 3, 3), (1, 1, 1), self.axes)
    return torch.cat([b0(x), b1b(b1a(x)), b2b(b2a(x)), b3b(pooled)], 1)


class I3D(nn.Module):
  """I3D by hassony2, as CoRe has it ('pecop'), or by piergiaj."""

  def __init__(self, by, width=64, classes=400):
    super().__init__()
    of = lambda w: w * width // 64
    if by in ('hassony2', 'pecop'):
      unit = Unit if by == 'hassony2' else StaticUnit
      first, mixed, logits = 'conv3d', 'mixed', 'conv3d_0c_1x1'
      names = 'branch_0 branch_1.0 branch_1.1 branch_2.0 branch_2.1 branch_3.1'
    else:
      unit, first, mixed, logits = PiergiajUnit, 'Conv3d', 'Mixed', 'logits'
      names = 'b0 b1a b1b b2a b2b b3b'
    self.axes = unit.axes
    self.stem = [f'{first}_{n}' for n in ('1a_7x7', '2b_1x1', '2c_3x3')]
    self.add_module(self.stem[0], unit(3, of(64), 7, 2))
    self.add_module(self.stem[1], unit(of(64), of(64)))
    self.add_module(self.stem[2], unit(of(64), of(192), 3))
    c, self.mixed = of(192), {}
    for name, widths in WIDTHS.items():
      widths = [of(w) for w in widths]
      self.mixed[name] = f'{mixed}_{name}'
      self.add_module(
        self.mixed[name], Inception(unit, names.split(), c, widths)
      )
      c = widths[0] + widths[2] + widths[4] + widths[5]
    self.add_module(logits, nn.Module())
    getattr(self, logits).conv3d = nn.Conv3d(c, classes, 1)

  def forward(self, x):
    first, second, third = (getattr(self, name) for name in self.stem)
    x = max_pool(first(x), (1, 3, 3), (1, 2, 2), self.axes)
    x = max_pool(third(second(x)), (1, 3, 3), (1, 2, 2), self.axes)
    for name, module in self.mixed.items():
      if name == '4b':
        x = max_pool(x, (3, 3, 3), (2, 2, 2), self.axes)
      if name == '5b':
        x = max_pool(x, (2, 2, 2), (2, 2, 2), self.axes)
      x = getattr(self, module)(x)
    return x


class Basic(nn.Module):
  """Hara's basic block, with a shortcut of type B or A."""

  def __init__(self, c, d, stride, type_a=False):
    super().__init__()
    self.conv1 = nn.Conv3d(c, d, 3, stride, 1, bias=False)
    self.bn1 = norm(d)
    self.conv2 = nn.Conv3d(d, d, 3, 1, 1, bias=False)
    self.bn2 = norm(d)
    self.downsample = None
    if stride > 1 and not type_a:
      conv = nn.Conv3d(c, d, 1, stride, bias=False)
      self.downsample = nn.Sequential(conv, norm(d))

  def forward(self, x):
    y = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
    return relu(y + (self.downsample(x) if self.downsample else x))


class Hara(nn.Module):
  """Hara et al.'s ResNet, which RSPNet has as well."""

  def __init__(self, width=64, depths=(2, 2, 2, 2), classes=400, type_a=False):
    super().__init__()
    self.conv1 = nn.Conv3d(3, width, 7, (1, 2, 2), 3, bias=False)
    self.bn1 = norm(width)
    c = width
    for i, depth in enumerate(depths):
      blocks = []
      for j in range(depth):
        d = width * 2**i
        blocks.append(Basic(c, d, 2 if i and not j else 1, type_a))
        c = d
      self.add_module(f'layer{i + 1}', nn.Sequential(*blocks))
    self.fc = nn.Linear(c, classes)

  def forward(self, x):
    x = nn.functional.max_pool3d(relu(self.bn1(self.conv1(x))), 3, 2, 1)
    return self.layer4(self.layer3(self.layer2(self.layer1(x))))


class C3D(nn.Module):
  """VCOP's C3D, which is RSPNet's."""

  def __init__(self, width=64, classes=101):
    super().__init__()
    w, c = width, 3
    self.names = ['1', '2', '3a', '3b', '4a', '4b', '5a', '5b']
    for name, times in zip(self.names, (1, 2, 4, 4, 8, 8, 8, 8)):
      self.add_module(f'conv{name}', nn.Conv3d(c, times * w, 3, padding=1))
      self.add_module(f'bn{name}', norm(times * w))
      c = times * w
    self.linear = nn.Linear(c, classes)

  def forward(self, x):
    for name in self.names:
      if name in ('2', '3a', '4a', '5a'):
        x = nn.functional.max_pool3d(x, (1 if name == '2' else 2, 2, 2))
      conv, bn = getattr(self, f'conv{name}'), getattr(self, f'bn{name}')
      x = relu(bn(conv(x)))
    return x


class Factors(nn.Module):
  """VCOP's factorised convolution, without the BatchNorm behind it."""

  def __init__(self, c, d, kernel, stride):
    super().__init__()
    (i, j, _), (by_t, by_s, _) = kernel, stride
    between = i * j * j * c * d // (j * j * c + i * d)
    self.spatial_conv = nn.Conv3d(
      c, between, (1, j, j), (1, by_s, by_s), (0, j // 2, j // 2), bias=False
    )
    self.bn = norm(between)
    self.temporal_conv = nn.Conv3d(
      between, d, (i, 1, 1), (by_t, 1, 1), (i // 2, 0, 0), bias=False
    )

  def forward(self, x):
    return self.temporal_conv(relu(self.bn(self.spatial_conv(x))))


class FactorisedBlock(nn.Module):
  def __init__(self, c, d, stride):
    super().__init__()
    self.conv1 = Factors(c, d, (3, 3, 3), (stride,) * 3)
    self.bn1 = norm(d)
    self.conv2 = Factors(d, d, (3, 3, 3), (1, 1, 1))
    self.bn2 = norm(d)
    self.shortens = stride > 1
    if self.shortens:
      self.downsampleconv = Factors(c, d, (1, 1, 1), (stride,) * 3)
      self.downsamplebn = norm(d)

  def forward(self, x):
    y = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
    if self.shortens:
      x = self.downsamplebn(self.downsampleconv(x))
    return relu(x + y)


class R2Plus1D(nn.Module):
  """VCOP's R(2+1)D of one block per stage, which is RSPNet's."""

  def __init__(self, width=64, classes=101):
    super().__init__()
    self.conv1 = Factors(3, width, (3, 7, 7), (1, 2, 2))
    self.bn1 = norm(width)
    c = width
    for i in range(4):
      d = width * 2**i
      stage = nn.Module()
      stage.block1 = FactorisedBlock(c, d, 2 if i else 1)
      self.add_module(f'conv{i + 2}', stage)
      c = d
    self.linear = nn.Linear(c, classes)

  def forward(self, x):
    x = relu(self.bn1(self.conv1(x)))
    for i in range(4):
      x = getattr(self, f'conv{i + 2}').block1(x)
    return x
