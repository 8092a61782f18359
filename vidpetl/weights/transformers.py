"""Rules and layouts that families of ViTs share."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np

from vidpetl.weights import rules
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.family import Layout, Rules, Shapes

HEAD = tuple(rules.dense('head', 'output_projection'))

BLOCK = 'encoderblock_{i}'
ATTENTION = 'MultiHeadDotProductAttention_0'

# LayerScales of a block, until `fold_scales` folds them.
SCALES = {1: 'LayerScale_0', 2: 'LayerScale_1'}
_SCALED = {
  'LayerScale_0': f'{ATTENTION}/out',
  'LayerScale_1': 'MlpBlock_0/Dense_1',
}

# Width -> heads of what the families publish: S, B, L, H, g. It is offered to
# who is asked, and never taken.
HEADS = {384: 6, 768: 12, 1024: 16, 1280: 16, 1408: 16}

# The first norm of a block: timm's, OpenAI's and two of Hugging Face's.
_NORMS = (
  '.norm1.weight',
  '.ln_1.weight',
  '.layer_norm1.weight',
  '.layernorm_before.weight',
)


def width_of(shapes: Shapes) -> int:
  """Returns the channels of a token.

  Args:
    shapes: by the family's names.

  Raises:
    WeightsError: if no block shows them, or several differ.
  """
  widths = {s[0] for name, s in shapes.items() if name.endswith(_NORMS)}
  if not widths:
    raise WeightsError('no block has its first norm: it is a part of a model')
  if len(widths) > 1:
    raise WeightsError(f'blocks are of the widths {sorted(widths)}, not of one')
  return widths.pop()


def head_width(width: int, heads: int) -> int:
  """Returns how many channels each of so many heads has.

  Raises:
    WeightsError: if the heads do not divide the width.
  """
  if width % heads:
    raise WeightsError(f'{heads} heads do not divide {width} channels')
  return width // heads


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


def fold_scales(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Multiplies the layers before LayerScales by these, which go.

  gamma (W x + b) = (gamma W) x + gamma b, in float32.
  """
  folded = dict(arrays)
  for name, gamma in arrays.items():
    block, _, scale = name.rpartition('/')
    if scale not in _SCALED:
      continue
    del folded[name]
    for leaf in ('kernel', 'bias'):
      layer = f'{block}/{_SCALED[scale]}/{leaf}'
      folded[layer] = arrays[layer].astype(np.float32) * gamma
  return folded


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


def summary(names: Collection[str]) -> dict[str, str]:
  """Returns what a classifier reads: the class token, or a mean by `fc_norm`.

  Args:
    names: in the file.
  """
  return {'summary': 'mean' if 'fc_norm.weight' in names else 'cls'}


def vit_layout(shapes: Shapes, kind: str) -> Layout:
  """Returns the layout of a ViT for images, with a class token.

  Images are taken to be square where that is possible.
  """
  encoder = 'SpatialTransformer'
  patch = shapes['embedding/kernel'][1]
  positions = shapes[f'{encoder}/posembed_input/pos_embedding'][1] - 1
  side = math.isqrt(positions)
  return Layout(
    {'name': 'vit', 'kind': kind, **sizes(shapes, encoder), 'patch': patch},
    (1, side * patch, side * patch) if side * side == positions else (),
  )


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
