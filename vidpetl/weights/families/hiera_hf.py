"""Hiera for images, from `model.safetensors` at Hugging Face.

What `hiera` says of pretraining and heads holds here as well. Blocks are
counted within their stages there and through all of them here, so that rules
are those of the depths that are published.
"""

from vidpetl.weights import family, hieras, rules, staged

_DEPTHS = ((1, 2, 7, 2), (1, 2, 11, 2), (2, 3, 16, 3), (2, 6, 36, 4))


def _rules(depths: tuple[int, ...], norm: str) -> family.Rules:
  found = [
    *rules.dense(
      'embeddings.patch_embeddings.projection', 'embedding', rules.IMAGE_CONV
    ),
    rules.rule('embeddings.position_embeddings', 'space/pos_embedding'),
    *rules.norm(norm, 'norm'),
  ]
  number = 0
  for stage, count in enumerate(depths):
    for i in range(count):
      found += hieras.block(
        f'encoder.stages.{stage}.layers.{i}',
        f'{staged.ENCODER}/encoderblock_{number}',
        ('layernorm_before', 'layernorm_after'),
      )
      number += 1
  return tuple(found)


FAMILY = family.Family(
  source='https://huggingface.co/facebook',
  rules={
    'hiera': tuple(
      _rules(depths, norm)
      for depths in _DEPTHS
      for norm in ('pooler.layernorm', 'encoder_norm')
    )
  },
  layout=hieras.layout,
  head=tuple(rules.dense('classifier', 'output_projection')),
  left_out=hieras.DECODER,
  heads=hieras.HEADS,
  width=hieras.width,
  unshown=hieras.UNSHOWN,
  positions='bicubic',
  inflate='central',
  whole=('hiera.', r'^classifier\.'),
  config=hieras.HUGGING_FACE,
)
