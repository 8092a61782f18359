"""Swin for images, as its authors publish it (.pth), and timm.

Patches are of one frame and windows too: as it is, every frame is encoded by
itself. A model with longer ones starts from it as Video Swin does: filters are
repeated and divided (config.init.inflate 'average'), tables repeated in time.

timm counts what merges patches to the stage behind it, the authors to the one
before: `layers.1.downsample` is one or the other. Files are told apart by the
first and the last stage, which only one of the two has there.

Exports have the authors' names, and no buffers, which depend on the size of
images: timm's own `checkpoint_filter_fn` reads them. Swin V2 is another model,
of the family `swin_v2`.
"""

from vidpetl.weights import family, rules, swins


def _rules(first: int) -> family.Rules:
  """Rules of files in which the first merging is in the stage `first`."""
  return (
    *swins.ends(rules.IMAGE_CONV),
    *swins.stages(
      [f'layers.{s}.blocks' for s in swins.STAGES],
      [f'layers.{s + first}.downsample' for s in swins.STAGES[:-1]],
    ),
  )


FAMILY = family.Family(
  source='https://github.com/microsoft/Swin-Transformer',
  rules={'swin': (_rules(0), _rules(1))},
  layout=lambda shapes, _: swins.layout(shapes, swins.image_window),
  head=swins.HEAD,
  rename=((r'^head\.fc\.', 'head.'),),
  left_out=swins.BUFFERS,
  axes=swins.head_width,
  positions='bicubic',
  inflate='average',
  takes='timm: timm.models.swin_transformer.checkpoint_filter_fn reads it',
)
