"""DINOv2's image ViTs without registers, from Meta's `.pth` files, and timm's.

Every branch of a block ends in a LayerScale, a factor for each channel. It is
folded into the layer before it, so a model here has as many arrays as any ViT,
and exactly the same function.

Traps:
  Tables are for 37 x 37 patches of 14 pixels; the code resizes them to 16 x 16
  for 224 pixels by PyTorch's bicubic. Meta's first models add 0.1 to the sizes
  there, which moves positions by another half percent and is not repeated.
  ViT-g has SwiGLU and others registers; both are refused.
"""

from vidpetl.weights import family, rules, transformers
from vidpetl.weights.errors import WeightsError

HEADS = {384: 6, 768: 12, 1024: 16}
MASK = {'mask_token$': 'stands for masked patches, in pretraining alone'}


def check(shapes: family.Shapes) -> None:
  """Raises WeightsError for ViTs that the backbone is not."""
  if any('register_tokens' in name or name == 'reg_token' for name in shapes):
    raise WeightsError(
      'there are register tokens, for which the backbone has no place; the '
      'models without are called dinov2_vitb14 and dinov2-base'
    )
  if any(
    name.endswith(('mlp.w12.weight', 'mlp.weights_in.weight'))
    for name in shapes
  ):
    raise WeightsError(
      'MLPs are SwiGLUs, as in ViT-g, which the backbone does not have'
    )


def _rules() -> family.Rules:
  ours = f'SpatialTransformer/{transformers.BLOCK}'
  return (
    *transformers.image_vit('norm'),
    *(
      rules.rule(
        f'blocks.{{i}}.ls{n}.gamma', f'{ours}/{transformers.SCALES[n]}'
      )
      for n in (1, 2)
    ),
  )


FAMILY = family.Family(
  source='https://github.com/facebookresearch/dinov2',
  rules={'vit': (_rules(),)},
  layout=lambda shapes, _: transformers.vit_layout(shapes, 'dinov2'),
  left_out=MASK,
  heads=HEADS,
  check=check,
  positions='bicubic',
  finish=transformers.fold_scales,
  read_only=(
    'its blocks have a LayerScale, which is folded here; --into=timm writes '
    'the folded ones'
  ),
)
