"""V-PETL's Table 1: one position of Swin-B trained, on Something-Something v2.

  python -m vidpetl.main \
    --config=configs/vpetl_positions.py:method=attn_qkv,init=<weights>

Arguments are those of configs/vpetl_ssv2.py. The paper's counts show that the
head stays as it was drawn in all rows but the first two: head=false is the
default here.

Rows, with parameters in millions and the top-1 that the paper reports:
  method=full,head=true        87.82   50.99
  method=head,head=true         0.18   24.13
  method=layer_norm_1           0.02   14.35
  method=attn_proj              6.99   47.58
  method=attn_qkv              20.98   50.02   (20.97 by count)
  method=attn_softmax           0.95   27.67   (tables of relative positions)
  method=layer_norm_2           0.02   14.62
  method=fc1                   27.97   47.10
  method=fc2                   27.93   45.32
  method=downsample             2.76   27.53

Weights are Swin-B's of configs/vpetl_ssv2.py. None of these rows was run here:
that needs the weights, the dataset and accelerators.
"""

import ml_collections

from vidpetl.recipes import tuning as recipes


def get_config(argument: str = '') -> ml_collections.ConfigDict:
  """Returns the locked config of `argument`."""
  arg = recipes.parse(
    argument, 'attn_qkv', frames=8, backbone='swin', head=False
  )
  return recipes.vpetl(arg, 'something_something_v2')
