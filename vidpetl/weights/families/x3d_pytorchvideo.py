"""X3D as PyTorchVideo publishes it (X3D_XS.pyth, X3D_S, X3D_M, X3D_L).

Traps: of the stem's two convolutions, the one called conv_t is that in space.
The shortcut of the first stage has no BatchNorm, which PySlowFast's has.
"""

from vidpetl.weights import convnets, family, rules, slowfasts, x3ds
from vidpetl.weights.families import slowfast_pytorchvideo

FAMILY = family.Family(
  source=slowfast_pytorchvideo.SOURCE,
  rules={
    'x3d': (
      x3ds.make(
        x3ds.Names(
          stem=(
            'blocks.0.conv.conv_t',
            'blocks.0.conv.conv_xy',
            'blocks.0.norm',
          ),
          block='blocks.{s}.res_blocks.{i}',
          shortcut=('branch1_conv', 'branch1_norm'),
          units=(
            ('branch2.conv_a', 'branch2.norm_a'),
            ('branch2.conv_b', 'branch2.norm_b.0'),
            ('branch2.conv_c', 'branch2.norm_c'),
          ),
          excitation=('branch2.norm_b.1.block.0', 'branch2.norm_b.1.block.2'),
          conv_5=('blocks.5.pool.pre_conv', 'blocks.5.pool.pre_norm'),
          lin_5='blocks.5.pool.post_conv',
          first=1,
          shortcut_norm=False,
        )
      ),
    )
  },
  layout=lambda shapes, _: x3ds.layout(shapes),
  head=tuple(rules.dense('blocks.5.proj', 'output_projection')),
  left_out=convnets.COUNTS,
  normalisation=slowfasts.NORMALISATION,
)
