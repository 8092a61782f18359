"""timm's image ViTs with a class token, from `.safetensors` or `.bin` files.

Their classifiers read the class token, or the mean of the patches where the
last norm is called `fc_norm`: config.backbone.summary.

Traps:
  Pixels are in [-1, 1], as AugReg's are; DeiT's and DINO's, under the same
  names, are normalised as ImageNet's usually are.
  LayerNorms are taken to have an epsilon of 1e-6 and GELU to be exact, as
  timm's defaults are; neither is in a file.
  ViTs of other structures have other names, and are refused: without a class
  token (SigLIP), with register tokens or layer scale (DINOv2, DeiT III), with
  a norm before the blocks (CLIP).
"""

from vidpetl.weights import family, settings, transformers

HEADS = {**transformers.HEADS, 192: 3, 512: 8, 1664: 16}


FAMILY = family.Family(
  source='https://huggingface.co/timm',
  rules={'vit': tuple(transformers.image_vit(n) for n in ('norm', 'fc_norm'))},
  layout=lambda shapes, _: transformers.vit_layout(shapes, 'mae'),
  head=transformers.HEAD,
  heads=HEADS,
  normalisation=(0.5, 0.5),
  fields=transformers.summary,
  unshown=(
    settings.Unshown('epsilon', {1e-6: "timm's default"}, 1e-6),
    settings.Unshown(
      'activation',
      {'gelu': "timm's default", 'quick_gelu': "its models in 'quickgelu'"},
      'gelu',
    ),
  ),
  positions='bicubic_antialias',
  note=(
    "pixels are taken to be in [-1, 1], as AugReg's; DeiT's and DINO's are "
    "normalised as ImageNet's usually are"
  ),
  config='timm',
)
