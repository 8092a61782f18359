"""EVA-01, EVA-02 and the image towers of EVA-CLIP."""

from collections.abc import Mapping
from types import MappingProxyType

from vidpetl.recipes.preset import VIT_SMALL, VIT_TINY, Preset, Published

# Image towers see every frame by itself, and far apart frames.
_CLIP = {
  'frames': 8,
  'stride': 8,
  'resolution': 224,
  'resize': 'crop',
  'interpolation': 'bicubic',
}
_CARD = 'https://github.com/baaivision/EVA, EVA-02/asuka/README.md'
_CARD_01 = 'https://github.com/baaivision/EVA, EVA-01/eva/README.md'
# It counts two operations to a multiply-add, and the projection.
_PROFILE = 'https://github.com/mlfoundations/open_clip, docs/model_profile.csv'


def _eva(
  title: str,
  kind: str,
  variant: str,
  family: str,
  published: Published,
  *files: str,
  patch: int = 14,
  resolution: int = 224,
) -> Preset:
  return Preset(
    title=title,
    fields={'name': 'eva', 'kind': kind, 'variant': variant, 'patch': patch},
    clip={**_CLIP, 'resolution': resolution},
    family=family,
    files=files,
    licence='MIT',
    sites={'adapter3d': 'mlp_residual'},
    small={**VIT_SMALL, 'mlp': 168},
    small_clip={'frames': 8, 'resolution': 64},
    tiny={**VIT_TINY, 'mlp': 12},
    published=published,
  )


def _profiled(
  parameters: float,
  gflops: float,
  source: str = _PROFILE,
  frozen: Mapping[str, float] = MappingProxyType({}),
) -> Published:
  """What a table prints of an image, for a clip."""
  return Published(source, parameters, gflops / 2 * _CLIP['frames'], frozen)


PRESETS = {
  'eva02_b': _eva(
    'EVA-02, ViT-B/14', 'eva02', 'B', 'eva02', Published(_CARD, 86),
    'eva02_B_pt_in21k_p14.pt', 'timm/eva02_base_patch14_224.mim_in22k',
  ),
  'eva02_l': _eva(
    'EVA-02, ViT-L/14', 'eva02', 'L', 'eva02', Published(_CARD, 304),
    'eva02_L_pt_m38m_p14.pt', 'eva02_L_pt_in21k_p14.pt',
    'timm/eva02_large_patch14_224.mim_m38m',
  ),
  'eva02_clip_b16': _eva(
    'EVA-02-CLIP, ViT-B/16', 'eva02_clip', 'B', 'eva_clip',
    _profiled(86.26, 35.13), 'EVA02_CLIP_B_psz16_s8B.pt',
    'timm/eva02_base_patch16_clip_224.merged2b_s8b_b131k', patch=16,
  ),
  'eva02_clip_l14': _eva(
    'EVA-02-CLIP, ViT-L/14', 'eva02_clip', 'L', 'eva_clip',
    _profiled(304.11, 162.0), 'EVA02_CLIP_L_psz14_s4B.pt',
    'timm/eva02_large_patch14_clip_224.merged2b_s4b_b131k',
  ),
  'eva02_clip_l14_336': _eva(
    'EVA-02-CLIP, ViT-L/14, 336 pixels', 'eva02_clip', 'L', 'eva_clip',
    _profiled(304.43, 381.86), 'EVA02_CLIP_L_336_psz14_s6B.pt',
    'timm/eva02_large_patch14_clip_336.merged2b_s6b_b61k', resolution=336,
  ),
  'eva01_g14': _eva(
    'EVA-01, ViT-g/14', 'eva01', 'g', 'eva01', Published(_CARD_01, 1000),
    'eva_psz14.pt', 'eva_21k_224px_psz14.pt',
  ),
  'eva01_clip_g14': _eva(
    'EVA-01-CLIP, ViT-g/14', 'eva01', 'g', 'eva_clip',
    _profiled(
      1012.59, 534.06, f'{_PROFILE}; {_CARD_01}', {'imagenet': 86.5}
    ),
    'EVA01_CLIP_g_14_psz14_s11B.pt', 'EVA01_CLIP_g_14_plus_psz14_s11B.pt',
    'timm/eva_giant_patch14_clip_224.laion400m_s11b_b41k',
  ),
}  # fmt: skip
