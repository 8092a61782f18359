"""SlowFast as PyTorchVideo publishes it (SLOWFAST_8x8_R50.pyth).

The net is PySlowFast's by other names. Traps: as of `slowfast`.
"""

from vidpetl.weights import convnets, family, rules, slowfasts

SOURCE = 'https://pytorchvideo.readthedocs.io/en/latest/model_zoo.html'

FAMILY = family.Family(
  source=SOURCE,
  rules={'slowfast': (slowfasts.pytorchvideo(slowfasts.PATHWAYS),)},
  layout=lambda shapes, _: slowfasts.layout(shapes),
  head=tuple(rules.dense('blocks.6.proj', 'output_projection')),
  left_out=convnets.COUNTS,
  normalisation=slowfasts.NORMALISATION,
  unshown=(*slowfasts.ALPHA, slowfasts.DILATED),
)
