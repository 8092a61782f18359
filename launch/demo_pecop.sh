#!/usr/bin/env bash
# PECoP on a CPU, with made-up dives:
#
#   bash launch/demo_pecop.sh [arguments of vidpetl.sweep]
#
# Trains a small I3D on the demo world's Kinetics, goes on by itself on the dives
# without their scores in four ways, and fits a quality head to each. Run again,
# it goes on where it stopped. HEAD=core takes that head.
set -euo pipefail
cd "$(dirname "$0")/.."
source launch/venv.sh

export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-2}"
make_venv
head="${HEAD:-usdl}"
.venv/bin/python -m vidpetl.world --out=demo/raw \
  --datasets=kinetics400,mtl_aqa
.venv/bin/python -m vidpetl.main --workdir=demo/i3d \
  --config=configs/pecop_pretrain.py:demo,method=dom_g
.venv/bin/python -m vidpetl.sweep --workdir=demo/pecop/pretrained \
  --config=configs/pecop_pretrain.py:demo --metric=mtl_aqa/accuracy \
  --over='PECoP: method=pecop,init=demo/i3d; HPT: method=hpt,init=demo/i3d;
    HPT+BN: method=hpt_bn,init=demo/i3d; Dom-S: method=dom_s' "$@"
from=demo/pecop/pretrained
.venv/bin/python -m vidpetl.sweep --workdir="demo/pecop/$head" \
  --config="configs/pecop_aqa.py:demo,head=$head" \
  --over="Dom-G: init=demo/i3d; Dom-S: init=$from/Dom-S/seed{seed};
    HPT: init=$from/HPT/seed{seed};
    HPT+BN: init=demo/i3d,site=none,adapter=$from/HPT+BN/seed{seed}/adapter;
    PECoP: init=demo/i3d,adapter=$from/PECoP/seed{seed}/adapter" "$@"
