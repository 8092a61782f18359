"""4DS, from `scaling4d_dist_b.npz` of google-deepmind/representations4d.

A file with a readout, such as `scaling4d_dist_b_depth.npz`, has the backbone in
it; its readout is not read.

Traps:
  Pixels are in [0, 1], without a mean taken off.
  The authors' code resizes no positions; the rule here is that of
  `jax.image.resize`, which it has for features.
"""

import math

from vidpetl.weights import family, rules, transformers

_ENCODER = 'Transformer'
_TABLE = f'{_ENCODER}/posembed_input/pos_embedding'


def layout(shapes: family.Shapes, _: str) -> family.Layout:
  """Returns the layout, for square frames of 224 pixels."""
  *tubelet, _, _ = shapes['embedding/kernel']
  rows = [224 // size for size in tubelet[1:]]
  times, rest = divmod(shapes[_TABLE][1], math.prod(rows))
  fields = {
    'name': 'scaling4d',
    **transformers.sizes(shapes, _ENCODER),
    'tubelet': tuple(tubelet),
  }
  return family.Layout(fields, () if rest else (times * tubelet[0], 224, 224))


FAMILY = family.Family(
  source='https://github.com/google-deepmind/representations4d',
  rules={
    'scaling4d': (
      (
        *rules.flax('encoder/patch_embedding/Conv_0', 'embedding'),
        rules.rule(
          'encoder/posenc/embeddings',
          _TABLE,
          'frames rows columns d -> 1 (frames rows columns) d',
        ),
        *transformers.kauldron_blocks('processor/layers_{i}', _ENCODER),
      ),
    ),
  },
  layout=layout,
  normalisation=(0.0, 1.0),
  positions='linear_antialias',
  takes="Flax: names are paths in the tree of its parameters, joined by '/'",
)
