"""V-PETL on images (Yu et al. 2022, Table 5): ViT-B as trained by MAE.

  python -m vidpetl.main --config=configs/vpetl_images.py:\
dataset=cifar100,method=bapat,bottleneck=64,init=<weights>

Arguments are those of configs/vpetl_ssv2.py (no frames, no backbone), and
  dataset     cifar100, svhn_cropped or food101, as TFDS prepared them
  data        in this folder.

Rows, with the top-1 that the paper reports on CIFAR-100, SVHN and Food-101:
  method=full                  85.90  97.67  90.09
  method=head                  69.83  66.91  69.74
  method=vpt                   82.44  94.02  82.98
  method=adaptformer           85.90  96.89  87.61
  method=bapat,bottleneck=32   86.29  97.18  87.37
  method=bapat,bottleneck=64   86.35  97.18  87.53
  method=bapat,bottleneck=128  86.47  97.28  87.66
  method=bapat,bottleneck=256  86.55  97.24  87.68

Weights: MAE's mae_pretrain_vit_base.pth,

  python -m vidpetl.convert --from=mae mae_pretrain_vit_base.pth \
    mae_b.safetensors

The recipe is AdaptFormer's for images but for the batch of 256: SGD, 0.1 per
256 images, 100 epochs, 20 of them warm-up. An image is a clip of one frame.
None of these rows was run here: that needs the weights, the datasets and
accelerators.
"""

import ml_collections

from vidpetl.recipes import tuning as recipes


def get_config(argument: str = '') -> ml_collections.ConfigDict:
  """Returns the locked config of `argument`."""
  arg = recipes.parse(argument, 'bapat', dataset='cifar100')
  return recipes.vpetl_images(arg)
