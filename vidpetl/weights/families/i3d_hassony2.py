"""I3D as carried over to PyTorch by hassony2: model_rgb.pth.

CoRe, FineDiving and PECoP start from the same file, in nets that pad otherwise
and have another epsilon. A converted file is for the backbone of its author,
'hassony2'; `config.backbone.variant='pecop'` is how those papers used it, with
the same arrays.

Traps: the file is for pixels in [-1, 1], which is mean and standard deviation
0.5; those papers gave it ImageNet's instead. Every BatchNorm's scale is 1, as
TensorFlow's had none. model_flow.pth takes two channels and is refused.
"""

from vidpetl.weights import convnets, family, rules

_FIRST = 'conv3d_1a_7x7.conv3d.weight'

RULES = tuple(
  convnets.i3d(
    'conv3d_{}',
    'mixed_{}',
    'batch3d',
    {
      'b0': 'branch_0',
      'b1a': 'branch_1.0',
      'b1b': 'branch_1.1',
      'b2a': 'branch_2.0',
      'b2b': 'branch_2.1',
      'b3b': 'branch_3.1',
    },
  )
)

FAMILY = family.Family(
  source='https://github.com/hassony2/kinetics_i3d_pytorch',
  rules={'i3d': (RULES,)},
  layout=lambda shapes, _: convnets.i3d_layout(shapes, 'hassony2'),
  head=tuple(
    rules.dense('conv3d_0c_1x1.conv3d', 'output_projection', rules.POINT_CONV)
  ),
  left_out=convnets.COUNTS,
  check=lambda shapes: convnets.refuse_flow(shapes, _FIRST),
  normalisation=(0.5, 0.5),
  note=(
    "config.backbone.variant='pecop' is how CoRe, FineDiving and PECoP use "
    "these arrays, with ImageNet's mean and standard deviation of pixels"
  ),
)
