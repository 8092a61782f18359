"""R(2+1)D-18 as torchvision publishes it (r2plus1d_18-91a641e6.pth).

Traps: the BatchNorm between a convolution's factors is in the Sequential with
them, the one behind is not. Both convolutions of a block have the width between
factors that belongs to the first, and the stem has 45; RSPNet's R(2+1)D counts
otherwise. Kinetics-400's own mean and standard deviation.
"""

from vidpetl.weights import convnets, family
from vidpetl.weights.families import r3d_18


def _conv(block, number, ours):
  at = f'{block}.conv{number}'
  return [
    *convnets.unit(f'{at}.0.0', f'{at}.0.1', f'{ours}/spatial'),
    *convnets.unit(f'{at}.0.3', f'{at}.1', f'{ours}/temporal'),
  ]


_STEM = [
  *convnets.unit('stem.0', 'stem.1', 'stem/spatial'),
  *convnets.unit('stem.3', 'stem.4', 'stem/temporal'),
]

FAMILY = family.Family(
  source='https://docs.pytorch.org/vision/stable/models/video_resnet.html',
  rules={'resnet3d': (convnets.resnet(_STEM, _conv),)},
  layout=lambda shapes, _: convnets.resnet_layout(
    shapes, 'r2plus1d_18', (16, 112, 112)
  ),
  head=convnets.HEAD,
  left_out=convnets.COUNTS,
  normalisation=r3d_18.NORMALISATION,
)
