"""V-JEPA 2's encoders, from `model.safetensors` at Hugging Face.

What `vjepa2` says of heads and positions holds here as well. The files are of
the averaged encoder, with the predictor beside it.

Traps:
  transformers counts rows and columns by `crop_size` of its config, whatever
  the clip's: for other sizes, and for frames that are not square, that has to
  be set there. Here the clip counts, as in Meta's code.
  It gives a classifier's probe as many heads as the encoder has. They were
  trained with 16, as a ViT-L has, but a ViT-g has 22: here a probe has 16.
  It gives those for Diving48 the last block's tokens alone; they were trained
  on four blocks': `--set probe_layers=` of vidpetl.convert says which.
"""

from vidpetl.weights import (
  attentive,
  family,
  hugging_face,
  rules,
  transformers,
)
from vidpetl.weights.families import vjepa2

_AT = 'encoder.layer.{i}'
_OURS = f'{vjepa2.ENCODER}/{transformers.BLOCK}'

RULES = (
  *rules.dense(
    'encoder.embeddings.patch_embeddings.proj', 'embedding', rules.CONV
  ),
  *rules.norm(f'{_AT}.norm1', f'{_OURS}/LayerNorm_0'),
  *rules.heads(
    [f'{_AT}.attention.{name}' for name in ('query', 'key', 'value', 'proj')],
    f'{_OURS}/{transformers.ATTENTION}',
  ),
  *rules.norm(f'{_AT}.norm2', f'{_OURS}/LayerNorm_1'),
  *rules.dense(f'{_AT}.mlp.fc1', f'{_OURS}/MlpBlock_0/Dense_0'),
  *rules.dense(f'{_AT}.mlp.fc2', f'{_OURS}/MlpBlock_0/Dense_1'),
  *rules.norm('encoder.layernorm', 'norm'),
)

_LAYERS = 'pooler.self_attention_layers.{i}'
_CROSS = 'pooler.cross_attention_layer'
_NORMS = ('layer_norm1', 'layer_norm2')


def _parts(attention: str) -> dict[str, str]:
  each = ('query', 'key', 'value')
  return {part: f'{attention}.{part[0]}_proj' for part in each}


HEAD = (
  rules.rule(
    'pooler.query_tokens', f'{attentive.PROBE}/queries', '1 m d -> m d'
  ),
  *attentive.in_block(_LAYERS, _NORMS),
  *attentive.split(_parts(f'{_LAYERS}.self_attn'), attentive.block_attention()),
  *rules.dense(
    f'{_LAYERS}.self_attn.out_proj',
    f'{attentive.block_attention()}/out',
    attentive.OUT,
  ),
  *attentive.in_pooler(_CROSS, _NORMS),
  *attentive.split(_parts(f'{_CROSS}.cross_attn'), attentive.POOLING),
  *rules.dense('classifier', 'output_projection'),
)


def _restore(arrays, backbone):
  """Returns arrays of the class, whose probe has the backbone's heads."""
  if heads := backbone.get('heads'):
    attentive.require_heads(arrays, heads, 'VJEPA2ForVideoClassification')
  return attentive.restore(arrays, backbone)


KIND = hugging_face.Kind(
  model_types=('vjepa2',),
  defaults={
    'num_attention_heads': 16,
    'hidden_act': 'gelu',
    'layer_norm_eps': 1e-6,
    'crop_size': 256,
    'patch_size': 16,
    'tubelet_size': 2,
    'frames_per_clip': 64,
    'hidden_size': 1024,
    'mlp_ratio': 4.0,
  },
  names={'image_size': 'crop_size', 'num_frames': 'frames_per_clip'},
  ratio=True,
  plain='VJEPA2Model',
  classifier='VJEPA2ForVideoClassification',
  counts={'num_pooler_layers': 'pooler.self_attention_layers.'},
  processor='VJEPA2VideoProcessor',
  clips=True,
)

FAMILY = family.Family(
  source='https://huggingface.co/facebook',
  rules={'vjepa2': (RULES,)},
  layout=vjepa2.layout,
  head=HEAD,
  probe=lambda arrays, told: attentive.settled(arrays, told, 1e-6),
  finish=attentive.finish,
  restore=_restore,
  whole=('vjepa2.', r'^(pooler|classifier)\.'),
  left_out={
    r'^predictor\.': 'of the predictor, which pretraining alone needs',
  },
  heads=vjepa2.HEADS,
  config=KIND,
  partial=True,
)
