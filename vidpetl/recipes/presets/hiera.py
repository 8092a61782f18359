"""Hiera for clips (Ryali et al. 2023)."""

from vidpetl.recipes.preset import Preset


def _hiera(variant: str, file: str) -> Preset:
  return Preset(
    title=f'Hiera-{variant}',
    fields={'name': 'hiera', 'variant': variant},
    clip={'frames': 16, 'stride': 4, 'resolution': 224, 'resize': 'crop'},
    family='hiera',
    files=(f'mae_hiera_{file}_16x224.pth', f'hiera_{file}_16x224.pth'),
    licence='CC BY-NC 4.0',
    sites={'adapter3d': 'mlp_residual'},
    small={
      'variant': None,
      'width': 24,
      'depths': (1, 1, 2),
      'heads': 1,
      'unit': (1, 4, 4),
      'pools': 2,
    },
    tiny={
      'variant': None,
      'width': 8,
      'depths': (1, 2),
      'heads': 1,
      'patch': (2, 2, 2),
      'unit': (1, 4, 4),
      'units': 1,
      'pools': 1,
    },
  )


PRESETS = {
  'hiera_b': _hiera('B', 'base'),
  'hiera_b_plus': _hiera('B+', 'base_plus'),
  'hiera_l': _hiera('L', 'large'),
  'hiera_h': _hiera('H', 'huge'),
}
