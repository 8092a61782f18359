"""Rules and layouts that families of EVA share."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from vidpetl.weights import family, rules, transformers
from vidpetl.weights.errors import WeightsError

_ENCODER = 'SpatialTransformer'
_BLOCK = f'{_ENCODER}/{transformers.BLOCK}'
_ATTENTION = f'{_BLOCK}/{transformers.ATTENTION}'
_MLP = f'{_BLOCK}/MlpBlock_0'
KINDS = ('eva01', 'eva02', 'eva02_clip')
HEADS = {768: 12, 1024: 16, 1408: 16}
LEFT_OUT = {
  r'rope\.freqs_(cos|sin)$': 'computed from the size of frames',
  '^mask_token$': 'stands for masked patches, in pretraining alone',
  r'^lm_head\.': 'predicts the features of masked patches',
}


@dataclasses.dataclass(frozen=True)
class Names:
  """What two codes call differently in a block.

  Attributes:
    gates: the two layers that read what an MLP is given.
    last: the one behind them.
    mlp_norm: the norm before that.
    attention_norm: the norm behind all heads.
    biases: of queries and of values, where these have a layer each.
  """

  gates: tuple[str, str]
  last: str
  mlp_norm: str
  attention_norm: str
  biases: tuple[str, str]


BAAI = Names(
  gates=('w1', 'w2'),
  last='w3',
  mlp_norm='ffn_ln',
  attention_norm='inner_attn_ln',
  biases=('q_bias', 'v_bias'),
)
TIMM = Names(
  gates=('fc1_g', 'fc1_x'),
  last='fc2',
  mlp_norm='norm',
  attention_norm='norm',
  biases=('q_proj.bias', 'v_proj.bias'),
)


def tower(
  kind: str, names: Names, norm: str = 'norm', front: str = ''
) -> family.Rules:
  """Returns the rules of a tower.

  Args:
    kind: one of `KINDS`.
    names: of the code.
    norm: what the last norm is called: 'norm' or 'fc_norm'.
    front: how all names begin.
  """
  at = f'{front}blocks.{{i}}'
  return (
    rules.rule(f'{front}cls_token', 'cls'),
    rules.rule(f'{front}pos_embed', f'{_ENCODER}/posembed_input/pos_embedding'),
    *rules.dense(f'{front}patch_embed.proj', 'embedding', rules.IMAGE_CONV),
    *rules.norm(f'{at}.norm1', f'{_BLOCK}/LayerNorm_0'),
    *rules.norm(f'{at}.norm2', f'{_BLOCK}/LayerNorm_1'),
    *rules.heads_out(f'{at}.attn.proj', _ATTENTION),
    *(_plain(at) if kind == 'eva01' else _gated(kind, names, at)),
    *rules.norm(f'{front}{norm}', 'norm'),
  )


def _plain(at: str) -> list[rules.Rule]:
  """Rules of a block of EVA-01: the weights of q, k and v are one array."""
  return [
    *rules.fused((f'{at}.attn.qkv.weight', ''), _ATTENTION, bias=False),
    *_biases(at, ('q_bias', 'v_bias')),
    *rules.dense(f'{at}.mlp.fc1', f'{_MLP}/Dense_0'),
    *rules.dense(f'{at}.mlp.fc2', f'{_MLP}/Dense_1'),
  ]


def _gated(kind: str, names: Names, at: str) -> list[rules.Rule]:
  """Rules of a block of EVA-02, and of EVA-02-CLIP."""
  found = [
    *(
      rules.rule(
        f'{at}.attn.{ours[0]}_proj.weight',
        f'{_ATTENTION}/{ours}/kernel',
        '(h c) i -> i h c',
      )
      for ours in ('query', 'key', 'value')
    ),
    *_biases(at, names.biases),
    *rules.norm(f'{at}.mlp.{names.mlp_norm}', f'{_MLP}/norm'),
    *rules.dense(f'{at}.mlp.{names.last}', f'{_MLP}/Dense_1'),
  ]
  for theirs, ours in zip(names.gates, transformers.GATES):
    found += rules.dense(f'{at}.mlp.{theirs}', f'{_MLP}/{ours}')
  if kind == 'eva02_clip':
    theirs = f'{at}.attn.{names.attention_norm}'
    found += rules.norm(theirs, f'{_ATTENTION}/norm')
  return found


def _biases(at: str, names: tuple[str, str]) -> list[rules.Rule]:
  return [
    rules.rule(
      f'{at}.attn.{theirs}', f'{_ATTENTION}/{ours}/bias', '(h c) -> h c'
    )
    for theirs, ours in zip(names, ('query', 'value'))
  ]


def layout(shapes: family.Shapes, _: str) -> family.Layout:
  """Returns the layout of a tower, by our names."""
  block = f'{_ENCODER}/encoderblock_0'
  kind = 'eva01'
  if f'{block}/MlpBlock_0/norm/scale' in shapes:
    kind = 'eva02'
  if f'{block}/{transformers.ATTENTION}/norm/scale' in shapes:
    kind = 'eva02_clip'
  found = transformers.vit_layout(shapes, kind)
  return dataclasses.replace(found, backbone={**found.backbone, 'name': 'eva'})


def restore(
  arrays: Mapping[str, np.ndarray], backbone: Mapping[str, Any]
) -> dict[str, np.ndarray]:
  """Splits the first layers of gated MLPs; see `family.Family.restore`."""
  del backbone
  return transformers.mark_gates(arrays, apart=True)


def summary(names: Collection[str]) -> dict[str, Any]:
  """Returns what is read of the tokens: their mean, or the class token.

  What was pretrained on masked patches has a class token that nothing reads.

  Args:
    names: in the file.
  """
  mean = {'fc_norm.weight', 'mask_token'} & set(names)
  return {'summary': 'mean' if mean else 'cls'}


def check(shapes: family.Shapes) -> None:
  """Raises WeightsError for towers that the backbone is not."""
  for part, words in _OTHERS.items():
    if found := [name for name in shapes if part in name]:
      raise WeightsError(f'{words} ({found[0]})')


_OTHERS = {
  '.attn.relative_position': (
    'attention has biases by relative position, as in EVA-L and BEiT, which '
    'the backbone has no place for'
  ),
  '.gamma_1': 'blocks have LayerScales, as BEiT and PE-lang have, and no EVA',
  '.mlp.w12.': (
    'MLPs are gated without a norm, as in EVA-02 Ti and S; B and L are read'
  ),
}
