"""Video Swin (Liu et al. 2022)."""

from vidpetl.recipes.preset import Preset


def _swin(variant: str, window: tuple[int, int, int], *files: str) -> Preset:
  return Preset(
    title=f'Video Swin-{variant}',
    fields={'name': 'swin', 'variant': variant, 'window': window},
    clip={'frames': 32, 'stride': 2, 'resolution': 224, 'resize': 'crop'},
    family='swin',
    files=files,
    licence='Apache-2.0',
    sites={'adapter3d': 'mlp_residual'},
    small={
      'variant': None,
      'width': 24,
      'depths': (1, 1, 2),
      'heads': (1, 2, 4),
      'window': (4, 4, 4),
      'stochastic_depth': 0.0,
    },
    tiny={
      'variant': None,
      'width': 8,
      'depths': (2, 1),
      'heads': (1, 2),
      'window': (2, 3, 3),
    },
  )


PRESETS = {
  'swin_t': _swin(
    'T', (8, 7, 7), 'swin_tiny_patch244_window877_kinetics400_1k.pth'
  ),
  'swin_s': _swin(
    'S', (8, 7, 7), 'swin_small_patch244_window877_kinetics400_1k.pth'
  ),
  'swin_b': _swin(
    'B', (8, 7, 7),
    'swin_base_patch244_window877_kinetics400_22k.pth',
    'swin_base_patch244_window877_kinetics600_22k.pth',
  ),
  'swin_b_ssv2': _swin(
    'B', (16, 7, 7), 'swin_base_patch244_window1677_sthv2.pth'
  ),
}  # fmt: skip
