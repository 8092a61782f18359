"""VideoPrism's public encoders (Zhao et al. 2024), plain and of LvT."""

from vidpetl.recipes.preset import Preset, Published

# Frames are as many as positions in time. Its own demonstrations spread them
# over the whole film, and keep the shape of frames; the strides are ours.
_CLIPS = {'B': {'frames': 16, 'stride': 4}, 'L': {'frames': 8, 'stride': 8}}
_TWIN = {'variant': None, 'tubelet': (1, 8, 8)}
_SMALL = {'width': 64, 'depth': 3, 'heads': 2, 'mlp': 256, 'temporal_depth': 1}
_TINY = {'width': 8, 'depth': 1, 'heads': 2, 'mlp': 16, 'temporal_depth': 1}
_README = "google-deepmind/videoprism's README.md"


def _videoprism(
  variant: str,
  file: str,
  published: Published | None = None,
  lvt: bool = False,
) -> Preset:
  of = ' LvT' if lvt else ''
  tower = {'auxiliary_depth': 2, 'summary': 'embedding'} if lvt else {}
  twin = {**_TWIN, **({'auxiliary_depth': 1} if lvt else {})}
  return Preset(
    title=f'VideoPrism{of}, ViT-{variant}/18',
    fields={'name': 'videoprism', 'variant': variant, **tower},
    clip={
      **_CLIPS[variant],
      'resolution': 288,
      'resize': 'crop',
      'interpolation': 'bicubic',
    },
    family='videoprism',
    files=(
      f'flax_{file}_repeated.npz',
      f'google/videoprism-{file.replace("_", "-")}',
    ),
    licence='Apache-2.0',
    sites={'adapter3d': 'mlp_residual'},
    small={**_SMALL, **twin},
    small_clip={'frames': 8, 'resolution': 64},
    tiny={**_TINY, **twin, 'tubelet': (1, 16, 16)},
    published=published,
  )


PRESETS = {
  'videoprism_b': _videoprism(
    'B',
    'base_f16r288',
    Published(
      _README,
      114,
      frozen={
        'kinetics400': 82.9,
        'moments_in_time': 39.7,
        'something_something_v2': 62.2,
        'diving48': 64.3,
      },
    ),
  ),
  'videoprism_l': _videoprism(
    'L',
    'large_f8r288',
    Published(
      _README,
      354,
      frozen={
        'kinetics400': 85.0,
        'moments_in_time': 43.3,
        'something_something_v2': 64.6,
        'diving48': 67.6,
      },
    ),
  ),
  # Printed are their parameters with those of the text encoder: 248 and 580 M.
  'videoprism_lvt_b': _videoprism('B', 'lvt_base_f16r288', lvt=True),
  'videoprism_lvt_l': _videoprism('L', 'lvt_large_f8r288', lvt=True),
}
