"""V-PETL on Something-Something v2 (Yu et al. 2022), one row per command.

  python -m vidpetl.main --config=configs/vpetl_ssv2.py:\
method=bapat,bottleneck=128,init=<weights> --workdir=runs/bapat128

Arguments, separated by commas:
  method      full, head, bitfit, prefix, adaptformer, patt, bapat, lora, vpt
              and others of vidpetl/recipes/methods.py, with the options that it
              has there: bottleneck, to, scale, adapter, tokens, rank, ...
  frames      8; the paper also has 16 and 32.
  backbone    swin, Video Swin-B; videomae, ViT-B; or, beyond the paper, clip.
  init        the pretrained backbone, converted as below; or a run's workdir.
  head        false leaves the head as it was drawn.
  where       binds to paths with this in them alone, e.g. where=stage_3.
  data        the --out of vidpetl.prepare.
  demo        the demo world on a laptop.
  pretrain    trains the backbone itself, on Kinetics-400.

Rows (Table 2: Kinetics-400, 8 frames), with the top-1 that the paper reports:
  method=full                                           50.99
  method=head                                           24.13
  method=bitfit                                         45.94
  method=adaptformer                                    40.80
  method=prefix                                         39.46
  method=patt,bottleneck=32, 64, 128, 256               46.26 49.23 52.57 52.71
  method=bapat,bottleneck=32, 64, 128, 256              49.63 51.80 53.36 53.98
  method=bapat,frames=16                                63.14
Table 4 (Kinetics-600): method=bapat with
  to=qk, to=kv, to=qv, to=qkv                           45.49 53.38 53.24 53.23
  combine=concat; source=learned                        15.61; 51.06
Table 5 (VideoMAE, batch 256): backbone=videomae with
  method=full, head, vpt, adaptformer                   53.97 29.23 43.73 59.02
  method=bapat,bottleneck=32, 64, 128, 256              57.78 57.55 56.97 56.53

Weights: Video-Swin-Transformer's swin_base_patch244_window877_kinetics400_22k
.pth (Table 4: kinetics600), and VideoMAE's ViT-B, pretrained on Kinetics-400:

  python -m vidpetl.convert --from=swin \
    swin_base_patch244_window877_kinetics400_22k.pth swin_b_k400.safetensors
  python -m vidpetl.convert --from=videomae checkpoint.pth \
    videomae_b_k400.safetensors

Where the paper is silent this follows its code; see `recipes.vpetl`. None of
these rows was run here: that needs the weights, the dataset and accelerators.
"""

import ml_collections

from vidpetl.recipes import tuning as recipes


def get_config(argument: str = '') -> ml_collections.ConfigDict:
  """Returns the locked config of `argument`."""
  arg = recipes.parse(argument, 'bapat', frames=8, backbone='swin')
  return recipes.vpetl(arg, 'something_something_v2')
