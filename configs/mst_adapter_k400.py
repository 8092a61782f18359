"""MST-Adapter on Kinetics-400 (Chang et al.): CLIP, per frame.

  python -m vidpetl.main \
    --config=configs/mst_adapter_k400.py:init=clip_b16.safetensors

Arguments, separated by commas, beside those of configs/vpetl_ssv2.py:
  model       B16 or L14.
  frames      8, every sixteenth, or 16, every eighth.
  method      mst_adapter, with bottleneck, placement, fuse (learned, average),
              pointwise (the 1x1x1 convolution) and shift ([CLS] token shift);
              or any other method.
  layers      'first-last', counted from 1; all by default.

Rows, with the top-1 that the paper reports (Table 1, views frames x clips x
crops; Tables 3 to 6, ViT-B/16):
  (none), 8x3x1                             82.7    frames=16          83.4
  model=L14                                 86.7    model=L14,frames=16  87.5
  shift=false                               82.0
  placement=pre_norm, post_norm, pre_residual (A, B, C)  81.5  80.1  81.9
  layers=1-4, 5-8, 9-12                     75.5  76.9  78.0
  layers=1-8, layers=5-12                   80.3  82.1
  method=full                               77.3
  method=st_adapter, method=aim             the techniques it compares with

Weights: OpenAI's ViT-B-16.pt and ViT-L-14.pt,

  python -m vidpetl.convert --from=clip ViT-B-16.pt clip_b16.safetensors

AdamW with 1.5e-4 and weight decay 0.05, 30 epochs, 5 of them warm-up; the
paper trains 4 clips on each of 4 GPUs. Where it is silent (kernels, width,
activation), vidpetl/petl/techniques/mst_adapter.py says what is assumed. None
of these rows was run here: that needs weights, dataset and accelerators.
"""

import ml_collections

from vidpetl.recipes import tuning as recipes


def get_config(argument: str = '') -> ml_collections.ConfigDict:
  """Returns the locked config of `argument`."""
  arg = recipes.parse(argument, 'mst_adapter', frames=8, model='B16', layers='')
  return recipes.mst_adapter(arg, 'kinetics400', views=(3, 1))
