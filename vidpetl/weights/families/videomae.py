"""VideoMAE's joint space-time ViTs, from the authors' `.pth` files.

Fine-tuned models and encoders of pretraining; VideoMAE V2's have these names
too, at Hugging Face below `model.`. Keys have no bias, and positions are
sinusoids, which no file holds: any number of frames and any size of them will
do.

Traps:
  Fine-tuning applies its last norm (`fc_norm`) to the mean of the tokens;
  without use_mean_pooling it has `norm`, for each token, and its head reads the
  first. Pretraining has `norm` and no head, and reads nothing.
  A file of pretraining holds the decoder as well, under the same names.
"""

from collections.abc import Collection

from vidpetl.weights import family, rules, settings, transformers

ENCODER = 'Transformer'
UNSHOWN = (
  settings.Unshown(
    'summary',
    {
      'mean': 'what fine-tuning reads',
      'first': 'what it reads without use_mean_pooling',
    },
    'mean',
  ),
)


def layout(shapes: family.Shapes, _: str) -> family.Layout:
  tubelet, patch = shapes['embedding/kernel'][:2]
  sizes = transformers.sizes(shapes, ENCODER)
  fields = {**sizes, 'patch': patch, 'tubelet': tubelet}
  return family.Layout(
    {'name': 'vit', 'kind': 'videomae', **fields}, (tubelet, patch, patch)
  )


def summary(names: Collection[str], norm: str, head: str) -> dict[str, str]:
  """Returns what a classifier reads, if the names show it.

  Args:
    names: in the file.
    norm: of the norm of a mean.
    head: of the classifier.
  """
  if norm in names:
    return {'summary': 'mean'}
  return {'summary': 'first'} if head in names else {}


def _rules(norm: str) -> family.Rules:
  ours = f'{ENCODER}/{transformers.BLOCK}/{transformers.ATTENTION}'
  biases = [('q_bias', 'query'), ('v_bias', 'value')]
  return (
    *rules.dense('patch_embed.proj', 'embedding', rules.CONV),
    *transformers.blocks('blocks', ENCODER, bias=False),
    *(
      rules.rule(
        f'blocks.{{i}}.attn.{name}', f'{ours}/{at}/bias', '(h c) -> h c'
      )
      for name, at in biases
    ),
    *rules.norm(norm, 'norm'),
  )


FAMILY = family.Family(
  source='https://github.com/MCG-NJU/VideoMAE',
  rules={'vit': tuple(map(_rules, ('fc_norm', 'norm')))},
  layout=layout,
  head=transformers.HEAD,
  left_out={
    r'^decoder\.|^encoder_to_decoder\.|^mask_token$': (
      'of the decoder, which pretraining alone needs'
    ),
  },
  heads=transformers.HEADS,
  fields=lambda names: summary(names, 'fc_norm.weight', 'head.weight'),
  unshown=UNSHOWN,
  config='videomae',
)
