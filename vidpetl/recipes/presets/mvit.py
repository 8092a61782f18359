"""MViTv2 for clips (Li et al. 2022)."""

from vidpetl.recipes.preset import Preset, Published


def _mvit(
  variant: str,
  frames: int,
  stride: int,
  *files: str,
  published: Published | None = None,
) -> Preset:
  return Preset(
    title=f'MViTv2-{variant}',
    fields={'name': 'mvit', 'variant': variant},
    clip={
      'frames': frames,
      'stride': stride,
      'resolution': 224,
      'resize': 'crop',
    },
    family='mvit',
    files=files,
    licence='Apache-2.0',
    sites={'adapter3d': 'mlp_residual'},
    small={
      'variant': None,
      'width': 24,
      'depths': (1, 1, 2),
      'heads': 1,
      'key_strides': (1, 4, 4),
    },
    tiny={
      'variant': None,
      'width': 8,
      'depths': (1, 2),
      'heads': 1,
      'key_strides': (1, 2, 2),
    },
    published=published,
  )


PRESETS = {
  'mvit_v2_s': _mvit(
    'S',
    16,
    4,
    'MViTv2_S_16x4_k400_f302660347.pyth',
    'mvit_v2_s-ae3be167.pth',
    published=Published(
      source='torchvision, MViT_V2_S_Weights',
      parameters=34.5,
      gflops=64.2,
    ),
  ),
  'mvit_v2_b': _mvit('B', 32, 3, 'MViTv2_B_32x3_k400_f304025456.pyth'),
}
