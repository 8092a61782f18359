"""Hiera for clips and for images, from Meta's `.pth` files and timm's.

Traps:
  Files of pretraining (`mae_…`) have `encoder_norm` in place of `norm`. Their
  code pools at two stages in pretraining and at three in fine-tuning, which no
  array shows: config.backbone.pools. Their own class leaves that norm out and
  starts a new one; here it is taken.
  Heads are of 96, 56, 72 or 64 channels, by the size of the model.
  Meta's code takes clips of one size alone. Where others are asked for, tables
  are resized as transformers resizes those of images.
  timm's names of the last norm and classifier are read, too; Meta's are
  written, which timm reads. Its models of windowed positions are others.
"""

from vidpetl.weights import family, hieras, rules
from vidpetl.weights.errors import WeightsError


def _check(shapes: family.Shapes) -> None:
  if 'pos_embed_win' in shapes:
    raise WeightsError(
      'its positions repeat with mask units (pos_embed_win), as those of '
      "timm's models in 'abswin' do: the backbone here has none"
    )


FAMILY = family.Family(
  source='https://github.com/facebookresearch/hiera',
  rules={
    'hiera': tuple(
      hieras.metas(norm, image)
      for image in (False, True)
      for norm in ('norm', 'encoder_norm')
    )
  },
  layout=hieras.layout,
  head=tuple(rules.dense('head.projection', 'output_projection')),
  rename=(
    (r'^head\.fc\.', 'head.projection.'),
    (r'^head\.norm\.', 'norm.'),
  ),
  left_out=hieras.DECODER,
  heads=hieras.HEADS,
  width=hieras.width,
  unshown=hieras.UNSHOWN,
  positions='bicubic',
  inflate='central',
  check=_check,
)
