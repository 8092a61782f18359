"""SlowFast and Slow, R50 (Feichtenhofer et al. 2019)."""

from vidpetl.recipes.preset import Preset, Published

_PYTORCHVIDEO = 'PyTorchVideo model zoo, Kinetics-400, with its classifier'


def _preset(title, clip, family, files, published=None, **fields) -> Preset:
  frames, stride = clip
  return Preset(
    title=title,
    fields={'name': 'slowfast', 'variant': 'R50', **fields},
    clip={
      'frames': frames,
      'stride': stride,
      'resolution': 224,
      'resize': 'crop',
    },
    family=family,
    files=files,
    licence='Apache-2.0',
    sites={'adapter3d': 'conv'},
    small={'variant': None, 'width': 16, 'depths': (1, 1, 1, 1)},
    tiny={'variant': None, 'width': 8, 'depths': (1, 1, 1, 1)},
    tiny_frames=8,
    published=published and Published(
      _PYTORCHVIDEO, parameters=published[0], gflops=published[1]
    ),
  )  # fmt: skip


_SLOWFAST = {'fast': True, 'lateral': 7, 'alpha': 4}
_SLOW = {'fast': False}

PRESETS = {
  'slowfast_r50': _preset(
    'SlowFast R50, 8x8', (32, 2), 'slowfast',
    ('SLOWFAST_8x8_R50.pkl', 'SLOWFAST_8x8_R50.pyth'), (34.57, 65.71),
    **_SLOWFAST,
  ),
  'slowfast_r50_4x16': _preset(
    'SlowFast R50, 4x16', (32, 2), 'slowfast',
    ('SLOWFAST_4x16_R50.pkl', 'SLOWFAST_4x16_R50.pyth'), (34.48, 36.69),
    fast=True, lateral=5, alpha=8,
  ),
  'slowfast_r50_ava': _preset(
    'SlowFast R50, 8x8, for people (AVA)', (32, 2), 'slowfast_detection',
    ('SLOWFAST_8x8_R50_DETECTION.pyth',), **_SLOWFAST, dilated=True,
  ),
  'slow_r50': _preset(
    'Slow R50, 8x8', (8, 8), 'slowfast',
    ('SLOWONLY_8x8_R50.pkl', 'SLOW_8x8_R50.pyth'), (32.45, 54.52), **_SLOW,
  ),
  'slow_r50_4x16': _preset(
    'Slow R50, 4x16', (4, 16), 'slowfast',
    ('SLOWONLY_4x16_R50.pkl', 'SLOW_4x16_R50.pyth'), (32.45, 27.55), **_SLOW,
  ),
  'slow_r50_ava': _preset(
    'Slow R50, 4x16, for people (AVA)', (4, 16), 'slowfast_detection',
    ('SLOW_4x16_R50_DETECTION.pyth', 'ava/C2D_8x8_R50.pkl'), **_SLOW,
    dilated=True,
  ),
}  # fmt: skip
