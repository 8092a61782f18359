"""Rules and layouts that families of ViViT share."""

from __future__ import annotations

import math

from vidpetl.weights import rules, settings, transformers
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.family import Layout, Rules, Shapes

_SIDE = 224  # Pixels of a square frame, in all that is published.

_NORM = ('scale', 'bias')
_DENSE = ('kernel', 'bias')
_ATTENTION = [(part, _DENSE) for part in ('query', 'key', 'value', 'out')]
_MLP = [(part, _DENSE) for part in ('Dense_0', 'Dense_1')]
_NAME = 'MultiHeadDotProductAttention'

_BLOCK = [
  *(f'LayerNorm_{i}/{leaf}' for i in (0, 1) for leaf in _NORM),
  *(f'{_NAME}_0/{part}/{leaf}' for part, ls in _ATTENTION for leaf in ls),
  *(f'MlpBlock_0/{part}/{leaf}' for part, ls in _MLP for leaf in ls),
]
# A block with two attentions has other names.
_FACTORISED_BLOCK = [
  *(f'LayerNorm_{n}/{x}' for n in ('time', 'space', 'mlp') for x in _NORM),
  *(
    f'{_NAME}_{axis}/{part}/{leaf}'
    for axis in ('time', 'space')
    for part, leaves in _ATTENTION
    for leaf in leaves
  ),
  *(f'MlpBlock/{part}/{leaf}' for part, leaves in _MLP for leaf in leaves),
]


def _tree(encoders: list[str], tokens: list[str], block: list[str]) -> Rules:
  """Rules of a tree of scenic's, whose names are ours."""
  names = ['embedding/kernel', 'embedding/bias', *tokens]
  for encoder in encoders:
    names += [
      f'{encoder}/posembed_input/pos_embedding',
      *(f'{encoder}/{transformers.BLOCK}/{name}' for name in block),
      *(f'{encoder}/encoder_norm/{leaf}' for leaf in _NORM),
    ]
  return tuple(
    rules.rule(name, name, _PATTERNS.get(name, '')) for name in names
  )


# An image's model has the same names, and filters without a time.
_PATTERNS = {'embedding/kernel': 't h w i o -> t h w i o'}

_FACTORISED = ['SpatialTransformer', 'TemporalTransformer']
_JOINT = ['Transformer']

TREES = (
  _tree(_FACTORISED, [], _BLOCK),
  _tree(_FACTORISED, [f'cls_{name}' for name in _FACTORISED], _BLOCK),
  _tree(_JOINT, [], _BLOCK),
  _tree(_JOINT, ['cls'], _BLOCK),
  _tree(_JOINT, [], _FACTORISED_BLOCK),
)

UNSHOWN = (
  settings.Unshown(
    'temporal',
    {
      'pooled': 'the published classifier, frame by frame',
      'dense': 'the temporal encoder at every location',
      'per_person': 'the temporal encoder for each person',
    },
    'dense',
    with_head='pooled',
    where={'attention': 'factorised_encoder', 'classifier': 'gap'},
  ),
  settings.Unshown(
    'attention',
    {
      'spacetime': 'joint attention',
      'factorised_dot_product': 'half of the heads over time, half over space',
    },
    'spacetime',
  ),
  settings.Unshown(
    'order',
    {'time_space': "scenic's default", 'space_time': 'space first'},
    'time_space',
    where={'attention': 'factorised_self_attention'},
  ),
)


def layout(shapes: Shapes) -> Layout:
  """Returns the layout of a ViViT."""
  *tubelet, _, _ = shapes['embedding/kernel']
  factorised = any(name.startswith(_FACTORISED[0]) for name in shapes)
  token = any(name.startswith('cls') for name in shapes)
  encoder = _FACTORISED[0] if factorised else _JOINT[0]
  fields = {
    'attention': 'factorised_encoder',
    **({'temporal': 'pooled'} if token else {}),
    'temporal_depth': _depth(shapes, _FACTORISED[1]),
  }
  if not factorised:
    fields = _joint_attention(shapes, token)
  grid = _grid(shapes, factorised, token, tubelet)
  return Layout(
    {
      'name': 'vivit',
      **fields,
      'classifier': 'token' if token else 'gap',
      **_sizes(shapes, encoder),
      'tubelet': tuple(tubelet),
    },
    tuple(size * part for size, part in zip(grid, tubelet)),
  )


def _joint_attention(shapes: Shapes, token: bool) -> dict[str, str]:
  if any(f'{_NAME}_time' in name for name in shapes):
    return {'attention': 'factorised_self_attention'}
  return {'attention': 'spacetime'} if token else {}


def _sizes(shapes: Shapes, encoder: str) -> dict[str, int]:
  """Returns width, depth, heads and hidden width, which the shapes tell."""
  first = f'{encoder}/encoderblock_0/'
  inside = {
    n[len(first) :]: s for n, s in shapes.items() if n.startswith(first)
  }
  query = next((s for n, s in inside.items() if n.endswith('query/kernel')), ())
  dense = next(
    (s for n, s in inside.items() if n.endswith('Dense_0/kernel')), ()
  )
  if not query or not dense:
    raise WeightsError(f'there is no whole first block of {encoder}')
  return {
    'width': query[0],
    'depth': _depth(shapes, encoder),
    'heads': query[1],
    'mlp': dense[1],
  }


def _depth(shapes: Shapes, encoder: str) -> int:
  start = f'{encoder}/encoderblock_'
  return len(
    {n[len(start) :].split('/')[0] for n in shapes if n.startswith(start)}
  )


def _grid(
  shapes: Shapes, factorised: bool, token: bool, tubelet: list[int]
) -> tuple[int, ...]:
  """Returns (t, h, w) of the tokens that tables are for, () if unknown."""
  positions = lambda encoder: (
    shapes[f'{encoder}/posembed_input/pos_embedding'][1] - token
  )
  if factorised:
    space, time = map(positions, _FACTORISED)
    side = math.isqrt(space)
    return (time, side, side) if side * side == space else ()
  sides = [_SIDE // part for part in tubelet[1:]]
  time, rest = divmod(positions(_JOINT[0]), math.prod(sides))
  return () if rest else (time, *sides)
