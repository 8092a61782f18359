"""How fast the convolutional backbones are on CPU, next to PyTorch's.

  .venv/bin/python launch/convolution_speed.py

Prints the seconds of R3D-18 and I3D for a forward pass in evaluation and for a
training step (BatchNorm by the batch, the gradients of the sum of squares of
the output): here and in PyTorch, with the same weights and as many threads;
and, for --direct, here with `convolution.direct` in the place of `by_taps`,
which takes many times as long. Each is the least of some repetitions made in
turns. Needs PyTorch and the memory of both.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable, Sequence
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

from vidpetl.backbones import convolution, i3d, planes, resnet3d

try:
  import torch
except ImportError as error:
  raise SystemExit('PyTorch is missing: pip install .[torch]') from error

nn = torch.nn

FORMS = {'ours': planes.by_taps, 'direct': convolution.direct}
OURS = {
  'R3D-18': lambda: resnet3d.build(variant='r3d_18'),
  'I3D': lambda: i3d.build(variant='pecop'),
}


class Unit(nn.Module):
  """Convolution, BatchNorm and, if `relu`, ReLU."""

  def __init__(self, c, d, kernel=(1, 1, 1), strides=(1, 1, 1), *, pad, relu=1):
    super().__init__()
    pads = pad(None, kernel, strides)
    even = all(before == after for before, after in pads)
    # PyTorch's own padding is symmetric.
    self.pads = None if even else [n for pad in pads[::-1] for n in pad]
    own = [before if even else 0 for before, _ in pads]
    self.conv = nn.Conv3d(c, d, kernel, strides, own, bias=False)
    self.norm = nn.BatchNorm3d(d)
    self.relu = nn.ReLU(inplace=True) if relu else nn.Identity()

  def forward(self, x):
    if self.pads:
      x = nn.functional.pad(x, self.pads)
    return self.relu(self.norm(self.conv(x)))


class BasicBlock(nn.Module):
  def __init__(self, c, d, stride):
    super().__init__()
    pad, strides, cube = convolution.centred, (stride,) * 3, (3, 3, 3)
    self.conv1 = Unit(c, d, cube, strides, pad=pad)
    self.conv2 = Unit(d, d, cube, pad=pad, relu=False)
    self.shortcut = nn.Identity()
    if stride > 1 or c != d:
      self.shortcut = Unit(c, d, strides=strides, pad=pad, relu=False)

  def forward(self, x):
    return torch.relu(self.conv2(self.conv1(x)) + self.shortcut(x))


def r3d(model: resnet3d.ResNet3D) -> nn.Module:
  """Returns the same net, [b, 3, T, H, W] to [b, d, t, h, w]."""
  net, c = nn.Sequential(), 3
  stem = Unit(c, model.width, model.stem, (1, 2, 2), pad=convolution.centred)
  net.add_module('stem', stem)
  c = model.width
  for i, depth in enumerate(model.depths):
    for j in range(depth):
      d, stride = model.width * 2**i, 2 if i and not j else 1
      net.add_module(f'stage{i + 1}_block{j}', BasicBlock(c, d, stride))
      c = d
  return net


class MaxPool(nn.Module):
  def __init__(self, kernel, strides):
    super().__init__()
    pads = convolution.static(None, kernel, strides)
    self.pads = [n for pad in pads[::-1] for n in pad]
    self.pool = nn.MaxPool3d(kernel, strides, ceil_mode=True)

  def forward(self, x):
    return self.pool(nn.functional.pad(x, self.pads))


class Inception(nn.Module):
  def __init__(self, c, k):
    super().__init__()
    pad, cube = convolution.static, (3, 3, 3)
    self.b0 = Unit(c, k[0], pad=pad)
    self.b1a = Unit(c, k[1], pad=pad)
    self.b1b = Unit(k[1], k[2], cube, pad=pad)
    self.b2a = Unit(c, k[3], pad=pad)
    self.b2b = Unit(k[3], k[4], cube, pad=pad)
    self.b3b = Unit(c, k[5], pad=pad)
    self.pool = MaxPool(cube, (1, 1, 1))

  def forward(self, x):
    branches = (
      self.b0(x),
      self.b1b(self.b1a(x)),
      self.b2b(self.b2a(x)),
      self.b3b(self.pool(x)),
    )
    return torch.cat(branches, 1)


def inception(model: i3d.I3D) -> nn.Module:
  """Returns the same net, [b, 3, T, H, W] to [b, d, t, h, w]."""
  net, wide, pad = nn.Sequential(), model.width, convolution.static
  net.add_module('conv_1a', Unit(3, wide, (7, 7, 7), (2, 2, 2), pad=pad))
  net.add_module('pool_2', MaxPool((1, 3, 3), (1, 2, 2)))
  net.add_module('conv_2b', Unit(wide, wide, pad=pad))
  net.add_module('conv_2c', Unit(wide, 3 * wide, (3, 3, 3), pad=pad))
  c = 3 * wide
  for stage, modules in i3d._STAGES.items():
    net.add_module(f'pool_{stage}', MaxPool(*i3d._POOLS[stage]))
    for letter, widths in modules.items():
      widths = [w * wide // i3d._WIDTH for w in widths]
      net.add_module(f'mixed_{stage}{letter}', Inception(c, widths))
      c = widths[0] + widths[2] + widths[4] + widths[5]
  return net


THEIRS = {'R3D-18': r3d, 'I3D': inception}
_NAMES = {
  'kernel': 'weight',
  'scale': 'weight',
  'mean': 'running_mean',
  'var': 'running_var',
}


def copy_weights(variables: dict, net: nn.Module) -> None:
  """Gives `net` the parameters and statistics of the same net here."""
  state = net.state_dict()
  flat = jax.tree_util.tree_flatten_with_path(variables)[0]
  for path, x in flat:
    _, *modules, leaf = (key.key for key in path)
    x = np.asarray(x)
    x = x.transpose(4, 3, 0, 1, 2) if leaf == 'kernel' else x
    name = '.'.join((*modules, _NAMES.get(leaf, leaf)))
    state[name].copy_(torch.tensor(x))
  counts = sum(name.endswith('num_batches_tracked') for name in state)
  if len(flat) + counts != len(state):
    raise ValueError('the nets do not have the same weights')


def passes_here(
  model: convolution.ConvNet, variables: dict, video: jax.Array, form: Callable
) -> dict[str, Callable[[], jax.Array]]:
  """Returns the forward pass and training step, compiled, with a form."""

  def forward(variables, video):
    return model.apply(variables, video, False).grid

  def loss(params, video):
    given = {**variables, 'params': params}
    y, moved = model.apply(given, video, True, mutable='batch_stats')
    return jnp.sum(y.grid**2), moved

  step = jax.grad(loss, has_aux=True)
  with mock.patch.object(convolution, 'form', lambda: form):
    forward = jax.jit(forward).lower(variables, video).compile()
    step = jax.jit(step).lower(variables['params'], video).compile()
  return {
    'forward': lambda: jax.block_until_ready(forward(variables, video)),
    'training step': lambda: jax.block_until_ready(
      step(variables['params'], video)
    ),
  }


def passes_in_torch(
  net: nn.Module, video: jax.Array
) -> dict[str, Callable[[], torch.Tensor]]:
  """Returns the forward pass and training step."""
  video = torch.tensor(np.moveaxis(np.asarray(video), -1, 1).copy())

  def forward():
    with torch.inference_mode():
      return net.eval()(video)

  def step():
    net.zero_grad()
    net.train()(video).square().sum().backward()

  return {'forward': forward, 'training step': step}


def make(
  name: str, shape: tuple[int, ...], forms: Sequence[str]
) -> dict[str, dict[str, Callable]]:
  """Returns what is timed, by where and what.

  Args:
    name: of the net.
    shape: of the video, [b, T, H, W, 3].
    forms: of convolution, here.

  Raises:
    ValueError: if the outputs are not the same.
  """
  model = OURS[name]()
  rng = np.random.default_rng(0)
  video = jnp.asarray(rng.normal(size=shape), jnp.float32)
  init = jax.jit(lambda: model.init(jax.random.key(0), video, False))
  variables = init()
  net = THEIRS[name](model)
  copy_weights(variables, net)
  passes = {
    form: passes_here(model, variables, video, FORMS[form]) for form in forms
  }
  passes['PyTorch'] = passes_in_torch(net, video)
  ours, theirs = (passes[where]['forward']() for where in ('ours', 'PyTorch'))
  theirs = np.moveaxis(theirs.numpy(), 1, -1)
  if not np.allclose(ours, theirs, rtol=1e-3, atol=1e-3 * abs(theirs).max()):
    raise ValueError(f'{name} here and in PyTorch differ')
  return passes


def measure(
  passes: dict[str, Callable[[], object]], repeats: int
) -> dict[str, float]:
  """Returns the least seconds of each, run in turns after once for nothing."""
  least = dict.fromkeys(passes, math.inf)
  for repeat in range(repeats + 1):
    for where, run in passes.items():
      began = time.perf_counter()
      run()
      if repeat:
        least[where] = min(least[where], time.perf_counter() - began)
  return least


def rows(
  name: str, shape: tuple[int, ...], forms: Sequence[str], repeats: int
) -> list[str]:
  """Returns those of the table that are about a net."""
  passes = make(name, shape, forms)
  lines = []
  for what in passes['ours']:
    least = measure({at: own[what] for at, own in passes.items()}, repeats)
    cells = [name, ' × '.join(map(str, shape[:4])), what]
    cells += [f'{seconds:.2f}' for seconds in least.values()]
    cells += [f'{least["ours"] / least["PyTorch"]:.2f}']
    lines.append('| ' + ' | '.join(cells) + ' |')
  return lines


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--frames', type=int, default=16)
  parser.add_argument('--size', type=int, help='112 for R3D-18, 224 for I3D')
  parser.add_argument('--batch', type=int, help='2 for R3D-18, 1 for I3D')
  parser.add_argument('--repeats', type=int, default=3)
  parser.add_argument('--direct', action='store_true', help='that as well')
  args = parser.parse_args()
  jax.config.update('jax_platforms', 'cpu')
  threads = len(os.sched_getaffinity(0))
  torch.set_num_threads(threads)
  load = os.getloadavg()[0]
  print(f'{threads} threads; load average at the start {load:.1f}\n')
  forms = list(FORMS) if args.direct else ['ours']
  columns = ['net', 'input', 'what', *(f'{at}, s' for at in forms)]
  columns += ['PyTorch, s', 'ours / PyTorch']
  print('| ' + ' | '.join(columns) + ' |')
  print('|---' * len(columns) + '|')
  for name, batch, size in (('R3D-18', 2, 112), ('I3D', 1, 224)):
    size = args.size or size
    shape = (args.batch or batch, args.frames, size, size, 3)
    for line in rows(name, shape, forms, args.repeats):
      print(line, flush=True)
  print(f'\nLoad average at the end: {os.getloadavg()[0]:.1f}')


if __name__ == '__main__':
  main()
