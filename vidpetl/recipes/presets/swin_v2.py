"""Swin V2 (Liu et al. 2022): of images, and as clips start from them."""

from vidpetl.recipes.preset import Preset

_OF_IMAGES = {'window': (1, 8, 8), 'patch': (1, 4, 4)}
_OF_CLIPS = {'window': (8, 8, 8), 'patch': (2, 4, 4)}


def _swin(variant: str, of: str, frames: tuple[int, int], **fields) -> Preset:
  names = {'T': 'tiny', 'S': 'small', 'B': 'base'}
  window = fields['window']
  return Preset(
    title=f'Swin V2-{variant}, {of}',
    fields={'name': 'swin_v2', 'variant': variant, **fields},
    clip={
      'frames': frames[0],
      'stride': frames[1],
      'resolution': 256,
      'resize': 'crop',
      'interpolation': 'bicubic',
    },
    family='swin_v2',
    files=(
      f'swinv2_{names[variant]}_patch4_window8_256.pth',
      f'microsoft/swinv2-{names[variant]}-patch4-window8-256',
    ),
    licence='MIT',
    sites={'adapter3d': 'mlp_residual'},
    small={
      'variant': None,
      'width': 24,
      'depths': (1, 1, 2),
      'heads': (1, 2, 4),
      'window': (min(window[0], 4), 4, 4),
      'stochastic_depth': 0.0,
    },
    tiny={
      'variant': None,
      'width': 8,
      'depths': (2, 1),
      'heads': (1, 2),
      'window': (min(window[0], 2), 3, 3),
    },
  )


PRESETS = {
  **{
    f'swinv2_{variant.lower()}': _swin(
      variant, 'per frame', (8, 8), **_OF_IMAGES
    )
    for variant in 'TSB'
  },
  **{
    f'swinv2_{variant.lower()}_video': _swin(
      variant, 'clips', (16, 4), **_OF_CLIPS
    )
    for variant in 'TSB'
  },
}
