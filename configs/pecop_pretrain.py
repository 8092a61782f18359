"""PECoP, stage 1: self-supervised continual pretraining (Dadashzadeh et al.).

  python -m vidpetl.main --config=configs/pecop_pretrain.py:\
dataset=mtl_aqa,init=<I3D weights> --workdir=runs/mtl_aqa_pecop

It leaves its 3D-Adapters and the BatchNorms' statistics in <workdir>/adapter,
with which configs/pecop_aqa.py goes on.

Arguments:
  method    what trains: pecop (3D-Adapters), hpt (everything), hpt_bn (gains
            and biases of norms), dom_s (everything, from random parameters);
            or dom_g: supervised on Kinetics-400, the model that the others,
            but for dom_s, start from as init=
  pretext   vspp, pace (VideoPace) or rspnet
  dataset   mtl_aqa, jigsaws, finediving, pd4t, or any other dataset whose
            videos are to be learned from: hmdb51_1, ucf101_1, kinetics400, ava
            (films cut to begin at 900 s), ...
  task      of jigsaws: suturing, needle_passing, knot_tying; of pd4t: gait,
            finger_tapping, hand_movement, leg_agility
  fold      of jigsaws, 1 to 4
  csv       one's own performances instead, see configs/pecop_aqa.py
  folder    one's own videos instead, <folder>/<any name>/*.mp4: a fifth of them
            is held out, see vidpetl.data.sources.folder
  parts     of VSPP, zeta: the paper takes 4 or 3; if not given 4, in the demo 2
  natural   of VSPP, speed of the rest of the clip: 3 for gait, whose videos are
            long, else 1
  backbone  i3d, r3d (Hara's), r3d_18, r2plus1d, c3d, swin, vit
  site      of the 3D-Adapters, if not the backbone's usual one
  norm_statistics   batch (as in PECoP's code, whose frozen network runs in
            training mode) or frozen
  init      working directory or file of the weights to start from
  data      folder of the datasets' folders; demo: the demo world, in minutes

Weights: I3D on Kinetics-400, kinetics_i3d_pytorch's model_rgb.pth,

  python -m vidpetl.convert --from=i3d_hassony2 model_rgb.pth i3d.safetensors

Settings are the paper's: 32 frames of 224 x 224, 16 clips, SGD with a learning
rate of 1e-3, 8 epochs (HPT 16) of ten times the dataset. Its code has 1e-2.
"""

import ml_collections

from vidpetl.recipes import arguments, pecop


def get_config(argument: str = '') -> ml_collections.ConfigDict:
  """Returns the locked config of `argument`."""
  arg = arguments.parse(
    argument,
    **pecop.ARGUMENTS,
    folder='',
    method='pecop',
    pretext='vspp',
    parts=0,
    natural=1,
  )
  return pecop.pretrain(arg)
