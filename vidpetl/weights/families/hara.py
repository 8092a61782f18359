"""R3D-18 and R3D-34 of Hara et al., as in 3D-ResNets-PyTorch since 2020.

r3d18_K_200ep.pth and its like ('K' Kinetics-700, 'M' Moments in Time, 'S' STAIR
Actions): {'epoch', 'arch', 'state_dict', 'optimizer', 'scheduler'}.

Traps: resnet-18-kinetics.pth and resnet-34-kinetics.pth of 2017 have shortcuts
of type A, which are no convolutions but a subsampling filled up with zeros; the
names are the same, and the net is another. Deeper ones are of bottlenecks. Both
are refused. A net that was trained with --no_max_pool has the same arrays as
one with a max-pool. The mean and standard deviation are Kinetics' own.
"""

from vidpetl.weights import convnets, family, settings
from vidpetl.weights.errors import WeightsError


def check(shapes: family.Shapes) -> None:
  """Raises WeightsError for nets of the same names that the backbone is not."""
  if 'layer1.0.conv3.weight' in shapes:
    raise WeightsError(
      'blocks have three convolutions each, so these are the weights of a '
      'ResNet of bottlenecks (50 layers or more); the backbone has basic '
      'blocks, those of 10, 18 and 34 layers'
    )
  block = 'layer2.0.conv1.weight' in shapes
  if block and 'layer2.0.downsample.0.weight' not in shapes:
    raise WeightsError(
      'there are no downsample arrays, so the shortcuts are of type A '
      '(--resnet_shortcut A: subsampled and filled up with zeros, as in '
      'resnet-18-kinetics.pth and resnet-34-kinetics.pth of 2017); the '
      "backbone's are of type B, convolutions. r3d18_K_200ep.pth of the same "
      'authors has these'
    )


FAMILY = family.Family(
  source='https://github.com/kenshohara/3D-ResNets-PyTorch',
  rules={'resnet3d': (convnets.hara(),)},
  layout=lambda shapes, _: convnets.resnet_layout(
    shapes, 'hara', (16, 112, 112)
  ),
  head=convnets.HEAD,
  left_out=convnets.COUNTS,
  check=check,
  unshown=(
    settings.Unshown(
      'stem_pool',
      {True: 'as published', False: 'trained with --no_max_pool'},
      True,
    ),
  ),
  normalisation=((0.4345, 0.4051, 0.3775), (0.2768, 0.2713, 0.2737)),
)
