"""Rules and layouts that families of ViTs share."""

from __future__ import annotations

import math

from vidpetl.weights import rules
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.family import Layout, Rules, Shapes

HEAD = tuple(rules.dense('head', 'output_projection'))

BLOCK = 'encoderblock_{i}'
ATTENTION = 'MultiHeadDotProductAttention_0'

# Those whose heads are not 64 wide: ViT-H, -g and -G have 80, 88 and 104.
_HEADS = {1280: 16, 1408: 16, 1664: 16}
# The first norm of a block: timm's, OpenAI's and two of Hugging Face's.
_NORMS = (
  '.norm1.weight',
  '.ln_1.weight',
  '.layer_norm1.weight',
  '.layernorm_before.weight',
)


def head_width(shapes: Shapes) -> dict[str, int]:
  """Returns c of attention, from the width that norms have."""
  widths = {s[0] for name, s in shapes.items() if name.endswith(_NORMS)}
  if len(widths) != 1:
    raise WeightsError(f'blocks are of the widths {sorted(widths)}, not of one')
  return {'c': head_size(widths.pop())}


def head_size(width: int) -> int:
  """Returns the width of an attention's heads.

  It is in no file: a file has the same shapes whatever the number of heads.

  Raises:
    WeightsError: for a width that no published ViT has.
  """
  size = width // _HEADS[width] if width in _HEADS else 64
  if width % size:
    raise WeightsError(f'no published ViT is {width} wide: how many heads?')
  return size


def blocks(theirs: str, encoder: str, bias: bool = True) -> list[rules.Rule]:
  """Rules of timm's blocks.

  Args:
    theirs: name of the list of blocks.
    encoder: our module.
    bias: whether query, key and value have one fused bias.
  """
  at, ours = f'{theirs}.{{i}}', f'{encoder}/{BLOCK}'
  attention = f'{ours}/{ATTENTION}'
  return [
    *rules.norm(f'{at}.norm1', f'{ours}/LayerNorm_0'),
    *rules.fused(
      (f'{at}.attn.qkv.weight', f'{at}.attn.qkv.bias'), attention, bias
    ),
    *rules.heads_out(f'{at}.attn.proj', attention),
    *rules.norm(f'{at}.norm2', f'{ours}/LayerNorm_1'),
    *rules.dense(f'{at}.mlp.fc1', f'{ours}/MlpBlock_0/Dense_0'),
    *rules.dense(f'{at}.mlp.fc2', f'{ours}/MlpBlock_0/Dense_1'),
  ]


def image_vit(norm: str) -> Rules:
  """Rules of timm's ViT, whose last norm is called `norm` or `fc_norm`."""
  encoder = 'SpatialTransformer'
  return (
    rules.rule('cls_token', 'cls'),
    rules.rule('pos_embed', f'{encoder}/posembed_input/pos_embedding'),
    *rules.dense('patch_embed.proj', 'embedding', rules.IMAGE_CONV),
    *blocks('blocks', encoder),
    *rules.norm(norm, 'norm'),
  )


def vit_layout(shapes: Shapes, kind: str) -> Layout:
  """Returns the layout of a ViT for square images, with a class token."""
  encoder = 'SpatialTransformer'
  patch = shapes['embedding/kernel'][1]
  positions = shapes[f'{encoder}/posembed_input/pos_embedding'][1] - 1
  side = square(positions)
  return Layout(
    {'name': 'vit', 'kind': kind, **sizes(shapes, encoder), 'patch': patch},
    (1, side * patch, side * patch),
  )


def square(positions: int) -> int:
  """Returns the side of a square of so many positions."""
  side = math.isqrt(positions)
  if side * side != positions:
    raise WeightsError(f'{positions} positions are no square')
  return side


def sizes(shapes: Shapes, encoder: str) -> dict[str, int]:
  """Returns `width`, `depth`, `heads` and `mlp` of an encoder."""
  block = f'{encoder}/encoderblock_0'
  if f'{block}/LayerNorm_0/scale' not in shapes:
    raise WeightsError(f'there is no {block}, so no first block')
  width, mlp = shapes[f'{block}/MlpBlock_0/Dense_0/kernel']
  start = f'{encoder}/encoderblock_'
  numbers = {
    n[len(start) :].split('/')[0] for n in shapes if n.startswith(start)
  }
  return {
    'width': width,
    'depth': len(numbers),
    'heads': shapes[f'{block}/{ATTENTION}/query/kernel'][1],
    'mlp': mlp,
  }
