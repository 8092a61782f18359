"""InternVideo2's vision tower, distilled and of 10^9 parameters."""

from vidpetl.recipes.preset import VIT_SMALL, VIT_TINY, Preset

_TWINS = {
  'small': {**VIT_SMALL, 'pool': 64, 'pool_heads': 2},
  'small_clip': {'frames': 8, 'resolution': 64},
  'tiny': {**VIT_TINY, 'pool': 8, 'pool_heads': 2},
}


def _preset(title: str, variant: str, *files: str) -> Preset:
  return Preset(
    title=f'InternVideo2, {title}',
    fields={'name': 'internvideo2', 'variant': variant},
    # Its frames are spread over the video: sampling=segments.
    clip={'frames': 8, 'stride': 8, 'resolution': 224, 'resize': 'crop'},
    family='internvideo2',
    files=files,
    licence='Apache-2.0',
    sites={'adapter3d': 'mlp_residual'},
    **_TWINS,
  )


PRESETS = {
  'internvideo2_s': _preset('S/14, distilled', 'S', 'S14_ft_k710_f8.pth'),
  'internvideo2_b': _preset('B/14, distilled', 'B', 'B14_ft_k710_f8.pth'),
  'internvideo2_l': _preset('L/14, distilled', 'L', 'L14_ft_k710_f8.pth'),
  'internvideo2_1b': _preset(
    '1B/14', '1B', 'pretrain.pth', '1B_ft_k710_f8.pth'
  ),
}
