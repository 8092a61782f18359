"""R3D-18 as torchvision publishes it (r3d_18-b3b3357e.pth).

Traps: Kinetics-400's own mean and standard deviation, not ImageNet's; clips of
16 x 112 x 112. Hara et al.'s net of that name is another: see `hara`.
"""

from vidpetl.weights import convnets, family

# Also R(2+1)D-18's.
NORMALISATION = ((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))

FAMILY = family.Family(
  source='https://docs.pytorch.org/vision/stable/models/video_resnet.html',
  rules={
    'resnet3d': (
      convnets.resnet(
        convnets.unit('stem.0', 'stem.1', 'stem'),
        lambda block, n, ours: convnets.unit(
          f'{block}.conv{n}.0', f'{block}.conv{n}.1', ours
        ),
      ),
    )
  },
  layout=lambda shapes, _: convnets.resnet_layout(
    shapes, 'r3d_18', (16, 112, 112)
  ),
  head=convnets.HEAD,
  left_out=convnets.COUNTS,
  normalisation=NORMALISATION,
)
