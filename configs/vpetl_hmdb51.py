"""V-PETL on HMDB51, split 1 (Yu et al. 2022), one row per command.

  python -m vidpetl.main --config=configs/vpetl_hmdb51.py:\
method=bapat,bottleneck=128,init=<weights> --workdir=runs/hmdb_bapat128

Arguments are those of configs/vpetl_ssv2.py, and split, 1 to 3. The paper's
Table 2 leaves the head as it was drawn (head=false); Table 6 trains it.

Rows (Table 2, Kinetics-400, 8 frames), with the top-1 that the paper reports:
  method=full,head=true                                 68.07
  method=head,head=true                                 71.28
  method=bitfit                                         68.26
  method=adaptformer,head=true                          68.66
  method=prefix                                         56.13
  method=patt,bottleneck=32, 64, 128, 256               69.51 71.34 70.56 70.23
  method=bapat,bottleneck=32, 64, 128, 256              68.20 70.10 71.93 69.64
  method=bapat,frames=16                                75.67
Table 6: method=bapat,head=true with
  bottleneck=32, 64, 128, 256                           65.97 67.28 66.75 67.67
Table 5 (VideoMAE): backbone=videomae with
  method=full, head, vpt, adaptformer (head=true)       46.41 49.84 52.67 55.69
  method=bapat,bottleneck=32, 64, 128, 256              57.18 57.18 57.70 57.31

Weights are those of configs/vpetl_ssv2.py. The paper's Table 3 swaps full
tuning and the linear head. None of these rows was run here: that needs the
weights, the dataset and accelerators.
"""

import ml_collections

from vidpetl.recipes import tuning as recipes


def get_config(argument: str = '') -> ml_collections.ConfigDict:
  """Returns the locked config of `argument`."""
  arg = recipes.parse(
    argument, 'bapat', frames=8, backbone='swin', split=1, head=False
  )
  if arg.split not in (1, 2, 3):
    raise ValueError(f'split={arg.split} is not 1, 2 or 3.')
  return recipes.vpetl(arg, 'hmdb51', records=f'hmdb51_{arg.split}')
