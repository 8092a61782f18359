"""V-JEPA 2's encoders, from `model.safetensors` at Hugging Face.

What `vjepa2` says of heads and positions holds here as well. The files are of
the averaged encoder, with the predictor beside it.

Trap: transformers counts rows and columns by `crop_size` of its config,
whatever the clip's: for other sizes, and for frames that are not square, that
has to be set there. Here the clip counts, as in Meta's code.
"""

from vidpetl.weights import family, hugging_face, rules, transformers
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
  processor='VJEPA2VideoProcessor',
  clips=True,
)

FAMILY = family.Family(
  source='https://huggingface.co/facebook',
  rules={'vjepa2': (RULES,)},
  layout=vjepa2.layout,
  left_out={
    r'^predictor\.': 'of the predictor, which pretraining alone needs',
  },
  heads=vjepa2.HEADS,
  config=KIND,
  partial=True,
)
