"""SlowFast's slow pathway as PyTorchVideo publishes it (SLOW_8x8_R50.pyth)."""

from vidpetl.weights import convnets, family, rules, slowfasts
from vidpetl.weights.families import slowfast_pytorchvideo

FAMILY = family.Family(
  source=slowfast_pytorchvideo.SOURCE,
  rules={'slowfast': (slowfasts.pytorchvideo(('slow',)),)},
  layout=lambda shapes, _: slowfasts.layout(shapes),
  head=tuple(rules.dense('blocks.5.proj', 'output_projection')),
  left_out=convnets.COUNTS,
  normalisation=slowfasts.NORMALISATION,
  unshown=(slowfasts.DILATED,),
)
