"""PECoP's I3D with 3D-Adapters, as stage 1 saves it (.pth.tar).

Its heads answer questions about speed and are left out. Continual pretraining
moves BatchNorm's statistics, which the file has.
"""

from vidpetl.recipes import methods
from vidpetl.weights import convnets, family, rules
from vidpetl.weights.families import i3d_hassony2

_INCEPTIONS = ('3b', '3c', '4b', '4c', '4d', '4e', '4f', '5b', '5c')
_ADAPTER = 'site_block_out/Adapter3D'


def _adapters() -> list[rules.Rule]:
  found = []
  for name in _INCEPTIONS:
    theirs = f'mixed_{name}.tuning_module'
    ours = f'mixed_{name}/{_ADAPTER}'
    found += [
      *rules.dense(f'{theirs}.conv1', f'{ours}/down', rules.CONV),
      *rules.dense(f'{theirs}.conv2', f'{ours}/up', rules.POINT_CONV),
      rules.rule(f'{theirs}.se', f'{ours}/alpha', '1 o 1 1 1 -> o'),
    ]
  return found


def _layout(shapes: family.Shapes, _: str) -> family.Layout:
  base = convnets.i3d_layout(shapes, 'pecop')
  kernel, *_, reduction, _ = shapes[f'mixed_3b/{_ADAPTER}/down/kernel']
  entries, _ = methods.make('adapter3d', kernel=kernel, reduction=reduction)
  return family.Layout(base.backbone, base.video, petl=entries)


FAMILY = family.Family(
  source='https://github.com/Plrbear/PECoP',
  rules={'i3d': ((*i3d_hassony2.RULES, *_adapters()),)},
  layout=_layout,
  left_out={
    **convnets.COUNTS,
    r'conv3d_0c_1x1|fc|linear|cls|speed|segment': 'a head of stage 1',
  },
  read_only='such a file is read, and none is written',
)
