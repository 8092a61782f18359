"""DINOv2's image ViTs, from `model.safetensors` at Hugging Face.

What `dinov2` says holds here as well. transformers' classifier reads the class
token and the mean of the patches side by side, which no summary here does.
"""

from vidpetl.weights import family, hugging_face, rules, transformers
from vidpetl.weights.families import dinov2

_AT = 'encoder.layer.{i}'
_OURS = f'SpatialTransformer/{transformers.BLOCK}'
_ATTENTION = f'{_AT}.attention.attention'

RULES = (
  rules.rule('embeddings.cls_token', 'cls'),
  rules.rule(
    'embeddings.position_embeddings',
    'SpatialTransformer/posembed_input/pos_embedding',
  ),
  *rules.dense(
    'embeddings.patch_embeddings.projection', 'embedding', rules.IMAGE_CONV
  ),
  *rules.norm(f'{_AT}.norm1', f'{_OURS}/LayerNorm_0'),
  *rules.heads(
    [
      *(f'{_ATTENTION}.{name}' for name in ('query', 'key', 'value')),
      f'{_AT}.attention.output.dense',
    ],
    f'{_OURS}/{transformers.ATTENTION}',
  ),
  *rules.norm(f'{_AT}.norm2', f'{_OURS}/LayerNorm_1'),
  *rules.dense(f'{_AT}.mlp.fc1', f'{_OURS}/MlpBlock_0/Dense_0'),
  *rules.dense(f'{_AT}.mlp.fc2', f'{_OURS}/MlpBlock_0/Dense_1'),
  *rules.norm('layernorm', 'norm'),
  *(
    rules.rule(
      f'{_AT}.layer_scale{n}.lambda1', f'{_OURS}/{transformers.SCALES[n]}'
    )
    for n in (1, 2)
  ),
)

FAMILY = family.Family(
  source='https://huggingface.co/facebook',
  rules={'vit': (RULES,)},
  layout=dinov2.FAMILY.layout,
  # As models of transformers 5 call them in memory.
  rename=(
    (r'\.attention\.q_proj\.', '.attention.attention.query.'),
    (r'\.attention\.k_proj\.', '.attention.attention.key.'),
    (r'\.attention\.v_proj\.', '.attention.attention.value.'),
    (r'\.attention\.o_proj\.', '.attention.output.dense.'),
  ),
  left_out={
    **dinov2.MASK,
    r'^classifier\.': 'reads the class token and the mean of patches at once',
  },
  heads=dinov2.HEADS,
  check=dinov2.check,
  positions='bicubic',
  finish=transformers.fold_scales,
  read_only=dinov2.FAMILY.read_only,
  config=hugging_face.DINOV2,
)
