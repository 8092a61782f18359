"""CLIP's image towers, from `model.safetensors` at Hugging Face.

OpenAI's, and those of open_clip that were converted.

Traps:
  What `clip` says of the activation holds here; the config.json beside the
  file says which it is (hidden_act).
  The hub's names begin with `vision_model.`, those that transformers 5 writes
  of a CLIPVisionModel do not. Both are taken; the latter are written.
  Files of older versions hold `position_ids`, which are no weights.
"""

from vidpetl.weights import family, hugging_face, rules, transformers
from vidpetl.weights.families import clip


def _rules() -> family.Rules:
  encoder = 'SpatialTransformer'
  at, ours = 'encoder.layers.{i}', f'{encoder}/{transformers.BLOCK}'
  names = [f'{at}.self_attn.{n}_proj' for n in ('q', 'k', 'v', 'out')]
  theirs = 'embeddings.position_embedding.weight'
  table = f'{encoder}/posembed_input/pos_embedding'
  embedding = 'embeddings.patch_embedding.weight'
  return (
    rules.rule('embeddings.class_embedding', 'cls', 'd -> 1 1 d'),
    rules.rule(theirs, table, 'n d -> 1 n d'),
    rules.rule(embedding, 'embedding/kernel', rules.IMAGE_CONV),
    *rules.norm('pre_layrnorm', f'{encoder}/pre_norm'),
    *rules.norm(f'{at}.layer_norm1', f'{ours}/LayerNorm_0'),
    *rules.heads(names, f'{ours}/{transformers.ATTENTION}'),
    *rules.norm(f'{at}.layer_norm2', f'{ours}/LayerNorm_1'),
    *rules.dense(f'{at}.mlp.fc1', f'{ours}/MlpBlock_0/Dense_0'),
    *rules.dense(f'{at}.mlp.fc2', f'{ours}/MlpBlock_0/Dense_1'),
    *rules.norm('post_layernorm', 'norm'),
  )


FAMILY = family.Family(
  source='https://huggingface.co/openai',
  rules={'vit': (_rules(),)},
  layout=lambda shapes, _: transformers.vit_layout(shapes, 'clip'),
  left_out={
    '^visual_projection': clip.PROJECTION,
    '^text_(model|projection)|^logit_scale$': clip.TEXT,
    'position_ids$': 'numbers of the positions',
  },
  heads=clip.HEADS,
  normalisation=(clip.MEAN, clip.STD),
  unshown=clip.UNSHOWN,
  positions='bicubic',
  config=hugging_face.Kind(
    model_types=('clip_vision_model', 'clip'),
    defaults={
      'num_attention_heads': 12,
      'hidden_act': 'quick_gelu',
      'layer_norm_eps': 1e-5,
      'image_size': 224,
      'patch_size': 32,
    },
    plain='CLIPVisionModel',
    processor='CLIPImageProcessor',
    moving=False,
  ),
)
