"""ViTs for images and clips: VideoMAE, MAE, AugReg and CLIP."""

from vidpetl.recipes.preset import VIT_SMALL, VIT_TINY, Preset, Published

_TWINS = {
  'small': VIT_SMALL,
  'small_clip': {'frames': 8, 'resolution': 64},
  'tiny': VIT_TINY,
}
# Images' ViTs see every frame by itself, and far apart frames. MAE's and CLIP's
# images were resized bicubically, AugReg's bilinearly.
_CLIPS = {
  'videomae': {'frames': 16, 'stride': 4},
  'clip': {'frames': 8, 'stride': 16, 'interpolation': 'bicubic'},
  'mae': {'frames': 8, 'stride': 8, 'interpolation': 'bicubic'},
  'augreg': {'frames': 8, 'stride': 8},
}


def _vit(
  title: str,
  kind: str,
  variant: str,
  family: str,
  licence: str,
  *files: str,
  published: Published | None = None,
) -> Preset:
  return Preset(
    title=title,
    fields={'name': 'vit', 'kind': kind, 'variant': variant},
    clip={**_CLIPS[kind], 'resolution': 224, 'resize': 'crop'},
    family=family,
    files=files,
    licence=licence,
    sites={'adapter3d': 'mlp_residual'},
    published=published,
    **_TWINS,
  )


_NON_COMMERCIAL = 'CC BY-NC 4.0'

PRESETS = {
  'videomae_b': _vit(
    'VideoMAE, ViT-B', 'videomae', 'B', 'videomae', _NON_COMMERCIAL,
    'checkpoint.pth of the model zoo', 'MCG-NJU/videomae-base',
  ),
  'videomae_l': _vit(
    'VideoMAE, ViT-L', 'videomae', 'L', 'videomae', _NON_COMMERCIAL,
    'checkpoint.pth of the model zoo', 'MCG-NJU/videomae-large',
  ),
  'videomae_h': _vit(
    'VideoMAE, ViT-H', 'videomae', 'H', 'videomae', _NON_COMMERCIAL,
    'checkpoint.pth of the model zoo',
    'MCG-NJU/videomae-huge-finetuned-kinetics',
  ),
  'videomaev2_s': _vit(
    'VideoMAE V2, ViT-S, distilled', 'videomae', 'S', 'videomae',
    _NON_COMMERCIAL, 'vit_s_k710_dl_from_giant.pth',
    published=Published(
      "mmaction2's configs/recognition/videomaev2/README.md", 22, 57
    ),
  ),
  'videomaev2_b': _vit(
    'VideoMAE V2, ViT-B, distilled', 'videomae', 'B', 'videomae',
    _NON_COMMERCIAL,
    'vit_b_k710_dl_from_giant.pth', 'OpenGVLab/VideoMAEv2-Base',
    published=Published(
      "mmaction2's configs/recognition/videomaev2/README.md", 87, 180
    ),
  ),
  'videomaev2_l': _vit(
    'VideoMAE V2, ViT-L', 'videomae', 'L', 'videomae', _NON_COMMERCIAL,
    'OpenGVLab/VideoMAEv2-Large',
  ),
  'videomaev2_h': _vit(
    'VideoMAE V2, ViT-H', 'videomae', 'H', 'videomae', _NON_COMMERCIAL,
    'OpenGVLab/VideoMAEv2-Huge',
  ),
  'videomaev2_g': _vit(
    'VideoMAE V2, ViT-g', 'videomae', 'g', 'videomae', _NON_COMMERCIAL,
    'vit_g_hybrid_pt_1200e_….pth', 'OpenGVLab/VideoMAEv2-giant',
  ),
  'mae_b': _vit(
    'MAE, ViT-B', 'mae', 'B', 'mae', _NON_COMMERCIAL,
    'mae_pretrain_vit_base.pth',
  ),
  'mae_l': _vit(
    'MAE, ViT-L', 'mae', 'L', 'mae', _NON_COMMERCIAL,
    'mae_pretrain_vit_large.pth',
  ),
  'augreg_b': _vit(
    'ViT-B/16, ImageNet-21k', 'augreg', 'B', 'vit_npz', 'Apache-2.0',
    'imagenet21k/ViT-B_16.npz',
  ),
  'augreg_l': _vit(
    'ViT-L/16, ImageNet-21k', 'augreg', 'L', 'vit_npz', 'Apache-2.0',
    'imagenet21k/ViT-L_16.npz',
  ),
  'clip_b16': _vit(
    'CLIP, ViT-B/16', 'clip', 'B', 'clip', 'MIT', 'ViT-B-16.pt',
  ),
  'clip_l14': _vit(
    'CLIP, ViT-L/14', 'clip', 'L', 'clip', 'MIT', 'ViT-L-14.pt',
  ),
}  # fmt: skip
