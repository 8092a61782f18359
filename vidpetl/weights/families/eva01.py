"""EVA-01 g, from BAAI's `.pt` files: pretrained, or with a classifier.

Traps:
  Pixels are normalised as ImageNet's usually are; those of its CLIP
  (`eva_clip`), whose tower has the same arrays, as CLIP's.
  What `eva02` says of the class token holds here.
  EVA-L, whose keys have a bias, is a ViT of `mae`, and refused here.
"""

from vidpetl.weights import evas, family, transformers

FAMILY = family.Family(
  source='https://huggingface.co/BAAI/EVA',
  rules={
    'eva': tuple(
      evas.tower('eva01', evas.BAAI, norm) for norm in ('fc_norm', 'norm')
    )
  },
  layout=evas.layout,
  head=transformers.HEAD,
  left_out=evas.LEFT_OUT,
  heads=evas.HEADS,
  check=evas.check,
  fields=evas.summary,
  positions='bicubic',
)
