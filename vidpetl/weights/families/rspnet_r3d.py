"""RSPNet's ResNet-18, Hara et al.'s (model_best_resnet18_200epoch.pth.tar).

See `weights.rspnet`. Trap: fine-tuned files have `fc`, the classifier, and
`encoder.fc`, which is not.
"""

from vidpetl.weights import convnets, rspnet

FAMILY = rspnet.make(
  'resnet3d',
  convnets.hara(),
  lambda shapes: convnets.resnet_layout(shapes, 'hara', (16, 112, 112)),
)
