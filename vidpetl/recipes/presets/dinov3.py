"""DINOv3's ViTs for images."""

from vidpetl.recipes.preset import Preset, Published

_SOURCE = 'https://github.com/facebookresearch/dinov3, README.md, first table'
_LICENCE = 'DINOv3 License'
_TWIN = {'variant': None, 'heads': 2}


def _preset(variant: str, millions: float) -> Preset:
  name = f'dinov3_vit{variant[0].lower()}16' + 'plus' * variant.endswith('+')
  gated = {'gated': True} if variant.endswith('+') else {}
  return Preset(
    title=f'DINOv3, ViT-{variant}/16',
    fields={'name': 'dinov3', 'variant': variant},
    # Frames are encoded one by one, and far apart.
    clip={'frames': 8, 'stride': 8, 'resolution': 224, 'resize': 'crop'},
    family='dinov3',
    files=(
      f'{name}_pretrain_lvd1689m-*.pth',
      f'facebook/{name.replace("_", "-")}-pretrain-lvd1689m',
    ),
    licence=_LICENCE,
    sites={'adapter3d': 'mlp_residual'},
    small={**_TWIN, 'width': 64, 'depth': 3, 'mlp': 256, 'patch': 8, **gated},
    small_clip={'frames': 8, 'resolution': 64},
    tiny={**_TWIN, 'width': 8, 'depth': 1, 'mlp': 16, 'patch': 16, **gated},
    published=Published(_SOURCE, millions),
  )


PRESETS = {
  'dinov3_s': _preset('S', 21),
  'dinov3_s_plus': _preset('S+', 29),
  'dinov3_b': _preset('B', 86),
  'dinov3_l': _preset('L', 300),
  'dinov3_h_plus': _preset('H+', 840),
}
