"""AIM's models: CLIP's image tower, its adapters and a head in one file (.pth).

  python -m vidpetl.convert --from=aim --preset=clip_b16 --head=kinetics400 \
    vit_b_clip_8frame_k400.pth aim.safetensors

Traps:
  The scale of the adapters beside the MLPs is in no array: 0.5 of Kinetics and
  Diving48, 1 of Something-Something. `method=aim:k400_b16` and the like say it
  (`vidpetl.recipes.tuned`).
  The table of moments is for as many frames as the model saw.
  T_Adapter_in, the second temporal adapter, is there or not.
"""

from __future__ import annotations

import dataclasses

from vidpetl.recipes import methods
from vidpetl.weights import family, rules, transformers
from vidpetl.weights.families import clip

_TOKENS = 'SpatialTransformer/site_tokens/TimeEmbedding/table'
_INNER = 'inner_down'


def _adapters(second: bool) -> list[rules.Rule]:
  """Rules of a block's adapters.

  Args:
    second: whether there is a second temporal adapter.
  """
  at = 'transformer.resblocks.{i}'
  ours = f'SpatialTransformer/{transformers.BLOCK}'
  temporal = f'{ours}/site_block_in/AIM'
  layers = [
    ('T_Adapter', f'{temporal}/'),
    ('S_Adapter', f'{ours}/site_attn/Adapter/'),
    ('MLP_Adapter', f'{ours}/site_mlp/Adapter/'),
    *([('T_Adapter_in', f'{temporal}/inner_')] if second else []),
  ]
  return [
    rule
    for theirs, scope in layers
    for number, name in ((1, 'down'), (2, 'up'))
    for rule in rules.dense(f'{at}.{theirs}.D_fc{number}', f'{scope}{name}')
  ]


def _rules(second: bool) -> family.Rules:
  moments = rules.rule('temporal_embedding', _TOKENS, '1 t d -> t d')
  return (*clip.tower(''), moments, *_adapters(second))


def _layout(shapes: family.Shapes, _: str) -> family.Layout:
  layout = transformers.vit_layout(shapes, 'clip')
  down = next(s for n, s in shapes.items() if n.endswith('/AIM/down/kernel'))
  entries, _ = methods.make(
    'aim',
    ratio=down[1] / down[0],
    inner=any(_INNER in name for name in shapes),
  )
  frames = shapes[_TOKENS][0]
  return dataclasses.replace(
    layout, video=(frames, *layout.video[1:]), petl=entries
  )


FAMILY = family.Family(
  source='https://github.com/taoyang1122/adapt-image-models',
  rules={'vit': (_rules(False), _rules(True))},
  layout=_layout,
  head=tuple(rules.dense('cls_head.fc_cls', 'output_projection')),
  heads=clip.HEADS,
  normalisation=(clip.MEAN, clip.STD),
  positions='bicubic',
  note=(
    'The scale of the adapters beside the MLPs is in no array: '
    'method=aim:k400_b16 and the like say it.'
  ),
)
