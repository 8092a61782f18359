"""Against plain PyTorch layers, put together by the published structures."""

import jax
import numpy as np
import pytest

from vidpetl.backbones import c3d, convolution, i3d, planes, resnet3d

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.torch

nn = torch.nn


def conv(c, d, kernel, stride=1, pad=0, bias=False, eps=1e-5):
  return nn.Sequential(
    nn.Conv3d(c, d, kernel, stride, pad, bias=bias), nn.BatchNorm3d(d, eps=eps)
  )


class Residual(nn.Module):
  """A basic block of R3D-18."""

  def __init__(self, c, d, stride):
    super().__init__()
    self.conv1 = conv(c, d, 3, stride, 1)
    self.conv2 = conv(d, d, 3, 1, 1)
    self.shortcut = conv(c, d, 1, stride) if stride > 1 or c != d else None

  def forward(self, x):
    short = x if self.shortcut is None else self.shortcut(x)
    return torch.relu(self.conv2(torch.relu(self.conv1(x))) + short)


class R3D(nn.Module):
  """R3D-18 of any depth, with the stem of Hara et al."""

  def __init__(self, width, depths):
    super().__init__()
    self.stem = conv(3, width, 7, (1, 2, 2), 3)
    self.pool = nn.MaxPool3d(3, 2, 1)
    c = width
    self.names = []
    for i, depth in enumerate(depths):
      for j in range(depth):
        d = width * 2**i
        self.names.append(f'stage{i + 1}_block{j}')
        stride = 2 if i and not j else 1
        self.add_module(self.names[-1], Residual(c, d, stride))
        c = d

  def forward(self, x):
    x = self.pool(torch.relu(self.stem(x)))
    for name in self.names:
      x = getattr(self, name)(x)
    return x


class Inception(nn.Module):
  """An Inception module of I3D, on sizes for which padding is symmetric."""

  def __init__(self, c, widths):
    super().__init__()
    k = widths
    self.b0 = conv(c, k[0], 1, eps=1e-3)
    self.b1a = conv(c, k[1], 1, eps=1e-3)
    self.b1b = conv(k[1], k[2], 3, 1, 1, eps=1e-3)
    self.b2a = conv(c, k[3], 1, eps=1e-3)
    self.b2b = conv(k[3], k[4], 3, 1, 1, eps=1e-3)
    self.b3b = conv(c, k[5], 1, eps=1e-3)
    # Zeros take part in the maximum.
    self.pool = nn.Sequential(nn.ConstantPad3d(1, 0.0), nn.MaxPool3d(3, 1))

  def forward(self, x):
    relu = torch.relu
    return torch.cat(
      [
        relu(self.b0(x)),
        relu(self.b1b(relu(self.b1a(x)))),
        relu(self.b2b(relu(self.b2a(x)))),
        relu(self.b3b(self.pool(x))),
      ],
      1,
    )


class C3D(nn.Module):
  """C3D's trunk: eight convolutions, four pools."""

  def __init__(self, w):
    super().__init__()
    widths = {
      'conv1.a': (3, w),
      'conv2.a': (w, 2 * w),
      'conv3.a': (2 * w, 4 * w),
      'conv3.b': (4 * w, 4 * w),
      'conv4.a': (4 * w, 8 * w),
      'conv4.b': (8 * w, 8 * w),
      'conv5.a': (8 * w, 8 * w),
      'conv5.b': (8 * w, 8 * w),
    }
    for i in range(1, 6):
      self.add_module(f'conv{i}', nn.Module())
    for name, (c, d) in widths.items():
      stage, letter = name.split('.')
      getattr(self, stage).add_module(letter, conv(c, d, 3, 1, 1, bias=True))

  def forward(self, x):
    relu, pool = torch.relu, nn.functional.max_pool3d
    x = pool(relu(self.conv1.a(x)), (1, 2, 2))
    x = pool(relu(self.conv2.a(x)), 2)
    x = pool(relu(self.conv3.b(relu(self.conv3.a(x)))), 2)
    x = pool(relu(self.conv4.b(relu(self.conv4.a(x)))), 2)
    return relu(self.conv5.b(relu(self.conv5.a(x))))


def to_torch(tree, prefix=()):
  """Yields (name, array) of what modules [Conv3d, BatchNorm3d] hold."""
  for key, value in tree.items():
    if isinstance(value, dict):
      yield from to_torch(value, (*prefix, key))
      continue
    layer = {'conv': '0', 'norm': '1'}[prefix[-1]]
    leaf = {
      'kernel': 'weight',
      'scale': 'weight',
      'mean': 'running_mean',
      'var': 'running_var',
    }.get(key, key)
    value = np.asarray(value, np.float32)
    if key == 'kernel':
      value = value.transpose(4, 3, 0, 1, 2)
    yield '.'.join((*prefix[:-1], layer, leaf)), torch.tensor(value)


def draw(module, *args):
  """Variables of the usual scale, none of them as it starts."""
  variables = jax.jit(lambda: module.init(jax.random.key(0), *args))()
  rng = np.random.default_rng(0)
  return jax.tree.map(
    lambda x: (x * rng.uniform(0.7, 1.3, x.shape) + 0.02).astype(np.float32),
    variables,
  )


def run(module, variables, *args):
  """Returns the output and the running statistics afterwards."""
  return jax.jit(lambda v: module.apply(v, *args, mutable='batch_stats'))(
    variables
  )


def channels_last(x):
  return x.detach().numpy().transpose(0, 2, 3, 4, 1)


def compare(ours, moved, theirs, variables, x):
  """Holds outputs and running statistics against a PyTorch module's.

  Args:
    ours: output [b, t, h, w, d].
    moved: running statistics afterwards.
    theirs: the module, in training or evaluation.
    variables: ours.
    x: input [b, t, h, w, c].
  """
  state = dict(to_torch(variables['params']))
  state |= dict(to_torch(variables['batch_stats']))
  missing, unexpected = theirs.load_state_dict(state, strict=False)
  assert not unexpected
  assert all(name.endswith('num_batches_tracked') for name in missing)
  counts = {}  # Places per channel, by which PyTorch's variance differs.
  for name, layer in theirs.named_modules():
    if isinstance(layer, nn.BatchNorm3d):
      layer.register_forward_hook(
        lambda layer, given, out, name=name: counts.update(
          {name: out.numel() / out.shape[1]}
        )
      )
  expected = theirs(torch.tensor(x.transpose(0, 4, 1, 2, 3)))
  np.testing.assert_allclose(
    ours, channels_last(expected), rtol=1e-4, atol=1e-4
  )
  running = dict(theirs.named_buffers())
  for name, value in to_torch(moved['batch_stats']):
    other = running[name]
    if theirs.training and name.endswith('var'):
      n = counts[name.removesuffix('.running_var')]
      before = 0.9 * state[name]
      other = before + (other - before) * (n - 1) / n
    np.testing.assert_allclose(value, other, rtol=1e-4, atol=1e-4)


def volume(*shape):
  return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize('train', [True, False])
def test_inception(train):
  widths = (4, 6, 8, 2, 4, 4)
  unit = i3d.build(variant='hassony2').unit(train, convolution.static)
  module = i3d.Inception(widths, unit, convolution.static)
  x = volume(2, 4, 6, 5, 12)  # Half of it negative, as adapters leave it.
  variables = draw(module, x)
  ours, moved = run(module, variables, x)
  compare(ours, moved, Inception(12, widths).train(train), variables, x)


@pytest.mark.parametrize('train', [True, False])
@pytest.mark.parametrize('c, d, stride', [(4, 4, 1), (4, 8, 2)])
def test_basic_block(train, c, d, stride):
  net = resnet3d.build(variant='r3d_18')
  module = resnet3d.BasicBlock(
    d, stride, *net.make_convolutions(net.unit(train))
  )
  x = volume(2, 4, 7, 6, c)
  variables = draw(module, x)
  ours, moved = run(module, variables, x)
  compare(ours, moved, Residual(c, d, stride).train(train), variables, x)


@pytest.mark.parametrize('train', [True, False])
def test_r3d_as_a_whole(train):
  model = resnet3d.build(variant='hara', width=4, depths=(2, 1, 1, 1))
  x = volume(2, 9, 33, 28, 3)
  variables = draw(model, x, False)
  ours, moved = run(model, variables, x, train)
  theirs = R3D(4, (2, 1, 1, 1)).train(train)
  compare(ours.grid, moved, theirs, variables, x)


@pytest.mark.parametrize('train', [True, False])
def test_c3d(train):
  model = c3d.build(width=4)
  x = volume(2, 16, 37, 32, 3)
  variables = draw(model, x, False)
  ours, moved = run(model, variables, x, train)
  compare(ours.grid, moved, C3D(4).train(train), variables, x)


@pytest.mark.parametrize('sizes', [(9, 7, 7), (8, 7, 6), (2, 1, 3)])
@pytest.mark.parametrize(
  'kernel, strides, after',
  [((1, 3, 3), (1, 2, 2), (0, 1)), ((2, 2, 2), (2, 2, 2), (0, 0))],
)
def test_max_pool_is_pytorchs_in_ceil_mode(sizes, kernel, strides, after):
  x = volume(1, *sizes, 2)
  ours = i3d.max_pool(x, kernel, strides, convolution.static)
  around = (*after, *after, 0, 0)
  padded = nn.functional.pad(
    torch.tensor(x.transpose(0, 4, 1, 2, 3)), around, value=0.0
  )
  theirs = nn.functional.max_pool3d(padded, kernel, strides, ceil_mode=True)
  np.testing.assert_array_equal(ours, channels_last(theirs))


@pytest.mark.parametrize('stride', [(1, 2, 2), (2, 2, 2)])
def test_both_forms_of_convolution(stride):
  x, kernel = volume(2, 6, 9, 8, 3), volume(7, 7, 7, 3, 4)
  theirs = nn.functional.conv3d(
    torch.tensor(x.transpose(0, 4, 1, 2, 3)),
    torch.tensor(kernel.transpose(4, 3, 0, 1, 2)),
    stride=stride,
    padding=3,
  )
  for form in (convolution.direct, planes.by_taps):
    np.testing.assert_allclose(
      form(x, kernel, stride, ((3, 3),) * 3),
      channels_last(theirs),
      rtol=1e-4,
      atol=1e-3,
    )
