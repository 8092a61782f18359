"""ViViT (Arnab et al. 2021), as scenic and Hugging Face publish it."""

from vidpetl.recipes.preset import Preset

_SHARED = {
  'clip': {'frames': 32, 'stride': 2, 'resolution': 224, 'resize': 'crop'},
  'licence': 'Apache-2.0',
}
_TWINS = {
  'small': {
    'variant': None,
    'width': 96,
    'depth': 2,
    'heads': 3,
    'mlp': 384,
    'tubelet': (2, 16, 16),
    'temporal_depth': 1,
    'stochastic_depth': 0.0,
    'remat': False,
  },
  'tiny': {
    'variant': None,
    'width': 8,
    'depth': 1,
    'heads': 2,
    'mlp': 16,
    'tubelet': (2, 16, 16),
    'temporal_depth': 1,
  },
}
_JOINT_TWINS = {
  size: {k: v for k, v in fields.items() if k != 'temporal_depth'}
  for size, fields in _TWINS.items()
}
_SITES = {'adapter3d': 'mlp_residual'}


def _factorised(variant: str, temporal_depth: int, files: tuple[str, ...]):
  return Preset(
    title=f'ViViT-{variant}, factorised encoder',
    fields={
      'name': 'vivit',
      'variant': variant,
      'attention': 'factorised_encoder',
      'temporal': 'dense',
      'temporal_depth': temporal_depth,
    },
    family='vivit',
    files=files,
    sites=_SITES,
    **_SHARED,
    **_TWINS,
  )


PRESETS = {
  'vivit_b': _factorised('B', 4, ('the checkpoint of ViViT-B/16x2 FE',)),
  # The Kinetics checkpoints have a temporal encoder of 24 blocks; the paper,
  # and co-finetuning, 4.
  'vivit_l': _factorised('L', 24, ('the checkpoint of ViViT-L/16x2 FE',)),
  'vivit_b_joint': Preset(
    title='ViViT-B, joint attention',
    fields={
      'name': 'vivit',
      'variant': 'B',
      'attention': 'spacetime',
      'classifier': 'token',
    },
    family='vivit_hf',
    files=('google/vivit-b-16x2-kinetics400: model.safetensors',),
    sites=_SITES,
    **_SHARED,
    **_JOINT_TWINS,
  ),
}
