"""torchvision's MViTv2: mvit_v2_s (.pth)."""

from vidpetl.weights import family, mvits, rules

RULES = (
  *rules.dense('conv_proj', 'embedding', rules.CONV),
  rules.rule('pos_encoding.class_token', 'cls', 'd -> 1 1 d'),
  *mvits.block(
    pool='pool_*.pool',
    norm='pool_*.norm_act.0',
    out='project.0',
    mlp=('mlp.0', 'mlp.3'),
    shortcut='project',
  ),
  *rules.norm('norm', 'norm'),
)

FAMILY = family.Family(
  source='https://docs.pytorch.org/vision/stable/models/video_mvit.html',
  rules={'mvit': (RULES,)},
  layout=mvits.layout,
  head=tuple(rules.dense('head.1', 'output_projection')),
  axes=mvits.head_width,
  unshown=mvits.UNSHOWN,
  normalisation=mvits.PIXELS,
)
