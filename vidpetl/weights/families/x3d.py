"""X3D as PySlowFast publishes it (x3d_m.pyth).

{'model_state', 'optimizer_state', 'cfg'}. XS, S and M have the same arrays and
differ in their clips: 4 frames, each 12th, of 160 x 160; 13, each 6th, of the
same; 16, each 5th, of 224 x 224.

Traps: the classifier reads 2,048 channels that a layer behind the pooling
makes, and not the grid's.
"""

from vidpetl.weights import convnets, family, rules, slowfasts, x3ds

FAMILY = family.Family(
  source='https://github.com/facebookresearch/SlowFast/tree/main/projects/x3d',
  rules={
    'x3d': (
      x3ds.make(
        x3ds.Names(
          stem=tuple(
            f's1.pathway0_stem.{part}' for part in ('conv_xy', 'conv', 'bn')
          ),
          block='s{s}.pathway0_res{i}',
          shortcut=('branch1', 'branch1_bn'),
          units=tuple((f'branch2.{n}', f'branch2.{n}_bn') for n in 'abc'),
          excitation=('branch2.se.fc1', 'branch2.se.fc2'),
          conv_5=('head.conv_5', 'head.conv_5_bn'),
          lin_5='head.lin_5',
          first=2,
          shortcut_norm=True,
        )
      ),
    )
  },
  layout=lambda shapes, _: x3ds.layout(shapes),
  head=tuple(rules.dense('head.projection', 'output_projection')),
  left_out=convnets.COUNTS,
  normalisation=slowfasts.NORMALISATION,
)
