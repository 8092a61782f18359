"""RSPNet's R(2+1)D, that of VCOP (model_best_r21d_200epoch.pth.tar).

See `weights.rspnet`. Traps: one block per stage, so half of R(2+1)D-18; the
stages are conv2 to conv5; shortcuts are factorised; the BatchNorm between a
convolution's factors is within it, the one behind is the block's.
"""

from vidpetl.weights import convnets, rspnet


def _factorised(conv, norm, ours):
  return [
    *convnets.unit(f'{conv}.spatial_conv', f'{conv}.bn', f'{ours}/spatial'),
    *convnets.unit(f'{conv}.temporal_conv', norm, f'{ours}/temporal'),
  ]


def _net():
  found = _factorised('conv1', 'bn1', 'stem')
  for s in range(1, 5):
    block, ours = f'conv{s + 1}.block1', f'stage{s}_block0'
    for n in (1, 2):
      found += _factorised(
        f'{block}.conv{n}', f'{block}.bn{n}', f'{ours}/conv{n}'
      )
    if s > 1:
      found += _factorised(
        f'{block}.downsampleconv', f'{block}.downsamplebn', f'{ours}/shortcut'
      )
  return found


FAMILY = rspnet.make(
  'resnet3d',
  _net(),
  lambda shapes: convnets.resnet_layout(
    shapes, 'r2plus1d_vcop', (16, 112, 112)
  ),
)
