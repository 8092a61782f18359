"""The image towers of EVA-01-CLIP and EVA-02-CLIP, from BAAI's `.pt` files.

The text tower and the projection into the space that both share, `visual.head`,
are left out.

Traps:
  Those of EVA-02 have a norm behind the heads of each attention, which EVA-02
  has not; the rest is as `eva02` says.
  Files are in float16, and stay so.
  E/14, whose blocks are normalised behind their branches, has the arrays of a
  larger EVA-01, and is refused by its width.
"""

from vidpetl.weights import evas, family, transformers
from vidpetl.weights.errors import WeightsError
from vidpetl.weights.families import clip

_E = 1792


def check(shapes: family.Shapes) -> None:
  evas.check(shapes)
  tower = {n: s for n, s in shapes.items() if not n.startswith('text.')}
  if transformers.width_of(tower) == _E:
    raise WeightsError(
      'it is E/14, which normalises what its branches give; here there are '
      'B/16, L/14 and g/14'
    )


FAMILY = family.Family(
  source='https://huggingface.co/QuanSun/EVA-CLIP',
  rules={
    'eva': tuple(
      evas.tower(kind, evas.BAAI, 'norm', front)
      for front in ('visual.', '')
      for kind in ('eva02_clip', 'eva01')
    )
  },
  layout=evas.layout,
  left_out={
    r'^(visual\.)?head\.': clip.PROJECTION,
    **evas.LEFT_OUT,
    **{
      pattern: why
      for pattern, why in clip.FAMILY.left_out.items()
      if why == clip.TEXT
    },
  },
  heads=evas.HEADS,
  check=check,
  normalisation=(clip.MEAN, clip.STD),
  fields=lambda names: {'summary': 'cls'},
  finish=transformers.join_gates,
  restore=evas.restore,
  positions='bicubic',
  partial=True,
)
