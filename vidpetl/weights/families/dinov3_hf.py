"""DINOv3's image ViTs, from `model.safetensors` at Hugging Face.

Traps:
  transformers computes the periods of rotary positions in float32, and Meta's
  code takes them from its files, rounded to bfloat16.
  What `dinov3` says of the 7B holds here as well.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from vidpetl.weights import family, hugging_face, rules, transformers
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.families import dinov2, dinov3

_AT = 'layer.{i}'
_MLPS = (
  {'up_proj': 'Dense_0', 'down_proj': 'Dense_1'},
  {'gate_proj': 'gate', 'up_proj': 'up', 'down_proj': 'Dense_1'},
)
_ATTENTION = f'{dinov2.OURS}/{transformers.ATTENTION}'


def _rules(mlp: Mapping[str, str], bias: bool = True) -> family.Rules:
  theirs = [f'{_AT}.attention.{n}_proj' for n in ('q', 'k', 'v', 'o')]
  biases = zip((theirs[0], theirs[2]), ('query', 'value'))
  return (
    rules.rule('embeddings.cls_token', 'cls'),
    rules.rule('embeddings.register_tokens', 'registers'),
    *rules.dense('embeddings.patch_embeddings', 'embedding', rules.IMAGE_CONV),
    *rules.norm(f'{_AT}.norm1', f'{dinov2.OURS}/LayerNorm_0'),
    *rules.heads(theirs, _ATTENTION, bias=False),
    *(
      rules.rule(f'{name}.bias', f'{_ATTENTION}/{of}/bias', '(h c) -> h c')
      for name, of in biases
      if bias
    ),
    *rules.norm(f'{_AT}.norm2', f'{dinov2.OURS}/LayerNorm_1'),
    *transformers.mlps(f'{_AT}.mlp', dinov2.OURS, mlp),
    *dinov2.scales([f'{_AT}.layer_scale{n}.lambda1' for n in (1, 2)]),
    *rules.norm('norm', 'norm'),
  )


def read(config: Mapping[str, Any]) -> dict[str, Any]:
  """Returns nothing but the activation, which gated MLPs do not have.

  Raises:
    WeightsError: for a gate of another kind.
  """
  if not config['use_gated_mlp']:
    return {}
  if config['hidden_act'] != 'silu':
    raise WeightsError(
      f'its MLPs are gated by {config["hidden_act"]}; here they are by silu'
    )
  return {'activation': 'gelu'}


def write(backbone: Mapping[str, Any]) -> dict[str, Any]:
  gated = backbone.get('gated', False)
  return {'use_gated_mlp': gated, **({'hidden_act': 'silu'} if gated else {})}


def restore(
  arrays: dict[str, np.ndarray], backbone: Mapping[str, Any]
) -> dict[str, np.ndarray]:
  return dinov2.opened(arrays, backbone, 'dinov3', apart=True)


FAMILY = family.Family(
  source='https://huggingface.co/facebook',
  rules={
    'dinov3': (*map(_rules, _MLPS), _rules(_MLPS[1], bias=False)),
  },
  layout=dinov3.layout,
  # As models of transformers 5 call them in memory.
  rename=((r'^model\.layer\.', 'layer.'),),
  left_out=dinov3.LEFT_OUT,
  heads=dinov3.HEADS,
  unshown=(dinov3.PERIODS,),
  finish=dinov3.finish,
  restore=restore,
  buffers=dinov2.mask('embeddings.mask_token', axes=3),
  config=hugging_face.Kind(
    model_types=('dinov3_vit',),
    defaults={
      'num_attention_heads': 6,
      'hidden_act': 'gelu',
      'layer_norm_eps': 1e-5,
      'image_size': 224,
      'patch_size': 16,
      'intermediate_size': 1536,
      'rope_theta': 100.0,
      'use_gated_mlp': False,
      'num_register_tokens': 0,
    },
    plain='DINOv3ViTModel',
    processor='DINOv3ViTImageProcessor',
    moving=False,
    fields={
      'rope_theta': 'base',
      'use_gated_mlp': 'gated',
      'num_register_tokens': 'registers',
    },
    read=read,
    write=write,
  ),
)
