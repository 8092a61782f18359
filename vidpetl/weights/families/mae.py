"""MAE's image ViTs, as facebookresearch/mae publishes them.

Fine-tuning reads the mean of the patches behind `fc_norm`, or with --cls_token
the class token behind `norm`, as linear probes do; pretraining has `norm` and
no head, and reads nothing.
"""

from vidpetl.weights import family, settings, transformers


def _summary(names) -> dict[str, str]:
  if 'fc_norm.weight' in names:
    return {'summary': 'mean'}
  return {'summary': 'cls'} if 'head.weight' in names else {}


FAMILY = family.Family(
  source='https://github.com/facebookresearch/mae',
  rules={'vit': tuple(transformers.image_vit(n) for n in ('norm', 'fc_norm'))},
  layout=lambda shapes, _: transformers.vit_layout(shapes, 'mae'),
  head=transformers.HEAD,
  left_out={
    '^decoder_|^mask_token$': 'of the decoder, which pretraining alone needs',
  },
  heads=transformers.HEADS,
  fields=_summary,
  unshown=(
    settings.Unshown(
      'summary',
      {
        'mean': 'what fine-tuning reads',
        'cls': 'what linear probes and --cls_token read',
      },
      'mean',
    ),
  ),
  positions='bicubic',
)
