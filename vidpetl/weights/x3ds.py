"""Rules and layouts of X3D, by PySlowFast's and PyTorchVideo's names."""

from __future__ import annotations

import dataclasses

from vidpetl.weights import convnets, rules
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.family import Layout, Rules, Shapes

_STAGES = range(1, 5)
_EACH = 'c 1 t h w -> t h w c'

Unit = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Names:
  """How a publisher calls the parts of an X3D.

  Attributes:
    stem: its convolution in space, that in time, and its BatchNorm.
    block: of a block, with '{s}' for the stage and '{i}'.
    shortcut: its convolution and BatchNorm.
    units: the three of a block's branch, each the same.
    excitation: the two layers that weigh channels.
    conv_5: the head's convolution and BatchNorm.
    lin_5: the head's layer behind the pooling.
    first: number of the first stage.
    shortcut_norm: whether the first stage's shortcut has a BatchNorm.
  """

  stem: tuple[str, str, str]
  block: str
  shortcut: Unit
  units: tuple[Unit, Unit, Unit]
  excitation: tuple[str, str]
  conv_5: Unit
  lin_5: str
  first: int
  shortcut_norm: bool


def make(names: Names) -> Rules:
  """Returns the rules of an X3D by such names."""
  spatial, temporal, norm = names.stem
  found = [
    rules.rule(f'{spatial}.weight', 'stem_spatial/kernel', rules.CONV),
    *_alone((temporal, norm), 'stem'),
    *convnets.unit(*names.conv_5, 'conv_5'),
    rules.rule(f'{names.lin_5}.weight', 'lin_5/kernel', rules.POINT_CONV),
  ]
  for stage in _STAGES:
    at = names.block.replace('{s}', str(stage - 1 + names.first))
    ours = f'stage{stage}_block{{i}}'
    below = lambda unit, at=at: tuple(f'{at}.{part}' for part in unit)
    a, b, c = map(below, names.units)
    found += convnets.unit(*a, f'{ours}/a')
    found += _alone(b, f'{ours}/b')
    found += convnets.unit(*c, f'{ours}/c')
    for layer, theirs in zip(('fc1', 'fc2'), below(names.excitation)):
      found += [
        dataclasses.replace(each, every=2)
        for each in rules.dense(theirs, f'{ours}/se/{layer}', rules.POINT_CONV)
      ]
    conv, norm = (part.replace('{i}', '0') for part in below(names.shortcut))
    ours = f'stage{stage}_block0/shortcut'
    if stage > 1 or names.shortcut_norm:
      found += convnets.unit(conv, norm, ours)
    else:
      found.append(rules.rule(f'{conv}.weight', f'{ours}/kernel', rules.CONV))
  return tuple(found)


def _alone(theirs: Unit, ours: str) -> list[rules.Rule]:
  """Rules of a convolution of each channel, and its BatchNorm."""
  conv, norm = theirs
  return [
    rules.rule(f'{conv}.weight', f'{ours}/conv/kernel', _EACH),
    *rules.batch_norm(norm, f'{ours}/norm'),
  ]


def layout(shapes: Shapes) -> Layout:
  """Returns the layout of an X3D.

  Raises:
    WeightsError: if widths do not double from stage to stage.
  """
  width = shapes['stem_spatial/kernel'][-1]
  for stage in _STAGES:
    found = shapes[f'stage{stage}_block0/c/conv/kernel'][-1]
    if found != width * 2 ** (stage - 1):
      raise WeightsError(
        f'stage {stage} has {found} channels, behind a stem of {width}: in '
        'the X3Ds that are published a stage has twice those before it'
      )
  return Layout(
    {
      'name': 'x3d',
      'width': width,
      'depths': [_depth(shapes, stage) for stage in _STAGES],
      'summary': shapes['lin_5/kernel'][-1],
      'shortcut_norm': 'stage1_block0/shortcut/kernel' not in shapes,
    },
    (16, 224, 224),
  )


def _depth(shapes: Shapes, stage: int) -> int:
  start = f'stage{stage}_block'
  return len({n.split('/')[0] for n in shapes if n.startswith(start)})
