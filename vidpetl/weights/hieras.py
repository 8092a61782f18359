"""Rules and layouts that families of Hiera share."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from vidpetl.weights import (
  hugging_face,
  rules,
  settings,
  staged,
  transformers,
)
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.family import Layout, Rules, Shapes

# Width -> heads of the first stage, as they are published.
HEADS = {96: 1, 112: 2, 144: 2, 256: 4}

UNSHOWN = (
  settings.Unshown(
    'pools', {3: 'what fine-tuning has', 2: 'what pretraining has'}, 3
  ),
)

# What pretraining has beside the encoder.
DECODER = {
  r'^decoder[_.]|^mask_token$|^multi_?scale_fusion': (
    'of pretraining, which alone needs it'
  ),
}


def block(theirs: str, ours: str, norms: Sequence[str]) -> list[rules.Rule]:
  """Rules of a block; those of its shortcut are optional.

  Args:
    theirs: its name.
    ours: the same here.
    norms: names of its two LayerNorms.
  """
  attention = f'{ours}/{transformers.ATTENTION}'
  qkv = f'{theirs}.attn.qkv'
  shortcut = rules.dense(f'{theirs}.proj', f'{ours}/proj')
  return [
    *rules.norm(f'{theirs}.{norms[0]}', f'{ours}/LayerNorm_0'),
    *rules.fused((f'{qkv}.weight', f'{qkv}.bias'), attention),
    *rules.heads_out(f'{theirs}.attn.proj', attention),
    *rules.norm(f'{theirs}.{norms[1]}', f'{ours}/LayerNorm_1'),
    *rules.dense(f'{theirs}.mlp.fc1', f'{ours}/MlpBlock_0/Dense_0'),
    *rules.dense(f'{theirs}.mlp.fc2', f'{ours}/MlpBlock_0/Dense_1'),
    *rules.optional(shortcut),
  ]


def metas(norm: str, image: bool) -> Rules:
  """Rules of Meta's names.

  Args:
    norm: name of the last LayerNorm.
    image: whether they are of a net for images.
  """
  table = '{}/pos_embedding'.format
  positions = {'pos_embed_spatial': 'space', 'pos_embed_temporal': 'time'}
  if image:
    positions = {'pos_embed': 'space'}
  patch = rules.IMAGE_CONV if image else rules.CONV
  return (
    *rules.dense('patch_embed.proj', 'embedding', patch),
    *(rules.rule(name, table(of)) for name, of in positions.items()),
    *block(
      'blocks.{i}', f'{staged.ENCODER}/{transformers.BLOCK}', ('norm1', 'norm2')
    ),
    *rules.norm(norm, 'norm'),
  )


def width(shapes: Shapes) -> int:
  """Returns the width of the first stage, from the family's names."""
  first = re.compile(r'(blocks|stages\.0\.layers)\.0\.(norm1|layernorm_before)')
  widths = [s[0] for name, s in shapes.items() if first.search(name)]
  if not widths:
    raise WeightsError('there is no first block: it is a part of a model')
  return widths[0]


def layout(shapes: Shapes, _: str = '') -> Layout:
  """Returns the layout of a Hiera, by our names.

  Frames are taken to be square.
  """
  kernel = shapes['embedding/kernel']
  joint = 'time/pos_embedding' in shapes
  patch = (2, 4, 4) if joint else (1, 4, 4)
  depths = staged.depths(shapes)
  first = f'{staged.ENCODER}/encoderblock_0'
  d, hidden = shapes[f'{first}/MlpBlock_0/Dense_0/kernel']
  tokens = shapes['space/pos_embedding'][1]
  side = math.isqrt(tokens)
  frames = shapes['time/pos_embedding'][1] if joint else 1
  return Layout(
    {
      'name': 'hiera',
      'width': d,
      'depths': depths,
      'heads': shapes[f'{first}/{transformers.ATTENTION}/query/kernel'][1],
      'kernel': tuple(kernel[:3]),
      'patch': patch,
      'mlp_ratio': hidden // d,
      'joint': joint,
    },
    (frames * patch[0], side * patch[1], side * patch[2])
    if side * side == tokens
    else (),
    # For clips whose frames attend to each other.
    fresh=() if joint else ('time/',),
  )


_FIXED = {
  'patch_padding': [3, 3],
  'embed_dim_multiplier': 2.0,
  'query_stride': [2, 2],
  'hidden_act': 'gelu',
}


def _read(whole: Mapping[str, Any]) -> dict[str, Any]:
  """Returns the settings (see `settings`) of transformers' config.json.

  Raises:
    WeightsError: for what our backbone does not compute.
  """
  for field, value in _FIXED.items():
    said = whole[field]
    if (list(said) if isinstance(said, (list, tuple)) else said) != value:
      raise WeightsError(
        f'it has {field}={said!r}, and the backbone here is for {value!r}'
      )
  within = [bool(each) for each in whole['masked_unit_attention']]
  if within != sorted(within, reverse=True):
    raise WeightsError(f'masked_unit_attention={within}: units come first')
  patch = (1, *whole['patch_stride'])
  return {
    'width': whole['embed_dim'],
    'depths': tuple(whole['depths']),
    'heads': whole['num_heads'][0],
    'kernel': (1, *whole['patch_size']),
    'patch': patch,
    'unit': (1, *whole['masked_unit_size']),
    'units': sum(within),
    'pools': whole['num_query_pool'],
    'epsilon': whole['layer_norm_eps'],
    'grid': (1, *(n // p for n, p in zip(whole['image_size'], patch[1:]))),
  }


HUGGING_FACE = hugging_face.Kind(
  model_types=('hiera',),
  defaults={
    'embed_dim': 96,
    'image_size': (224, 224),
    'patch_size': (7, 7),
    'patch_stride': (4, 4),
    'patch_padding': (3, 3),
    'depths': (2, 3, 16, 3),
    'num_heads': (1, 2, 4, 8),
    'embed_dim_multiplier': 2.0,
    'num_query_pool': 3,
    'query_stride': (2, 2),
    'masked_unit_size': (8, 8),
    'masked_unit_attention': (True, True, False, False),
    'hidden_act': 'gelu',
    'layer_norm_eps': 1e-6,
  },
  plain='HieraModel',
  classifier='HieraForImageClassification',
  processor='BitImageProcessor',
  moving=False,
  settings=_read,
)
