"""Small Swins of other libraries, and the names that others have for them."""

import converted
import torchvision_build

SIZES = {'embed_dim': 32, 'depths': (2, 1, 1, 1), 'num_heads': (1, 2, 4, 8)}


def for_clips(window=(2, 7, 7), **options):
  """torchvision's Video Swin, whose net is that of the official one."""
  models = torchvision_build.load().models
  return converted.randomise(
    models.video.SwinTransformer3d(
      patch_size=[2, 4, 4],
      window_size=list(window),
      num_classes=5,
      **{**SIZES, **options},
    )
  )


def for_images(**options):
  """timm's Swin for images of 64 pixels, with windows of 2 tokens."""
  torchvision_build.load()
  import timm  # noqa: PLC0415

  model = timm.models.swin_transformer.SwinTransformer(
    img_size=64, window_size=2, num_classes=5, **{**SIZES, **options}
  )
  # What masks shifted windows is a buffer of floats, and is to stay.
  masks = {name: mask.clone() for name, mask in model.named_buffers()}
  converted.randomise(model)
  for name, mask in model.named_buffers():
    mask.copy_(masks[name])
  return model


def grid(model, video):
  """What torchvision's net has before it pools, [b, t, h, w, d]."""
  import torch  # noqa: PLC0415

  clips = torch.from_numpy(video.transpose(0, 4, 1, 2, 3).copy())
  with torch.no_grad():
    return model.norm(model.features(model.patch_embed(clips)))


def official(state):
  """torchvision's arrays under the names of Video Swin's authors."""
  renamed = {}
  for name, array in state.items():
    part, _, rest = name.partition('.')
    if part == 'features':
      number, _, rest = rest.partition('.')
      stage, merging = divmod(int(number), 2)
      rest = rest.replace('mlp.0.', 'mlp.fc1.').replace('mlp.3.', 'mlp.fc2.')
      what = 'downsample' if merging else 'blocks'
      renamed[f'backbone.layers.{stage}.{what}.{rest}'] = array
    elif part == 'head':
      renamed[f'cls_head.fc_cls.{rest}'] = array
    else:
      renamed[f'backbone.{name}'] = array
  return renamed
