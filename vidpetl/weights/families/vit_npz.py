"""Google's image ViTs, ImageNet-21k's and AugReg's, from their `.npz` files.

For 'vit', kind 'augreg', or for the spatial encoder of a factorised ViViT, as
Arnab et al. (2021) started it: what ViViT adds, the temporal encoder, stays
fresh. The embedding of patches becomes one of tubelets and positions are
resized when a model starts from them; a converted file, and the backbone that
it is said to be for, has tubelets of one frame still.

Traps:
  GELU is in its tanh form, and pixels are in [-1, 1].
  Names are older than Flax's Linen (LayerNorm_2, MlpBlock_3); those of Linen
  are taken as well, and scenic's own files of these nets (ViT_B_16_ImageNet21k,
  which is msgpack, with `output_projection`).
  `head` reads `pre_logits` where that is there, as in the first ImageNet-21k
  files, where it is all zeros besides; --head is for files without it.
  big_vision's own ViTs have no position for their class token: they are
  refused, as no square.
"""

from vidpetl.weights import family, rules, transformers

rule = rules.rule


def _layer(theirs, ours, leaf='kernel', pattern=''):
  return [
    rule(f'{theirs}/{leaf}', f'{ours}/{leaf}', pattern),
    rule(f'{theirs}/bias', f'{ours}/bias'),
  ]


def _rules(norm: str) -> list[rules.Rule]:
  """Rules without the class token; `norm` is our last LayerNorm."""
  encoder = 'SpatialTransformer'
  at, ours = 'Transformer/encoderblock_{i}', f'{encoder}/{transformers.BLOCK}'
  attention = f'{at}/MultiHeadDotProductAttention_1'
  table = 'posembed_input/pos_embedding'
  return [
    *_layer('embedding', 'embedding', pattern='h w i o -> 1 h w i o'),
    rule(f'Transformer/{table}', f'{encoder}/{table}'),
    *_layer(f'{at}/LayerNorm_0', f'{ours}/LayerNorm_0', 'scale'),
    *_layer(f'{at}/LayerNorm_2', f'{ours}/LayerNorm_1', 'scale'),
    *(
      each
      for name in ('query', 'key', 'value', 'out')
      for each in _layer(
        f'{attention}/{name}', f'{ours}/{transformers.ATTENTION}/{name}'
      )
    ),
    *(
      each
      for name in ('Dense_0', 'Dense_1')
      for each in _layer(f'{at}/MlpBlock_3/{name}', f'{ours}/MlpBlock_0/{name}')
    ),
    *_layer('Transformer/encoder_norm', norm, 'scale'),
  ]


def _layout(shapes: family.Shapes, target: str) -> family.Layout:
  image = transformers.vit_layout(shapes, 'augreg')
  if target == 'vit':
    return image
  fields = {k: image.backbone[k] for k in ('width', 'depth', 'heads', 'mlp')}
  patch = image.backbone['patch']
  return family.Layout(
    {'name': 'vivit', **fields, 'tubelet': (1, patch, patch)},
    image.video,
    # The table still has the class token's position.
    fresh=('TemporalTransformer/', 'SpatialTransformer/posembed_input/'),
  )


FAMILY = family.Family(
  source='https://github.com/google-research/vision_transformer',
  rules={
    'vit': ((rule('cls', 'cls'), *_rules('norm')),),
    'vivit': (tuple(_rules('SpatialTransformer/encoder_norm')),),
  },
  layout=_layout,
  head=tuple(_layer('head', 'output_projection')),
  rename=(
    ('/LayerNorm_1/', '/LayerNorm_2/'),
    ('/MultiHeadDotProductAttention_0/', '/MultiHeadDotProductAttention_1/'),
    ('/MlpBlock_0/', '/MlpBlock_3/'),
    # As scenic's own files of the same nets call the classifier.
    ('^output_projection/', 'head/'),
  ),
  left_out={
    '^cls$': 'a class token, which the factorised encoder has no place for',
    '^pre_logits/': 'between the encoder and its classifier, which needs it',
  },
  normalisation=(0.5, 0.5),
  before_head='^pre_logits/',
  inflate='central',
  takes="Flax: names are paths in the tree of its parameters, joined by '/'",
)
