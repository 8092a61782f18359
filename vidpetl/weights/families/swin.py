"""Video Swin, as its authors and mmaction2 publish it (.pth).

Windows are in no name: a table's rows tell them, with 7 or 12 tokens along
height and width, as all that is published has. mmaction2 1.x has the same
names, but for the last norm.
"""

from vidpetl.weights import family, rules, swins

RULES = (
  *swins.ends(),
  *swins.stages(
    [f'layers.{s}.blocks' for s in swins.STAGES],
    [f'layers.{s}.downsample' for s in swins.STAGES[:-1]],
  ),
)

FAMILY = family.Family(
  source='https://github.com/SwinTransformer/Video-Swin-Transformer',
  rules={'swin': (RULES,)},
  layout=lambda shapes, _: swins.layout(shapes, swins.clip_window),
  head=tuple(rules.dense('cls_head.fc_cls', 'output_projection')),
  rename=((r'^norm3\.', 'norm.'),),
  left_out={
    **swins.BUFFERS,
    r'^data_preprocessor\.': 'mean and deviation of pixels, as they are here',
  },
  axes=swins.head_width,
  positions='bicubic',
  whole=('backbone.', r'^cls_head\.'),
  buffers=lambda arrays, backbone: swins.indices(
    arrays, lambda rows: swins.window_of(rows, backbone)
  ),
)
