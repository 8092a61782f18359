"""EVA-01, EVA-02 and the image towers of EVA-CLIP, from timm's files.

Also as open_clip has them, whose `visual.trunk` is timm's model.

Traps:
  timm's code resizes learned positions with antialiasing, BAAI's without.
  The `head` of a CLIP tower is no classifier, but its projection: such a file
  has no use for --head.
  E/14 is refused: see `eva_clip`.
"""

from vidpetl.weights import evas, family, transformers
from vidpetl.weights.families import clip, eva_clip

FAMILY = family.Family(
  source='https://huggingface.co/timm',
  rules={
    'eva': tuple(
      evas.tower(kind, evas.TIMM, norm)
      for kind in ('eva02', 'eva02_clip', 'eva01')
      for norm in ('fc_norm', 'norm')
    )
  },
  layout=evas.layout,
  head=transformers.HEAD,
  left_out={**clip.FAMILY.left_out, **evas.LEFT_OUT},
  heads=evas.HEADS,
  check=eva_clip.check,
  normalisation=(clip.MEAN, clip.STD),
  fields=evas.summary,
  finish=transformers.join_gates,
  restore=evas.restore,
  positions='bicubic_antialias',
  config='timm',
)
