"""PyTorchVideo's nets for people on AVA: SLOWFAST_8x8_R50_DETECTION.pyth.

SLOW_4x16_R50_DETECTION.pyth too. Their last stage is dilated; the classifier,
of 80 actions, is beside the net and reads what ROI-Align pools.
"""

from vidpetl.weights import convnets, family, rules, slowfasts
from vidpetl.weights.families import slowfast_pytorchvideo

FAMILY = family.Family(
  source=slowfast_pytorchvideo.SOURCE,
  rules={
    'slowfast': (
      slowfasts.pytorchvideo(slowfasts.PATHWAYS),
      slowfasts.pytorchvideo(('slow',)),
    )
  },
  layout=lambda shapes, _: slowfasts.layout(shapes),
  head=tuple(rules.dense('detection_head.proj', 'output_projection')),
  left_out=convnets.COUNTS,
  fields=lambda names: {'dilated': True},
  normalisation=slowfasts.NORMALISATION,
  unshown=slowfasts.ALPHA,
  whole=('model.', r'^detection_head\.'),
)
