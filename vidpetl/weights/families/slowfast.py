"""SlowFast and Slow as PySlowFast publishes and saves them.

SLOWFAST_8x8_R50.pkl and its like are of Caffe2, {'blobs': {name: array}}, by
other names; what was trained there is .pyth, {'model_state', 'optimizer_state',
'cfg'}. SLOWONLY_8x8_R50.pkl, and AVA's C2D_8x8_R50.pkl, which has kernels in
time for all its name, are the slow pathway alone.

Traps: no array shows alpha, nor whether the last stage is dilated, as it is
where people are classified (AVA). The slow pathway sees frames that are spread
over the clip, and not each alpha-th. Files with non-local blocks and those
called R101_50_50 are refused.
"""

from vidpetl.weights import convnets, family, rules, slowfasts

_CAFFE2 = (
  (r'^res_conv1_bn_', 's1.pathway0_stem.bn_'),
  (r'^t_res_conv1_bn_', 's1.pathway1_stem.bn_'),
  (r'^conv1_', 's1.pathway0_stem.conv_'),
  (r'^t_conv1_', 's1.pathway1_stem.conv_'),
  (r'^t_pool1_subsample_bn_', 's1_fuse.bn_'),
  (r'^t_pool1_subsample_', 's1_fuse.conv_f2s_'),
  (r'^t_res(\d)_\d+_branch2c_bn_subsample_bn_', r's\1_fuse.bn_'),
  (r'^t_res(\d)_\d+_branch2c_bn_subsample_', r's\1_fuse.conv_f2s_'),
  (r'^res(\d)_(\d+)_branch1_', r's\1.pathway0_res\2.branch1_'),
  (r'^t_res(\d)_(\d+)_branch1_', r's\1.pathway1_res\2.branch1_'),
  (r'^res(\d)_(\d+)_branch2([abc])_', r's\1.pathway0_res\2.branch2.\3_'),
  (r'^t_res(\d)_(\d+)_branch2([abc])_', r's\1.pathway1_res\2.branch2.\3_'),
  (r'^pred_', 'head.projection_'),
  (r'_[ws]$', '.weight'),
  (r'_b$', '.bias'),
  (r'_rm$', '.running_mean'),
  (r'_riv$', '.running_var'),
)


def _rules(*pathways: str) -> family.Rules:
  number = slowfasts.PATHWAYS.index
  return slowfasts.make(
    pathways,
    lambda p: tuple(
      f's1.pathway{number(p)}_stem.{part}' for part in ('conv', 'bn')
    ),
    lambda stage: (f's{stage}_fuse.conv_f2s', f's{stage}_fuse.bn'),
    lambda p, stage: f's{stage + 1}.pathway{number(p)}_res{{i}}',
    {
      'shortcut': ('branch1', 'branch1_bn'),
      **{n: (f'branch2.{n}', f'branch2.{n}_bn') for n in 'abc'},
    },
  )


FAMILY = family.Family(
  source='https://github.com/facebookresearch/SlowFast/blob/main/MODEL_ZOO.md',
  rules={'slowfast': (_rules('slow', 'fast'), _rules('slow'))},
  layout=lambda shapes, _: slowfasts.layout(shapes),
  head=tuple(rules.dense('head.projection', 'output_projection')),
  rename=_CAFFE2,
  left_out={
    **convnets.COUNTS,
    r'_momentum$|^(lr|model_iter)$': "Caffe2's optimizer",
  },
  check=slowfasts.refuse_nonlocal,
  normalisation=slowfasts.NORMALISATION,
  unshown=(*slowfasts.ALPHA, slowfasts.DILATED),
)
