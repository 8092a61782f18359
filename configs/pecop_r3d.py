"""PECoP with R3D-18: CoRe on PD4T (its Table 6).

  python -m vidpetl.main --config=configs/pecop_r3d.py:\
stage=pretrain,task=gait,init=<R3D-18 weights> --workdir=runs/gait_r3d

  python -m vidpetl.main --config=configs/pecop_r3d.py:\
stage=aqa,task=gait,init=<R3D-18 weights>,adapter=runs/gait_r3d/adapter \
--workdir=runs/gait_r3d_core

Arguments: stage, pretrain or aqa, and those of configs/pecop_pretrain.py or
configs/pecop_aqa.py. Where in a residual block the paper's adapter sits cannot
be known from its text: site=conv is before the sum (the usual one here),
site=block_out behind the block.

Spearman x 100 that the paper reports:
             gait  finger tapping  hand movement  leg agility  average
  CoRe      76.16           35.35          50.53        49.96    53.0
  + PECoP   79.11           39.71          55.37        52.56    56.69

Weights: 3D-ResNets-PyTorch's r3d18_K_200ep.pth (Kinetics-700),

  python -m vidpetl.convert --from=hara r3d18_K_200ep.pth r3d_18.safetensors

None of these rows was run here: that needs the weights, the dataset and
accelerators.
"""

import ml_collections

from vidpetl.recipes import arguments, pecop

COMMON = {**pecop.ARGUMENTS, 'dataset': 'pd4t', 'backbone': 'r3d'}
STAGES = {
  'pretrain': (
    pecop.pretrain,
    {
      'folder': '',
      'method': 'pecop',
      'pretext': 'vspp',
      'parts': 0,
      'natural': 1,
    },
  ),
  'aqa': (pecop.aqa, {'head': 'core', 'adapter': ''}),
}


def get_config(argument: str = '') -> ml_collections.ConfigDict:
  """Returns the locked config of `argument`."""
  stage = arguments.value(argument, 'stage', 'aqa')
  if stage not in STAGES:
    raise ValueError(f'stage={stage} is not pretrain or aqa.')
  recipe, more = STAGES[stage]
  return recipe(arguments.parse(argument, stage=stage, **COMMON, **more))
