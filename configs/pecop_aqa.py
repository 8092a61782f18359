"""PECoP, stage 2: action quality assessment (its Tables 1, 3 and 4).

  python -m vidpetl.main --config=configs/pecop_aqa.py:\
dataset=mtl_aqa,head=core,init=<I3D weights>,\
adapter=runs/mtl_aqa_pecop/adapter --workdir=runs/mtl_aqa_core

  python -m vidpetl.folds --workdir=runs/jigsaws --folds='fold=1|2|3|4' \
    --over='task=suturing|needle_passing|knot_tying' \
    --config=configs/pecop_aqa.py:dataset=jigsaws,head=musdl,init=<I3D weights>

Arguments:
  head      usdl, musdl (a network per judge), core, tsa (FineDiving alone)
  init      the I3D weights, converted as configs/pecop_pretrain.py says; or the
            working directory of stage 1 with method=hpt or dom_s
  adapter   what stage 1 left with method=pecop; without it, none is bound. What
            it left with hpt_bn is a package without 3D-Adapters: add site=none
  csv       one's own performances: a csv `video,score[,split,...]` with splits
            train and val, see vidpetl.data.sources.performances; `dataset` then
            says whose settings to take
  dataset, task, fold, backbone, site, norm_statistics, data, demo
            as in configs/pecop_pretrain.py

Spearman x 100 that the paper reports:
  Table 1        MTL-AQA   JIGSAWS S, NP, KT, average
  MUSDL            92.73   71 69 71  70
    + HPT          93.49   69 75 72  72
    + PECoP        93.72   77 76 76  76
  CoRe             95.12   84 86 86  85
    + HPT          94.26   80 81 80  80
    + PECoP        95.20   88 90 88  89
  Table 3 (FineDiving): CoRe 90.61, + PECoP 93.15; TSA 92.03, + PECoP 93.13
  Table 4 (PD4T)  gait, finger tapping, hand movement, leg agility, average
  USDL             79.14 42.58 53.93 56.47  58.03
    + HPT          81.93 46.38 54.15 58.54  60.25
    + PECoP        80.68 47.44 56.19 58.09  60.06 (the mean of these is 60.60)
  CoRe             78.87 45.93 54.10 62.34  60.31
    + HPT          81.42 49.73 57.06 63.98  63.05
    + PECoP        82.33 49.40 59.46 64.27  63.87

JIGSAWS' average is Fisher's z, PD4T's the mean (--average=arithmetic). MUSDL's
authors report the best epoch on the test set of MTL-AQA, and the last ten
epochs' mean on JIGSAWS; here it is the last epoch's. None of these rows was run
here: that needs the weights, the datasets and accelerators. What no paper or
code says is marked in vidpetl.recipes.pecop.
"""

import ml_collections

from vidpetl.recipes import arguments, pecop


def get_config(argument: str = '') -> ml_collections.ConfigDict:
  """Returns the locked config of `argument`."""
  arg = arguments.parse(argument, **pecop.ARGUMENTS, head='core', adapter='')
  return pecop.aqa(arg)
