"""ViViT, as Hugging Face publishes it (google/vivit-b-16x2-kinetics400).

It is scenic's unfactorised model with a class token. Files have the names of
transformers 4, which `save_pretrained` of transformers 5 writes too; those
that models of the latter have in memory are taken as well. A pooler is in no
published file but in some that `VivitModel` wrote, drawn at random.

How many of the positions are frames is not said: see the family vivit.
"""

from vidpetl.weights import family, hugging_face, rules, transformers, vivits

_BLOCK = 'encoder.layer.{i}'
_OURS = f'Transformer/{transformers.BLOCK}'
_ATTENTION = f'{_BLOCK}.attention.attention'

RULES = (
  rules.rule('embeddings.cls_token', 'cls'),
  rules.rule(
    'embeddings.position_embeddings', 'Transformer/posembed_input/pos_embedding'
  ),
  *rules.dense(
    'embeddings.patch_embeddings.projection', 'embedding', rules.CONV
  ),
  *rules.norm(f'{_BLOCK}.layernorm_before', f'{_OURS}/LayerNorm_0'),
  *rules.heads(
    [
      *(f'{_ATTENTION}.{name}' for name in ('query', 'key', 'value')),
      f'{_BLOCK}.attention.output.dense',
    ],
    f'{_OURS}/{transformers.ATTENTION}',
  ),
  *rules.norm(f'{_BLOCK}.layernorm_after', f'{_OURS}/LayerNorm_1'),
  *rules.dense(f'{_BLOCK}.intermediate.dense', f'{_OURS}/MlpBlock_0/Dense_0'),
  *rules.dense(f'{_BLOCK}.output.dense', f'{_OURS}/MlpBlock_0/Dense_1'),
  *rules.norm('layernorm', 'Transformer/encoder_norm'),
)

FAMILY = family.Family(
  source='https://huggingface.co/google/vivit-b-16x2-kinetics400',
  rules={'vivit': (RULES,)},
  layout=lambda shapes, _: vivits.layout(shapes),
  head=tuple(rules.dense('classifier', 'output_projection')),
  rename=(
    (r'^layers\.(\d+)\.', r'encoder.layer.\1.'),
    (r'\.attention\.q_proj\.', '.attention.attention.query.'),
    (r'\.attention\.k_proj\.', '.attention.attention.key.'),
    (r'\.attention\.v_proj\.', '.attention.attention.value.'),
    (r'\.attention\.o_proj\.', '.attention.output.dense.'),
    (r'\.mlp\.fc1\.', '.intermediate.dense.'),
    (r'\.mlp\.fc2\.', '.output.dense.'),
  ),
  left_out={r'^pooler\.': 'a pooler, which nothing reads here'},
  heads=transformers.HEADS,
  unshown=vivits.UNSHOWN,
  normalisation=(0.5, 0.5),
  config=hugging_face.Kind(
    model_types=('vivit',),
    defaults={
      'num_attention_heads': 12,
      'hidden_act': 'gelu_fast',
      'layer_norm_eps': 1e-6,
      'image_size': 224,
      'tubelet_size': (2, 16, 16),
      'num_frames': 32,
    },
    plain='VivitModel',
    classifier='VivitForVideoClassification',
    processor='VivitImageProcessor',
    centred=True,
    fixed={'activation': 'gelu_tanh', 'epsilon': 1e-6},
    box=True,
  ),
  whole=('vivit.', r'^classifier\.'),
)
