"""X3D (Feichtenhofer 2020)."""

from vidpetl.recipes.preset import Preset, Published

_SOURCE = 'PySlowFast model zoo, Kinetics-400, with its classifier'


def _x3d(size, variant, clip, published) -> Preset:
  frames, stride, resolution = clip
  parameters, gflops = published
  return Preset(
    title=f'X3D-{size}',
    fields={'name': 'x3d', 'variant': variant},
    clip={
      'frames': frames,
      'stride': stride,
      'resolution': resolution,
      'resize': 'crop',
    },
    family='x3d',
    files=(f'x3d_{size.lower()}.pyth', f'X3D_{size}.pyth'),
    licence='Apache-2.0',
    sites={'adapter3d': 'conv'},
    small={
      'variant': None,
      'width': 8,
      'depths': (1, 2, 1, 1),
      'summary': 128,
    },
    tiny={'variant': None, 'width': 8, 'depths': (1, 2), 'summary': 16},
    published=Published(_SOURCE, parameters=parameters, gflops=gflops),
  )


PRESETS = {
  'x3d_xs': _x3d('XS', 'M', (4, 12, 160), (3.8, 0.60)),
  'x3d_s': _x3d('S', 'M', (13, 6, 160), (3.8, 1.96)),
  'x3d_m': _x3d('M', 'M', (16, 5, 224), (3.8, 4.73)),
  'x3d_l': _x3d('L', 'L', (16, 5, 312), (6.2, 18.37)),
}
