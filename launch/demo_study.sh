#!/usr/bin/env bash
# Co-finetuning against finetuning, on a CPU, with made-up films:
#
#   bash launch/demo.sh                # makes the films and records
#   bash launch/demo_study.sh --seeds=3 [arguments of vidpetl.sweep]
#
# Three ways to spend the same number of AVA examples, of one model that starts
# from random parameters: AVA alone; the classification datasets first, then AVA;
# all at once. Run again, it goes on where it stopped. Leaves means and standard
# deviations in demo/study/ava/sweep.md.
set -euo pipefail
cd "$(dirname "$0")/.."
source launch/venv.sh

export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-2}"
make_venv
.venv/bin/python -m vidpetl.sweep --workdir=demo/study/pretrained \
  --config=configs/cofinetune_ava.py:demo --metric=kinetics400/top1 \
  --over='pretrained: pretrain=true' "$@"
.venv/bin/python -m vidpetl.sweep --workdir=demo/study/ava \
  --config=configs/cofinetune_ava.py:demo \
  --metric=ava/mAP,ava/mAP_head,ava/mAP_mid,ava/mAP_tail,ava/mAP_slowfast \
  --over='AVA alone: finetune=true; co-finetuning: finetune=false;
    transfer: finetune=true,init=demo/study/pretrained/pretrained/seed{seed}' "$@"
