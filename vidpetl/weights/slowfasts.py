"""Rules and layouts of SlowFast, by PySlowFast's and PyTorchVideo's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vidpetl.weights import convnets, settings
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.family import Layout, Rules, Shapes

# Of pixels; in PySlowFast's defaults and PyTorchVideo's tutorials.
NORMALISATION = ((0.45,) * 3, (0.225,) * 3)
PATHWAYS = ('slow', 'fast')
_STAGES = range(1, 5)
# Frames that the first kernels of blocks see, by pathway and stage.
_FRAMES = {'slow': (1, 1, 3, 3), 'fast': (3, 3, 3, 3)}

DILATED = settings.Unshown(
  'dilated',
  {False: 'of clips, as Kinetics', True: 'of people, as AVA'},
  False,
)
# Of R50, kernels between pathways see 7 frames with alpha=4, and 5 with 8.
ALPHA = tuple(
  settings.Unshown(
    'alpha', {4: '8x8', 8: '4x16'}, taken, where={'lateral': lateral}
  )
  for lateral, taken in ((7, 4), (5, 8))
)


def make(
  pathways: tuple[str, ...],
  stem: Callable[[str], tuple[str, str]],
  lateral: Callable[[int], tuple[str, str]],
  block: Callable[[str, int], str],
  units: dict[str, tuple[str, str]],
) -> Rules:
  """Returns the rules of a SlowFast.

  Args:
    pathways: of `PATHWAYS`.
    stem: from a pathway to its convolution and BatchNorm.
    lateral: the same, of what is before a stage, from 1.
    block: from a pathway and a stage to a block's name with '{i}'.
    units: our name of a block's unit -> its convolution and BatchNorm there.
  """
  found = []
  for pathway in pathways:
    found += convnets.unit(*stem(pathway), f'{pathway}_stem')
    for stage in _STAGES:
      theirs = block(pathway, stage)
      for name, (conv, norm) in units.items():
        number = '0' if name == 'shortcut' else '{i}'
        at = theirs.replace('{i}', number)
        ours = f'{pathway}_stage{stage}_block{number}/{name}'
        found += convnets.unit(f'{at}.{conv}', f'{at}.{norm}', ours)
  if len(pathways) > 1:
    for stage in _STAGES:
      found += convnets.unit(*lateral(stage), f'lateral{stage}')
  return tuple(found)


def pytorchvideo(pathways: tuple[str, ...]) -> Rules:
  """Rules by the names of PyTorchVideo."""
  several = len(pathways) > 1

  def part(stage: int, pathway: str) -> str:
    inside = f'.multipathway_blocks.{PATHWAYS.index(pathway)}'
    return f'blocks.{stage}' + (inside if several else '')

  def lateral(stage: int) -> tuple[str, str]:
    fusion = f'blocks.{stage - 1}.multipathway_fusion'
    return f'{fusion}.conv_fast_to_slow', f'{fusion}.norm'

  return make(
    pathways,
    lambda p: (f'{part(0, p)}.conv', f'{part(0, p)}.norm'),
    lateral,
    lambda p, stage: f'{part(stage, p)}.res_blocks.{{i}}',
    {
      'shortcut': ('branch1_conv', 'branch1_norm'),
      **{n: (f'branch2.conv_{n}', f'branch2.norm_{n}') for n in 'abc'},
    },
  )


def layout(shapes: Shapes) -> Layout:
  """Returns the layout of a SlowFast, or of its slow pathway.

  Raises:
    WeightsError: if its kernels see other frames than SlowFast's.
  """
  width = shapes['slow_stem/conv/kernel'][-1]
  fast = 'fast_stem/conv/kernel' in shapes
  depths = [_depth(shapes, stage) for stage in _STAGES]
  backbone: dict[str, Any] = {'name': 'slowfast', 'fast': fast, 'width': width}
  if fast:
    backbone['beta'] = width // shapes['fast_stem/conv/kernel'][-1]
    backbone['lateral'] = shapes['lateral1/conv/kernel'][0]
  for pathway in PATHWAYS[: 2 if fast else 1]:
    _check_frames(shapes, pathway)
  return Layout({**backbone, 'depths': depths}, (32 if fast else 8, 224, 224))


def _depth(shapes: Shapes, stage: int) -> int:
  start = f'slow_stage{stage}_block'
  return len({n.split('/')[0] for n in shapes if n.startswith(start)})


def _check_frames(shapes: Shapes, pathway: str) -> None:
  """Raises WeightsError if kernels see other frames than SlowFast's."""
  stem = shapes[f'{pathway}_stem/conv/kernel'][0]
  found = {'the stem': (stem, 1 if pathway == 'slow' else 5)}
  for stage, frames in zip(_STAGES, _FRAMES[pathway]):
    start = f'{pathway}_stage{stage}_block'
    found |= {
      f'stage {stage}, {name.split("/")[0]}': (shape[0], frames)
      for name, shape in shapes.items()
      if name.startswith(start) and name.endswith('/a/conv/kernel')
    }
  for place, (seen, frames) in found.items():
    if seen != frames:
      raise WeightsError(
        f"kernels of {place} see {seen} frames, and SlowFast's {frames}: these "
        'are the weights of a C2D, of an I3D, or of a SlowFast whose third '
        'stage is in time in some blocks alone (R101_50_50)'
      )


def refuse_nonlocal(shapes: Shapes) -> None:
  """Raises WeightsError for files with non-local blocks."""
  if found := [name for name in shapes if 'nonlocal' in name]:
    raise WeightsError(
      f'it has non-local blocks, such as {found[0]}, which the backbone has '
      f'not ({len(found)} arrays)'
    )
