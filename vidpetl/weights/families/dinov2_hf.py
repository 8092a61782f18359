"""DINOv2's image ViTs, from `model.safetensors` at Hugging Face.

What `dinov2` says holds here as well. transformers' classifier reads the class
token and the mean of the patches side by side, which no summary here does.

Trap:
  `hidden_act` says nothing of gated MLPs, which are SwiGLUs in any case.
"""

from collections.abc import Mapping
from typing import Any

from vidpetl.weights import family, hugging_face, rules, transformers
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.families import dinov2

_AT = 'encoder.layer.{i}'
_ATTENTION = f'{_AT}.attention.attention'
_MLPS = (
  {'fc1': 'Dense_0', 'fc2': 'Dense_1'},
  {'weights_in': transformers.GATED, 'weights_out': 'Dense_1'},
  # As models of transformers 5 call them in memory.
  {'gate_proj': 'gate', 'up_proj': 'up', 'down_proj': 'Dense_1'},
)


def _rules(mlp: Mapping[str, str]) -> family.Rules:
  ours = dinov2.OURS
  return (
    rules.rule('embeddings.cls_token', 'cls'),
    rules.rule(
      'embeddings.position_embeddings',
      'SpatialTransformer/posembed_input/pos_embedding',
    ),
    *rules.dense(
      'embeddings.patch_embeddings.projection', 'embedding', rules.IMAGE_CONV
    ),
    *rules.norm(f'{_AT}.norm1', f'{ours}/LayerNorm_0'),
    *rules.heads(
      [
        *(f'{_ATTENTION}.{name}' for name in ('query', 'key', 'value')),
        f'{_AT}.attention.output.dense',
      ],
      f'{ours}/{transformers.ATTENTION}',
    ),
    *rules.norm(f'{_AT}.norm2', f'{ours}/LayerNorm_1'),
    *transformers.mlps(f'{_AT}.mlp', ours, mlp),
    *rules.norm('layernorm', 'norm'),
    *dinov2.scales([f'{_AT}.layer_scale{n}.lambda1' for n in (1, 2)]),
  )


RULES = tuple(map(_rules, _MLPS))
# As models of transformers 5 call them in memory.
RENAME = (
  (r'\.attention\.q_proj\.', '.attention.attention.query.'),
  (r'\.attention\.k_proj\.', '.attention.attention.key.'),
  (r'\.attention\.v_proj\.', '.attention.attention.value.'),
  (r'\.attention\.o_proj\.', '.attention.output.dense.'),
)
LEFT_OUT = {
  **dinov2.MASK,
  r'^classifier\.': 'reads the class token and the mean of patches at once',
}


def hidden(width: int, ratio: float, gated: bool) -> int:
  """Returns the hidden channels of an MLP, behind the gate if it has one."""
  if not gated:
    return int(width * ratio)
  return (int(int(width * ratio) * 2 / 3) + 7) // 8 * 8


def read(config: Mapping[str, Any]) -> dict[str, Any]:
  """Returns `mlp`, of which a config has the ratio."""
  width, ratio = config['hidden_size'], config['mlp_ratio']
  return {'mlp': hidden(width, ratio, config['use_swiglu_ffn'])}


def write(backbone: Mapping[str, Any]) -> dict[str, Any]:
  """Returns `mlp_ratio`, which is whole there, and what goes with it.

  Raises:
    WeightsError: if no whole ratio has such MLPs.
  """
  width, mlp = backbone['width'], backbone['mlp']
  gated = backbone.get('gated', False)
  ratio = round(mlp * (1.5 if gated else 1) / width)
  if hidden(width, ratio, gated) != mlp:
    raise WeightsError(
      f'its config.json has MLPs of a whole multiple of {width} channels, '
      f'which mlp={mlp} is not'
    )
  return {'mlp_ratio': ratio, 'use_swiglu_ffn': gated}


DEFAULTS = {
  'num_attention_heads': 12,
  'hidden_act': 'gelu',
  'layer_norm_eps': 1e-6,
  'image_size': 224,
  'hidden_size': 768,
  'mlp_ratio': 4,
  'use_swiglu_ffn': False,
}

FAMILY = family.Family(
  source='https://huggingface.co/facebook',
  rules={'vit': RULES},
  layout=dinov2.FAMILY.layout,
  rename=RENAME,
  left_out=LEFT_OUT,
  heads=dinov2.HEADS,
  check=dinov2.check,
  positions='bicubic',
  finish=dinov2.finish,
  restore=dinov2.restore,
  buffers=dinov2.mask('embeddings.mask_token'),
  config=hugging_face.Kind(
    model_types=('dinov2',),
    defaults={**DEFAULTS, 'patch_size': 14},
    plain='Dinov2Model',
    processor='BitImageProcessor',
    moving=False,
    fields={'use_swiglu_ffn': 'gated'},
    read=read,
    write=write,
  ),
)
