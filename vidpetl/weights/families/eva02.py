"""EVA-02 B and L, from BAAI's `.pt` files.

Both as they were pretrained on masked patches, and as they were trained to
classify ImageNet.

Traps:
  Rotary positions are scaled so that a frame is always 16 x 16 tokens large,
  as in pretraining: the model has nothing to resize there. Its learned
  positions are resized as well, by PyTorch's bicubic.
  Patches of 14 pixels; those of files in 'p14to16' were enlarged to 16.
  A pretrained file has a class token that nothing was trained to read, so the
  summary is the mean of patches, normalised, as its classifiers have it.
  EVA-02 Ti and S, whose MLPs have no norm, are refused.
"""

from vidpetl.weights import evas, family, transformers
from vidpetl.weights.families import clip

FAMILY = family.Family(
  source='https://huggingface.co/Yuxin-CV/EVA-02',
  rules={
    'eva': tuple(
      evas.tower('eva02', evas.BAAI, norm) for norm in ('fc_norm', 'norm')
    )
  },
  layout=evas.layout,
  head=transformers.HEAD,
  left_out=evas.LEFT_OUT,
  heads=evas.HEADS,
  check=evas.check,
  normalisation=(clip.MEAN, clip.STD),
  fields=evas.summary,
  finish=transformers.join_gates,
  restore=evas.restore,
  positions='bicubic',
)
