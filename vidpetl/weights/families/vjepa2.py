"""V-JEPA 2's and 2.1's encoders, from Meta's `.pt` files.

A file of training has three nets: the encoder, the predictor, and the average
of the encoder, which is the one that the authors publish and evaluate. It is
called `target_encoder`, and in models distilled from a larger one, whose
`target_encoder` is that teacher, `ema_encoder`.

Traps:
  The ViT-g has 22 heads, where VideoMAE V2's of the same width has 16.
  Positions are in no array. What files have as `pos_embed` is of no use; that
  of V-JEPA (1), which has the same names, is added to its tokens.
  V-JEPA 2.1 embeds images by another layer, and has norms for the depths that
  its training compares; videos need neither.
"""

from vidpetl.weights import family, rules, transformers
from vidpetl.weights.errors import WeightsError

ENCODER = 'Transformer'
HEADS = {768: 12, 1024: 16, 1280: 16, 1408: 22, 1664: 26}
# Tokens of V-JEPA's clips, 16 frames of 224 and of 384 pixels.
_FIRST = (8 * 14 * 14, 8 * 24 * 24)


def _check(shapes: family.Shapes) -> None:
  """Raises WeightsError for encoders that the backbone is not."""
  table = shapes.get('pos_embed', ())
  if len(table) == 3 and table[1] in _FIRST:
    raise WeightsError(
      f'{table[1]} positions are those of V-JEPA (1), which adds them to its '
      'tokens; the backbone turns queries and keys, as V-JEPA 2 does'
    )
  if any(name.endswith('mlp.fc3.weight') for name in shapes):
    raise WeightsError(
      'MLPs are SwiGLUs, which no published V-JEPA has, nor the backbone'
    )


def layout(shapes: family.Shapes, _: str) -> family.Layout:
  tubelet, patch = shapes['embedding/kernel'][:2]
  fields = {
    'name': 'vjepa2',
    'kind': 'v2_1' if 'modality' in shapes else 'v2',
    **transformers.sizes(shapes, ENCODER),
    'patch': patch,
    'tubelet': tubelet,
  }
  return family.Layout(fields, (tubelet, patch, patch))


def _rules(norm: str, *more: rules.Rule) -> family.Rules:
  return (
    *rules.dense('patch_embed.proj', 'embedding', rules.CONV),
    *transformers.blocks('blocks', ENCODER),
    *rules.norm(norm, 'norm'),
    *more,
  )


FAMILY = family.Family(
  source='https://github.com/facebookresearch/vjepa2',
  rules={
    'vjepa2': (
      _rules('norm'),
      _rules(
        'norms_block.3', rules.rule('video_mod_embed', 'modality', '1 1 d -> d')
      ),
    )
  },
  layout=layout,
  left_out={
    r'^pos_embed$': 'positions are turned into queries and keys instead',
    r'^norms_block\.[0-2]\.': 'of depths that training alone compares',
    r'^patch_embed_img\.|^img_mod_embed$': 'of images; clips have their own',
    r'^predictor': 'of the predictor, which pretraining alone needs',
  },
  heads=HEADS,
  check=_check,
  meant=('ema_encoder', 'target_encoder'),
  partial=True,
  takes=(
    'PyTorch: load_state_dict(arrays, strict=False) of the encoder, which '
    'keeps its positions and, of V-JEPA 2.1, what images need'
  ),
)
