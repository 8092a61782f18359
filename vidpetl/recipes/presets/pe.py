"""Perception Encoder, PE-core."""

from vidpetl.recipes.preset import VIT_SMALL, VIT_TINY, Preset, Published

_PAGE = (
  'https://github.com/facebookresearch/perception_models, apps/pe/README.md'
)


def _pe(
  variant: str, patch: int, resolution: int, parameters: float, name: str
) -> Preset:
  title = f'Perception Encoder, PE-core-{variant}/{patch}'
  has_class = variant != 'G'
  return Preset(
    title=title if resolution == 224 else f'{title}, {resolution} pixels',
    fields={
      'name': 'pe',
      'variant': variant,
      'patch': patch,
      'class_token': has_class,
    },
    clip={
      'frames': 8,
      'stride': 8,
      'resolution': resolution,
      'resize': 'crop',
    },
    family='pe',
    files=(f'{name}.pt', f'facebook/{name}'),
    licence='Apache-2.0',
    sites={'adapter3d': 'mlp_residual'},
    small=VIT_SMALL,
    small_clip={'frames': 8, 'resolution': 64},
    tiny=VIT_TINY,
    published=Published(_PAGE, parameters),
  )


PRESETS = {
  'pe_core_b16': _pe('B', 16, 224, 90, 'PE-Core-B16-224'),
  'pe_core_l14': _pe('L', 14, 336, 320, 'PE-Core-L14-336'),
  'pe_core_g14': _pe('G', 14, 448, 1880, 'PE-Core-G14-448'),
}
