"""MST-Adapter on Something-Something v2 (Chang et al.): CLIP, per frame.

  python -m vidpetl.main \
    --config=configs/mst_adapter_ssv2.py:init=clip_b16.safetensors

Arguments, separated by commas, beside those of configs/vpetl_ssv2.py:
  model       B16 or L14.
  frames      8 or 16, over 4 seconds, which is most of a clip.
  method      mst_adapter, with bottleneck, placement, fuse (learned, average),
              pointwise (the 1x1x1 convolution) and shift ([CLS] token shift);
              or any other method.
  layers      'first-last', counted from 1; all by default.

Rows, with the top-1 that the paper reports (Table 2, views frames x clips x
crops; Tables 3 to 6, ViT-B/16):
  (none), 8x1x3                             65.3    frames=16          66.1
  model=L14                                 68.3    model=L14,frames=16  69.7
  shift=false                               65.1
  placement=pre_norm, post_norm, pre_residual (A, B, C)  64.7  63.8  64.6
  layers=1-4, 5-8, 9-12                     55.9  58.9  60.5
  layers=1-8, layers=5-12                   62.7  63.3
  method=full                               44.5
  method=st_adapter, method=aim             the techniques it compares with

Weights are those of configs/mst_adapter_k400.py: CLIP's own.

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
  return recipes.mst_adapter(arg, 'something_something_v2', views=(1, 3))
