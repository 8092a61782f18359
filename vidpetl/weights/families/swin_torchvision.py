"""torchvision's Video Swin: swin3d_t, swin3d_s and swin3d_b (.pth).

Stages and what merges patches between them take turns in `features`.
"""

from vidpetl.weights import family, swins

RULES = (
  *swins.ends(),
  *swins.stages(
    [f'features.{2 * s}' for s in swins.STAGES],
    [f'features.{2 * s + 1}' for s in swins.STAGES[:-1]],
    mlp=('0', '3'),
  ),
)

FAMILY = family.Family(
  source='https://docs.pytorch.org/vision/stable/models/video_swin_transformer.html',
  rules={'swin': (RULES,)},
  layout=lambda shapes, _: swins.layout(shapes, swins.clip_window),
  head=swins.HEAD,
  left_out=swins.BUFFERS,
  axes=swins.head_width,
  positions='bicubic',
  buffers=lambda arrays, backbone: swins.indices(
    arrays, lambda rows: swins.window_of(rows, backbone)
  ),
)
