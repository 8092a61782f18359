"""4DS (Carreira et al. 2024) and RVM (Zoran et al. 2025) of Google DeepMind."""

from vidpetl.recipes.preset import Preset, Published

_README = "google-deepmind/representations4d's README.md"
_SHARED = {
  # The licence of what the repository has beside its code.
  'licence': 'CC BY 4.0',
  'sites': {'adapter3d': 'mlp_residual'},
}
_SMALL = {'variant': None, 'width': 64, 'depth': 3, 'heads': 2, 'mlp': 256}
_TINY = {'variant': None, 'width': 8, 'depth': 1, 'heads': 2, 'mlp': 16}
_CORE = {'core_depth': 1, 'core_heads': 2}


def _rvm(variant: str, file: str, published: Published | None = None) -> Preset:
  return Preset(
    title=f'RVM, ViT-{variant}/16',
    fields={'name': 'rvm', 'variant': variant},
    # Any number of frames; the stride is ours.
    clip={'frames': 16, 'stride': 4, 'resolution': 256, 'resize': 'crop'},
    family='rvm',
    files=(f'pretrain_rvm_{file}.npz',),
    small={**_SMALL, **_CORE, 'core_mlp': 128, 'tubelet': (1, 8, 8)},
    small_clip={'frames': 8, 'resolution': 64},
    tiny={**_TINY, **_CORE, 'core_mlp': 16},
    published=published,
    **_SHARED,
  )


PRESETS = {
  'scaling4d_b': Preset(
    title='4DS-B, distilled from 4DS-e',
    fields={'name': 'scaling4d', 'variant': 'B'},
    # The stride is ours.
    clip={'frames': 16, 'stride': 4, 'resolution': 224, 'resize': 'crop'},
    family='scaling4d',
    files=('scaling4d_dist_b.npz', 'scaling4d_dist_b_depth.npz'),
    small={**_SMALL, 'tubelet': (2, 8, 8)},
    small_clip={'frames': 8, 'resolution': 64},
    tiny=_TINY,
    published=Published(_README, 88),
    **_SHARED,
  ),
  'rvm_s': _rvm('S', 'small16_256_204031069', Published(_README, 34)),
  # 117 M are printed; the file's size is that of 126, as its arrays are.
  'rvm_b': _rvm('B', 'base16_256_203916225'),
  'rvm_l': _rvm('L', 'large16_256_202497301', Published(_README, 375)),
}
