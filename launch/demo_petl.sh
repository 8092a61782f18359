#!/usr/bin/env bash
# Tuning a frozen backbone, on a CPU, with made-up films:
#
#   bash launch/demo_petl.sh [arguments of vidpetl.sweep]
#
# Pretrains a small Video Swin on the demo world's Kinetics, then tunes it on its
# HMDB51 by several methods, and draws accuracy against trained parameters. Run
# again, it goes on where it stopped.
set -euo pipefail
cd "$(dirname "$0")/.."
source launch/venv.sh

export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-2}"
make_venv
.venv/bin/python -m vidpetl.world --out=demo/raw \
  --datasets=kinetics400,hmdb51
.venv/bin/python -m vidpetl.prepare --dataset=kinetics400 --copy \
  --raw=demo/raw/kinetics400 --out=demo/records
.venv/bin/python -m vidpetl.prepare --dataset=hmdb51_1 --copy \
  --raw=demo/raw/hmdb51 --out=demo/records
.venv/bin/python -m vidpetl.main --config=configs/vpetl.py:dataset=hmdb51,demo,pretrain \
  --workdir=demo/swin
.venv/bin/python -m vidpetl.sweep --workdir=demo/sweep \
  --config=configs/vpetl.py:dataset=hmdb51,demo,head=true,init=demo/swin \
  --over='method=head; method=full; method=lora,rank=2|8;
    method=adaptformer,bottleneck=4|16|64;
    method=bapat,adapter=16,bottleneck=4|16|64' "$@"
printf '\nThe picture: demo/sweep/tradeoff.png\n'
