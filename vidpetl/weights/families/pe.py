"""Perception Encoder, PE-core: its vision towers, from Meta's `.pt` files.

The text tower and the projection into the space that both share are left out.

Traps:
  B and L have a class token, at (0, 0) of the rotary positions, so that patches
  begin at (1, 1) there; G has none, and begins at (0, 0).
  At another size of frames, learned positions are resized bilinearly, and
  rotary ones go on as they are. timm's code does otherwise: see `pe_timm`.
  Attention over all tokens, the class token's too, makes the summary.
  Its own code squashes images to a square; here they are cropped, unless
  `clip.resize` says otherwise.
  PE-lang and PE-spatial end before that, and have LayerScales: refused.
"""

import math

from vidpetl.weights import family, rules, transformers
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.families import clip

HEADS = {192: 3, 384: 6, 768: 12, 1024: 16, 1536: 16}
_ENCODER = 'SpatialTransformer'
# Heads p of the attention that pools, which all of its sizes have.
AXES = {'p': 8}


def check(shapes: family.Shapes) -> None:
  """Raises WeightsError for PE-lang and PE-spatial."""
  for name in shapes:
    if name.endswith(('.ls_1.gamma', '.gamma_1')):
      raise WeightsError(
        f'its blocks have LayerScales ({name}), as in PE-lang and PE-spatial, '
        'which have no summary; PE-core is read'
      )


def both(tower: family.Rules) -> tuple[family.Rules, family.Rules]:
  """Returns the rules of a tower, and those without a class token."""
  return tower, tuple(each for each in tower if each.ours != ('cls',))


def _tower(front: str) -> family.Rules:
  at = f'{front}attn_pool'
  parts = ('query', 'key', 'value')
  return (
    *clip.tower(front),
    rules.rule(f'{at}.probe', 'pool/probe'),
    rules.rule(
      f'{at}.attn.in_proj_weight',
      [f'pool/{part}/kernel' for part in parts],
      '(n p e) i -> n i p e',
    ),
    rules.rule(
      f'{at}.attn.in_proj_bias',
      [f'pool/{part}/bias' for part in parts],
      '(n p e) -> n p e',
    ),
    *rules.dense(f'{at}.attn.out_proj', 'pool/out', 'o (p e) -> p e o'),
    *rules.norm(f'{at}.layernorm', 'pool/norm'),
    *rules.dense(f'{at}.mlp.c_fc', 'pool/Dense_0'),
    *rules.dense(f'{at}.mlp.c_proj', 'pool/Dense_1'),
  )


def layout(shapes: family.Shapes, _: str) -> family.Layout:
  """Returns the layout of a tower; images are square where that is possible."""
  has_class = 'cls' in shapes
  table = shapes[f'{_ENCODER}/posembed_input/pos_embedding'][1]
  side, patch = math.isqrt(table - has_class), shapes['embedding/kernel'][1]
  backbone = {
    'name': 'pe',
    **transformers.sizes(shapes, _ENCODER),
    'patch': patch,
    'class_token': has_class,
    'pool_mlp': shapes['pool/Dense_0/kernel'][1],
  }
  square = side * side == table - has_class
  return family.Layout(backbone, (1, side * patch, side * patch) * square)


FAMILY = family.Family(
  source='https://github.com/facebookresearch/perception_models',
  rules={'pe': (*both(_tower('visual.')), *both(_tower('')))},
  layout=layout,
  left_out=clip.FAMILY.left_out,
  axes=lambda shapes: AXES,
  heads=HEADS,
  check=check,
  normalisation=(0.5, 0.5),
  positions='linear_centred',
  partial=True,
)
