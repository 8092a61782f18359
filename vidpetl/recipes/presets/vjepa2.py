"""V-JEPA 2 and 2.1."""

from vidpetl.recipes.preset import VIT_SMALL, VIT_TINY, Preset, Published

_PAGE = 'https://github.com/facebookresearch/vjepa2, README.md'
# Both were trained on clips of 16 frames, 4 a second, and at last on 64.
_FRAMES = {'frames': 16, 'stride': 4}


def _preset(
  title: str,
  kind: str,
  variant: str,
  side: int,
  parameters: float,
  files: tuple[str, ...],
  clip: dict[str, int] | None = None,
  frozen: dict[str, float] | None = None,
) -> Preset:
  return Preset(
    title=title,
    fields={'name': 'vjepa2', 'kind': kind, 'variant': variant},
    clip={**(clip or _FRAMES), 'resolution': side, 'resize': 'crop'},
    family='vjepa2',
    files=files,
    licence='MIT',
    sites={'adapter3d': 'mlp_residual'},
    small=VIT_SMALL,
    small_clip={'frames': 8, 'resolution': 64},
    tiny={**VIT_TINY, 'width': 16},
    published=Published(_PAGE, parameters, frozen=frozen or {}),
  )


PRESETS = {
  'vjepa2_l': _preset(
    'V-JEPA 2, ViT-L', 'v2', 'L', 256, 300,
    ('vitl.pt', 'facebook/vjepa2-vitl-fpc64-256'),
    frozen={'something_something_v2': 73.7, 'diving48': 89.0},
  ),
  'vjepa2_h': _preset(
    'V-JEPA 2, ViT-H', 'v2', 'H', 256, 600,
    ('vith.pt', 'facebook/vjepa2-vith-fpc64-256'),
  ),
  'vjepa2_g': _preset(
    'V-JEPA 2, ViT-g', 'v2', 'g', 256, 1000,
    ('vitg.pt', 'facebook/vjepa2-vitg-fpc64-256'),
  ),
  'vjepa2_g384': _preset(
    'V-JEPA 2, ViT-g, 384 pixels', 'v2', 'g', 384, 1000,
    ('vitg-384.pt', 'facebook/vjepa2-vitg-fpc64-384'),
    clip={'frames': 64, 'stride': 2},
    frozen={'something_something_v2': 77.3, 'diving48': 90.2},
  ),
  'vjepa2_1_b': _preset(
    'V-JEPA 2.1, ViT-B, distilled', 'v2_1', 'B', 384, 80,
    ('vjepa2_1_vitb_dist_vitG_384.pt',),
  ),
  'vjepa2_1_l': _preset(
    'V-JEPA 2.1, ViT-L, distilled', 'v2_1', 'L', 384, 300,
    ('vjepa2_1_vitl_dist_vitG_384.pt',),
  ),
  'vjepa2_1_g': _preset(
    'V-JEPA 2.1, ViT-g', 'v2_1', 'g', 384, 1000,
    ('vjepa2_1_vitg_384.pt',),
  ),
  'vjepa2_1_gigantic': _preset(
    'V-JEPA 2.1, ViT-G', 'v2_1', 'G', 384, 2000,
    ('vjepa2_1_vitG_384.pt',),
  ),
}  # fmt: skip
