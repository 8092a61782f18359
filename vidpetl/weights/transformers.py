"""Rules and layouts that families of ViTs share."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from vidpetl.parameters import mapped
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
# What files have of a gated MLP's first layer, until `join_gates` joins it:
# the gate and what it gates, apart or in this order in one.
MLP = 'MlpBlock_0'
GATES = ('gate', 'up')
GATED = 'gate_up'

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


def blocks(
  theirs: str,
  encoder: str,
  bias: bool = True,
  mlp: Sequence[rules.Rule] = (),
) -> list[rules.Rule]:
  """Rules of timm's blocks.

  Args:
    theirs: name of the list of blocks.
    encoder: our module.
    bias: whether query, key and value have one fused bias.
    mlp: rules of the MLPs, where these are not fc1 and fc2.
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
    *(mlp or mlps(f'{at}.mlp', ours, {'fc1': 'Dense_0', 'fc2': 'Dense_1'})),
  ]


def mlps(theirs: str, ours: str, layers: Mapping[str, str]) -> list[rules.Rule]:
  """Rules of MLPs.

  Args:
    theirs: name of the MLP.
    ours: our block.
    layers: their layers -> ours, of which `GATED` and `GATES` are parts.
  """
  return [
    each
    for name, layer in layers.items()
    for each in rules.dense(f'{theirs}.{name}', f'{ours}/{MLP}/{layer}')
  ]


def kauldron_blocks(theirs: str, encoder: str) -> list[rules.Rule]:
  """Rules of kauldron's blocks.

  Args:
    theirs: name of a block, with its counter.
    encoder: our module.
  """
  ours = f'{encoder}/{BLOCK}'
  found = []
  for norm, number in (('attention_norm', 0), ('mlp_norm', 1)):
    found += rules.flax(
      f'{theirs}/{norm}', f'{ours}/LayerNorm_{number}', 'scale'
    )
  for name in ('query', 'key', 'value', 'out'):
    at = f'{ours}/{ATTENTION}/{name}'
    found += rules.flax(f'{theirs}/attention/{name}', at)
  for number, name in enumerate(('dense_in', 'dense_out')):
    at = f'{ours}/MlpBlock_0/Dense_{number}'
    found += rules.flax(f'{theirs}/mlp/{name}', at)
  return found


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
      folded[layer] = arrays[layer].astype(np.float32, copy=False) * gamma
      mapped.release(arrays[layer])
  return folded


def unfold_scales(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Adds the LayerScales that `fold_scales` takes; they are ones."""
  found = dict(arrays)
  for name, array in arrays.items():
    for scale, layer in _SCALED.items():
      block, is_last, _ = name.partition(f'/{layer}/bias')
      if is_last and 'encoderblock_' in block:
        found[f'{block}/{scale}'] = np.ones(array.shape, np.float32)
  return found


def join_gates(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Makes one layer of the gate of a gated MLP and of what it gates."""
  found = {}
  for name, array in arrays.items():
    block, _, layer = name.partition(f'/{MLP}/')
    part, _, leaf = layer.partition('/')
    joint = f'{block}/{MLP}/Dense_0/{leaf}'
    if part == GATED:
      found[joint] = array
    elif part == GATES[0]:
      parts = [arrays[f'{block}/{MLP}/{each}/{leaf}'] for each in GATES]
      found[joint] = np.concatenate(parts, -1)
    elif part != GATES[1]:
      found[name] = array
  return found


def mark_gates(
  arrays: Mapping[str, np.ndarray], apart: bool = False
) -> dict[str, np.ndarray]:
  """Names the first layers of gated MLPs as rules do; `join_gates`' inverse.

  Args:
    arrays: by our names.
    apart: whether the gate becomes a layer of its own.
  """
  found = dict(arrays)
  shapes = {name: array.shape for name, array in arrays.items()}
  for name in arrays:
    block, is_first, leaf = name.partition(f'/{MLP}/Dense_0/')
    if not is_first or not is_gated(shapes, f'{block}/{MLP}'):
      continue
    array = found.pop(name)
    parts = np.split(array, 2, -1) if apart else [array]
    for part, each in zip(GATES if apart else (GATED,), parts):
      found[f'{block}/{MLP}/{part}/{leaf}'] = each
  return found


def is_gated(shapes: Shapes, mlp: str) -> bool:
  """Whether the first layer of an MLP makes twice what the second reads."""
  first, second = (shapes[f'{mlp}/Dense_{i}/kernel'] for i in range(2))
  return first[1] == 2 * second[0]


def image_vit(norm: str, mlp: Sequence[rules.Rule] = ()) -> Rules:
  """Rules of timm's ViT.

  Args:
    norm: what the last norm is called, `norm` or `fc_norm`.
    mlp: rules of the MLPs, where these are not fc1 and fc2.
  """
  encoder = 'SpatialTransformer'
  return (
    rules.rule('cls_token', 'cls'),
    rules.rule('pos_embed', f'{encoder}/posembed_input/pos_embedding'),
    *rules.dense('patch_embed.proj', 'embedding', rules.IMAGE_CONV),
    *blocks('blocks', encoder, mlp=mlp),
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
  mlp, width = shapes[f'{block}/{MLP}/Dense_1/kernel']
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
