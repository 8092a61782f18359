"""DINOv2's ViTs for images, with registers and without."""

from vidpetl.recipes.preset import VIT_SMALL, VIT_TINY, Preset, Published

_SOURCE = 'https://github.com/facebookresearch/dinov2, README.md, first table'
_SIZES = {
  'S': {'variant': 'S'},
  'B': {'variant': 'B'},
  'L': {'variant': 'L'},
  'g': {
    'variant': None,
    'width': 1536,
    'depth': 40,
    'heads': 24,
    'mlp': 4096,
    'gated': True,
  },
}
_NAMES = {'S': 'small', 'B': 'base', 'L': 'large', 'g': 'giant'}


def _preset(
  size: str, registers: int, millions: float, linear: float
) -> Preset:
  """Returns a preset.

  Args:
    size: a key of `_SIZES`.
    registers: how many it has.
    millions: of parameters, as printed.
    linear: top-1 of a linear probe on ImageNet.
  """
  suffix = '_reg4' if registers else ''
  hub = 'facebook/dinov2-' + 'with-registers-' * bool(registers)
  name = f'dinov2_vit{size.lower()}14'
  fields = {'name': 'vit', 'kind': 'dinov2', **_SIZES[size]}
  return Preset(
    title=f'DINOv2, ViT-{size}/14' + ', registers' * bool(registers),
    fields={**fields, **({'registers': registers} if registers else {})},
    # Frames are encoded one by one, and far apart. Images were resized
    # bicubically.
    clip={
      'frames': 8,
      'stride': 8,
      'interpolation': 'bicubic',
      'resolution': 224,
      'resize': 'crop',
    },
    family='dinov2_registers' if registers else 'dinov2',
    files=(f'{name}{suffix}_pretrain.pth', f'{hub}{_NAMES[size]}'),
    licence='Apache-2.0',
    sites={'adapter3d': 'mlp_residual'},
    small=VIT_SMALL,
    small_clip={'frames': 8, 'resolution': 64},
    tiny=VIT_TINY,
    published=Published(_SOURCE, millions, frozen={'imagenet': linear}),
  )


PRESETS = {
  'dinov2_s': _preset('S', 0, 21, 81.1),
  'dinov2_b': _preset('B', 0, 86, 84.5),
  'dinov2_l': _preset('L', 0, 300, 86.3),
  'dinov2_g': _preset('g', 0, 1100, 86.5),
  'dinov2_s_reg': _preset('S', 4, 21, 80.9),
  'dinov2_b_reg': _preset('B', 4, 86, 84.6),
  'dinov2_l_reg': _preset('L', 4, 300, 86.7),
  'dinov2_g_reg': _preset('g', 4, 1100, 87.1),
}
