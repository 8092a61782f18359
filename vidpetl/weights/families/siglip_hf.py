"""SigLIP's and SigLIP 2's image towers, from Hugging Face.

Traps:
  The files hold a text tower as well. Names of the image tower begin with
  `vision_model.` there, and not in what transformers 5 writes of it alone.
  NaFlex models (of any aspect) are another net under the same names: they
  embed patches by a dense layer, and are refused.
"""

import math

from vidpetl.weights import family, hugging_face, rules, transformers
from vidpetl.weights.errors import WeightsError

ENCODER = 'SpatialTransformer'
OURS = f'{ENCODER}/{transformers.BLOCK}'
TABLE = f'{ENCODER}/posembed_input/pos_embedding'
NAFLEX = (
  'it is a NaFlex model of SigLIP 2, for images of any aspect, which no '
  'backbone here is; those of one size, such as siglip2-base-patch16-224, are '
  'read'
)
HEADS = {768: 12, 1024: 16, 1152: 16}
TEXT = 'of the text tower, or of comparing it with images'


def check(shapes: family.Shapes) -> None:
  """Raises WeightsError for NaFlex models."""
  embedding = shapes.get('embeddings.patch_embedding.weight', ())
  if len(embedding) == 2:
    raise WeightsError(NAFLEX)


def layout(shapes: family.Shapes, _: str) -> family.Layout:
  """Returns the tower's layout; images are square where that is possible."""
  patch, positions = shapes['embedding/kernel'][1], shapes[TABLE][1]
  side = math.isqrt(positions)
  sizes = transformers.sizes(shapes, ENCODER)
  return family.Layout(
    {'name': 'siglip', **sizes, 'patch': patch},
    (1, side * patch, side * patch) if side * side == positions else (),
  )


def _rules() -> family.Rules:
  at = 'encoder.layers.{i}'
  names = [f'{at}.self_attn.{n}_proj' for n in ('q', 'k', 'v', 'out')]
  inside = [f'head.attention.in_proj_{leaf}' for leaf in ('weight', 'bias')]
  return (
    *rules.dense('embeddings.patch_embedding', 'embedding', rules.IMAGE_CONV),
    rules.rule('embeddings.position_embedding.weight', TABLE, 'n d -> 1 n d'),
    *rules.norm(f'{at}.layer_norm1', f'{OURS}/LayerNorm_0'),
    *rules.heads(names, f'{OURS}/{transformers.ATTENTION}'),
    *rules.norm(f'{at}.layer_norm2', f'{OURS}/LayerNorm_1'),
    *transformers.mlps(f'{at}.mlp', OURS, {'fc1': 'Dense_0', 'fc2': 'Dense_1'}),
    *rules.norm('post_layernorm', 'norm'),
    rules.rule('head.probe', 'pool/probe'),
    *rules.fused(inside, 'pool'),
    *rules.heads_out('head.attention.out_proj', 'pool'),
    *rules.norm('head.layernorm', 'pool/norm'),
    *rules.dense('head.mlp.fc1', 'pool/Dense_0'),
    *rules.dense('head.mlp.fc2', 'pool/Dense_1'),
  )


FAMILY = family.Family(
  source='https://huggingface.co/google',
  rules={'siglip': (_rules(),)},
  layout=layout,
  left_out={
    r'^text_model|^logit_(scale|bias)$': TEXT,
    'position_ids$': 'numbers of the positions',
    r'^classifier\.': 'reads the mean of patches, and no summary of the file',
  },
  heads=HEADS,
  check=check,
  normalisation=(0.5, 0.5),
  positions='bicubic',
  config=hugging_face.Kind(
    model_types=('siglip_vision_model', 'siglip'),
    defaults={
      'hidden_size': 768,
      'num_hidden_layers': 12,
      'num_attention_heads': 12,
      'intermediate_size': 3072,
      'hidden_act': 'gelu_pytorch_tanh',
      'layer_norm_eps': 1e-6,
      'image_size': 224,
      'patch_size': 16,
    },
    plain='SiglipVisionModel',
    processor='SiglipImageProcessor',
    moving=False,
    lead=0,
  ),
)
