"""MViTv2 for clips, from PySlowFast's `.pyth` files.

Traps:
  Tables of relative positions are of the clips that a file was trained on.
  PySlowFast interpolates them where a clip is another; here that happens where
  a run starts.
  MViTv1 adds positions to tokens and widens them behind the MLP, and MViTv2-L
  has no class token: both are refused.
"""

from vidpetl.weights import family, mvits, rules


def _rules(separate: bool) -> family.Rules:
  return (
    *rules.dense('patch_embed.proj', 'embedding', rules.CONV),
    rules.rule('cls_token', 'cls'),
    *mvits.block(
      pool='pool_*',
      norm='norm_*',
      out='proj',
      mlp=('mlp.fc1', 'mlp.fc2'),
      shortcut='proj',
      separate=separate,
    ),
    *rules.norm('norm', 'norm'),
  )


FAMILY = family.Family(
  source='https://github.com/facebookresearch/SlowFast',
  rules={'mvit': (_rules(False), _rules(True))},
  layout=mvits.layout,
  head=tuple(rules.dense('head.projection', 'output_projection')),
  axes=mvits.head_width,
  unshown=mvits.UNSHOWN,
  normalisation=mvits.PIXELS,
)
