"""CLIP's larger image towers, OpenAI's and open_clip's.

What no array shows is said here: LAION's and DataComp's have GELU, OpenAI's,
Apple's DFN and MetaCLIP 1 QuickGELU.
"""

from typing import Any

from vidpetl.recipes.preset import VIT_SMALL, VIT_TINY, Preset, Published

# It counts two operations to a multiply-add, and the projection.
_PROFILE = 'https://github.com/mlfoundations/open_clip, docs/model_profile.csv'
_FRAMES = 8
_H = {'width': 1280, 'depth': 32, 'heads': 16, 'mlp': 5120}
_BIG_G = {'width': 1664, 'depth': 48, 'heads': 16, 'mlp': 8192}


def _clip(
  title: str,
  sizes: dict[str, Any],
  activation: str,
  licence: str,
  profile: tuple[float, float] | None,
  *files: str,
  resolution: int = 224,
) -> Preset:
  fields = {'name': 'vit', 'kind': 'clip', 'patch': 14, **sizes}
  parameters, gflops = profile or (None, None)
  return Preset(
    title=title,
    fields={**fields, 'activation': activation},
    clip={
      'frames': _FRAMES,
      'stride': 16,
      'resolution': resolution,
      'resize': 'crop',
      'interpolation': 'bicubic',
    },
    family='clip',
    files=files,
    licence=licence,
    sites={'adapter3d': 'mlp_residual'},
    small=VIT_SMALL,
    small_clip={'frames': _FRAMES, 'resolution': 64},
    tiny=VIT_TINY,
    published=profile and Published(_PROFILE, parameters, gflops / 2 * _FRAMES),
  )


_APPLE = 'Apple Sample Code License'

PRESETS = {
  'clip_l14_336': _clip(
    'CLIP, ViT-L/14, 336 pixels', {'variant': 'L'}, 'quick_gelu', 'MIT',
    (304.29, 381.92), 'ViT-L-14-336px.pt', resolution=336,
  ),
  'clip_l14_laion': _clip(
    'CLIP of LAION, ViT-L/14', {'variant': 'L'}, 'gelu', 'MIT',
    (303.97, 162.03), 'laion/CLIP-ViT-L-14-laion2B-s32B-b82K',
  ),
  'clip_h14': _clip(
    'CLIP of LAION, ViT-H/14', _H, 'gelu', 'MIT', (632.08, 334.59),
    'laion/CLIP-ViT-H-14-laion2B-s32B-b79K',
  ),
  'clip_h14_dfn': _clip(
    'CLIP of DFN, ViT-H/14', _H, 'quick_gelu', _APPLE, (632.08, 334.59),
    'apple/DFN5B-CLIP-ViT-H-14',
  ),
  'clip_h14_dfn_378': _clip(
    'CLIP of DFN, ViT-H/14, 378 pixels', _H, 'quick_gelu', _APPLE, None,
    'apple/DFN5B-CLIP-ViT-H-14-378', resolution=378,
  ),
  'clip_bigg14': _clip(
    'CLIP of LAION, ViT-bigG/14', _BIG_G, 'gelu', 'MIT', (1844.91, 967.5),
    'laion/CLIP-ViT-bigG-14-laion2B-39B-b160k',
  ),
}  # fmt: skip
