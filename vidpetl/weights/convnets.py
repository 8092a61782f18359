"""Rules and layouts that families of 3-D convolutional networks share."""

from __future__ import annotations

from collections.abc import Callable

from vidpetl.weights import rules
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.family import Layout, Shapes

HEAD = tuple(rules.dense('fc', 'output_projection'))

COUNTS = {
  r'\.num_batches_tracked$': 'counts of steps, which BatchNorm does not use',
}

# Our I3D's modules of one unit each, and where its Inceptions have theirs.
_SINGLES = ('1a_7x7', '2b_1x1', '2c_3x3')
INCEPTIONS = ('3b', '3c', '4b', '4c', '4d', '4e', '4f', '5b', '5c')
_BRANCHES = ('b0', 'b1a', 'b1b', 'b2a', 'b2b', 'b3b')


def unit(
  conv: str, norm: str, ours: str, bias: bool = False
) -> list[rules.Rule]:
  """Rules of a convolution and the BatchNorm behind it."""
  convolution = rules.dense(conv, f'{ours}/conv', rules.CONV)
  return [
    *(convolution if bias else convolution[:1]),
    *rules.batch_norm(norm, f'{ours}/norm'),
  ]


def i3d(
  single: str, inception: str, norm: str, branches: dict[str, str]
) -> list[rules.Rule]:
  """Rules of an I3D.

  Args:
    single: name of the first three units, with '{}' for '1a_7x7' and so on.
    inception: name of the Inception modules, with '{}' for '3b' and so on.
    norm: name of a unit's BatchNorm.
    branches: our name of an Inception module's units -> theirs.
  """
  units = {single.format(n): f'conv_{n[:2]}' for n in _SINGLES}
  units |= {
    f'{inception.format(n)}.{branches[b]}': f'mixed_{n}/{b}'
    for n in INCEPTIONS
    for b in _BRANCHES
  }
  return [
    each
    for theirs, ours in units.items()
    for each in unit(f'{theirs}.conv3d', f'{theirs}.{norm}', ours)
  ]


def i3d_layout(shapes: Shapes, variant: str) -> Layout:
  """Returns the layout of an I3D, which is as wide as its first filters."""
  width = _width(shapes, 'conv_1a/conv/kernel')
  return Layout(
    {'name': 'i3d', 'variant': variant, 'width': width}, (16, 224, 224)
  )


def refuse_flow(shapes: Shapes, first: str) -> None:
  """Raises WeightsError if the first filters are not for three colours."""
  shape = shapes.get(first, ())
  if len(shape) == 5 and shape[1] != 3:
    raise WeightsError(
      f'{first} takes {shape[1]} channels, so these weights are for optical '
      'flow; the backbone takes RGB'
    )


def resnet(
  stem: list[rules.Rule],
  conv: Callable[[str, int, str], list[rules.Rule]],
) -> tuple[rules.Rule, ...]:
  """Rules of a ResNet of basic blocks, by torchvision's and Hara's names.

  Args:
    stem: its rules.
    conv: given a block's name, 1 or 2, and our module, rules of that one of
      the block's convolutions.
  """
  found = list(stem)
  for s in range(1, 5):
    for number in (1, 2):
      ours = f'stage{s}_block{{i}}/conv{number}'
      found += conv(f'layer{s}.{{i}}', number, ours)
    if s > 1:
      short = f'layer{s}.0.downsample'
      ours = f'stage{s}_block0/shortcut'
      found += unit(f'{short}.0', f'{short}.1', ours)
  return tuple(found)


def hara() -> tuple[rules.Rule, ...]:
  """Rules of the R3D of Hara et al., of any number of basic blocks."""
  return resnet(
    unit('conv1', 'bn1', 'stem'),
    lambda block, n, ours: unit(f'{block}.conv{n}', f'{block}.bn{n}', ours),
  )


def resnet_layout(
  shapes: Shapes, variant: str, video: tuple[int, int, int]
) -> Layout:
  """Returns the layout of a ResNet, whose depths are what blocks there are."""
  blocks = {name.split('/')[0] for name in shapes if name.startswith('stage')}
  depths = [
    sum(block.startswith(f'stage{s}_') for block in blocks) for s in range(1, 5)
  ]
  width = _width(shapes, 'stem/conv/kernel', 'stem/temporal/conv/kernel')
  backbone = {'name': 'resnet3d', 'variant': variant, 'width': width}
  return Layout({**backbone, 'depths': depths}, video)


def c3d_layout(shapes: Shapes) -> Layout:
  width = _width(shapes, 'conv1/a/conv/kernel')
  return Layout({'name': 'c3d', 'width': width}, (16, 112, 112))


def _width(shapes: Shapes, *kernels: str) -> int:
  """Returns how many filters the first of these kernels that is there has."""
  for name in kernels:
    if name in shapes:
      return shapes[name][-1]
  raise WeightsError(f'there is no {" or ".join(kernels)}, so no first layer')
