"""SigLIP's and SigLIP 2's image towers."""

from vidpetl.recipes.preset import Preset

_TWIN = {'variant': None, 'heads': 2}
_NAMES = {'B': 'base', 'L': 'large', 'So400m': 'so400m'}


def _preset(version: str, variant: str, patch: int, side: int) -> Preset:
  """Returns a preset.

  Args:
    version: '' or '2'.
    variant: of `backbones.siglip`.
    patch: side of a patch, in pixels.
    side: of the images that it was trained on.
  """
  fields = {'name': 'siglip', 'variant': variant, 'patch': patch}
  of = f'siglip{version}-{_NAMES[variant]}-patch{patch}-{side}'
  return Preset(
    title=f'SigLIP {version}'.strip() + f', {variant}/{patch}',
    fields=fields,
    # Frames are encoded one by one, and far apart.
    clip={'frames': 8, 'stride': 8, 'resolution': side, 'resize': 'crop'},
    family='siglip',
    files=(f'{of}-jax (.npz)' if version else '.npz', f'google/{of}'),
    licence='Apache-2.0',
    sites={'adapter3d': 'mlp_residual'},
    small={**_TWIN, 'width': 64, 'depth': 3, 'mlp': 256, 'patch': 8},
    small_clip={'frames': 8, 'resolution': 64},
    tiny={**_TWIN, 'width': 8, 'depth': 1, 'mlp': 16, 'patch': 16},
  )


PRESETS = {
  'siglip_b16': _preset('', 'B', 16, 224),
  'siglip_l16': _preset('', 'L', 16, 256),
  'siglip_so400m14': _preset('', 'So400m', 14, 224),
  'siglip2_b16': _preset('2', 'B', 16, 224),
  'siglip2_l16': _preset('2', 'L', 16, 256),
  'siglip2_so400m14': _preset('2', 'So400m', 14, 224),
  'siglip2_so400m16': _preset('2', 'So400m', 16, 256),
}
