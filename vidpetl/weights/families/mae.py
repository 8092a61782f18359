"""MAE's image ViTs, as facebookresearch/mae publishes them."""

from vidpetl.weights import family, transformers

FAMILY = family.Family(
  source='https://github.com/facebookresearch/mae',
  rules={'vit': tuple(transformers.image_vit(n) for n in ('norm', 'fc_norm'))},
  layout=lambda shapes, _: transformers.vit_layout(shapes, 'mae'),
  head=transformers.HEAD,
  left_out={
    '^decoder_|^mask_token$': 'of the decoder, which pretraining alone needs',
  },
  axes=transformers.head_width,
)
